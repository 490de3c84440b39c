//! While a block lives its socket stays where it is, and what it is: not moved, swapped or
//! rebound.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Interface, Rx, Socket};

fn moved(mut socket: Socket<Bound<Rx>>) -> Socket<Bound<Rx>> {
    let block = socket.next_block();
    let elsewhere = socket; //~ [E0505]
    drop(block);
    elsewhere
}

fn swapped(one: &mut Socket<Bound<Rx>>, other: &mut Socket<Bound<Rx>>) {
    let block = one.next_block();
    core::mem::swap(one, other); //~ [E0499]
    drop(block);
}

fn rebound(socket: &mut Socket<Bound<Rx>>, interface: Interface) {
    let block = socket.next_block();
    let _ = socket.rebind(interface); //~ [E0499]
    drop(block);
}

fn waited_for(socket: &mut Socket<Bound<Rx>>) {
    let block = socket.next_block();
    let _ = socket.wait(packet_ring::Deadline::PASSED, packet_ring::OnSignal::Return); //~ [E0499]
    drop(block);
}

fn main() {}
