//! One block after another, and many through a receiver.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Rx, Socket};

#[allow(dead_code)]
fn one_after_another(socket: &mut Socket<Bound<Rx>>) {
    let first = socket.next_block();
    drop(first);
    let second = socket.next_block();
    drop(second);
}

#[allow(dead_code)]
fn many(socket: &mut Socket<Bound<Rx>>) {
    let mut receiver = socket.receiver();
    let first = receiver.next_block();
    let second = receiver.next_block();
    drop(first);
    drop(second);
    let _ = socket.next_block();
}

fn main() {}
