//! Blocks outlive their receiver, go to threads that end in time, and where the socket itself is
//! leaked, to any thread.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Rx, Socket};

#[allow(dead_code)]
fn outlives_its_receiver(mut socket: Socket<Bound<Rx>>) -> u32 {
    let mut receiver = socket.receiver();
    let block = receiver.next_block().expect("a block");
    drop(receiver);
    let count = block.packet_count();
    drop(block);
    drop(socket);
    count
}

#[allow(dead_code)]
fn in_a_scoped_thread(mut socket: Socket<Bound<Rx>>) {
    let mut receiver = socket.receiver();
    std::thread::scope(|scope| {
        while let Some(block) = receiver.next_block() {
            scope.spawn(move || block.packet_count());
        }
    });
}

#[allow(dead_code)]
fn of_a_leaked_socket(socket: Socket<Bound<Rx>>) {
    let mut receiver = Box::leak(Box::new(socket)).receiver();
    let block = receiver.next_block().expect("a block");
    let _ = std::thread::spawn(move || block.packet_count());
}

fn main() {}
