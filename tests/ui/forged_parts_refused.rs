//! What the proofs rest on cannot be copied or taken apart outside of the library.

use packet_ring::handoff::{self, Slots};
use packet_ring::packet::Block;

fn a_second_owner<'r>(block: &handoff::Block<&'r Slots>) -> handoff::Block<&'r Slots> {
    block.clone() //~ [E0308]
}

fn a_guard_apart<'r>(block: Block<&'r Slots>) -> handoff::Block<&'r Slots> {
    block.guard //~ [E0616]
}

fn a_number(block: &handoff::Block<&Slots>) {
    drop(block.index); //~ [E0616]
}

fn a_release(slots: &Slots) {
    slots.release(anything()); //~ [E0624]
}

fn anything<T>() -> T {
    panic!("only for its type")
}

fn main() {}
