//! `next_block` lends one block at a time; a receiver is for many, and there is one of it.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Rx, Socket};

fn two_blocks(socket: &mut Socket<Bound<Rx>>) {
    let first = socket.next_block();
    let second = socket.next_block(); //~ [E0499]
    drop((first, second));
}

fn two_receivers(socket: &mut Socket<Bound<Rx>>) {
    let mut first = socket.receiver();
    let mut second = socket.receiver(); //~ [E0499]
    let _ = (first.next_block(), second.next_block());
}

fn a_block_while_another_is_in_a_thread(socket: &mut Socket<Bound<Rx>>) {
    let mut receiver = socket.receiver();
    let block = receiver.next_block();
    drop(receiver);
    let thread = spawn(move || drop(block));
    let _ = socket.next_block(); //~ [E0499]
    drop(thread);
}

/// What runs of a scoped thread.
fn spawn<'s>(run: impl FnOnce() + Send + 's) -> Box<dyn FnOnce() + Send + 's> {
    Box::new(run)
}

fn main() {}
