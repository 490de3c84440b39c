//! A small executor for the blocks of one ring: a task that takes them, a reactor that wakes it, a worker that
//! works on them.
//!
//! The same source runs on a real ring (`tests/packets.rs`) and, built with `--cfg loom`, is searched for lost
//! wake-ups and for blocks lost in a shutdown, against a modelled kernel (`tests/models.rs`). `sync.rs` is what
//! that takes in the executor itself; `packet-ring-loom-tests` has the kernel.
//!
//! Left out, for the ring's own documentation has it: `take_error`, which says that the link is down.

mod executor;
mod readiness;
mod sync;

#[cfg(not(loom))]
mod epoll;

use packet_ring::handoff;

pub use self::executor::{block_on, run};
pub use self::readiness::{Reactor, Readiness, next_block, react};

#[cfg(not(loom))]
pub use self::epoll::Epoll;

/// Where blocks come from.
pub trait Source {
    /// What comes: owned until it is dropped, on any thread.
    type Block: Send + 'static;

    /// The next block, if one is there.
    fn next_block(&mut self) -> Option<Self::Block>;
}

/// A ring that the program maps itself, or that the models' kernel has.
impl<O: Send + Sync + 'static> Source for handoff::SharedReceiver<O> {
    type Block = handoff::Block<handoff::Shared<O>>;

    fn next_block(&mut self) -> Option<Self::Block> {
        self.next_block()
    }
}

/// The ring of a socket.
#[cfg(not(loom))]
impl Source for packet_ring::packet::SharedReceiver {
    type Block = packet_ring::packet::Block<handoff::Shared<packet_ring::packet::Owner>>;

    fn next_block(&mut self) -> Option<Self::Block> {
        self.next_block()
    }
}
