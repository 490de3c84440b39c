//! What keeps a block's slots alive is a borrow or a shared owner of the library's: with a handle that
//! names other slots each time, a block would lend bytes that are not its own.

use core::ops::Deref;

use packet_ring::handoff::{Block, Handle, Slots};

struct Turncoat<'a>([&'a Slots; 2], core::cell::Cell<usize>);

impl Deref for Turncoat<'_> {
    type Target = Slots;
    fn deref(&self) -> &Slots {
        self.1.set(1 - self.1.get());
        self.0[self.1.get()]
    }
}

impl Handle for Turncoat<'_> {} //~ [E0277]

fn of_another_handle(block: Block<Box<Slots>>) { //~ [E0277]
    drop(block); //~ [E0277]
}

fn main() {}
