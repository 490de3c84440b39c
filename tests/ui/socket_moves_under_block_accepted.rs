//! The socket moves once the block is gone; while blocks are out the receiver waits.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Interface, Rx, Socket};

#[allow(dead_code)]
fn moved(mut socket: Socket<Bound<Rx>>) -> Socket<Bound<Rx>> {
    let block = socket.next_block();
    drop(block);
    let elsewhere = socket;
    elsewhere
}

#[allow(dead_code)]
fn rebound(socket: &mut Socket<Bound<Rx>>, interface: Interface) {
    let block = socket.next_block();
    drop(block);
    let _ = socket.rebind(interface);
}

#[allow(dead_code)]
fn waited_for(socket: &mut Socket<Bound<Rx>>) {
    let mut receiver = socket.receiver();
    let block = receiver.next_block();
    let _ = receiver.wait(packet_ring::Deadline::PASSED, packet_ring::OnSignal::Return);
    drop(block);
}

fn main() {}
