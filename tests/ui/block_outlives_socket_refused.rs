//! A block borrows its socket, through a receiver too: the socket unmaps the ring.

use packet_ring::handoff::Slots;
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Block, Receiver, Rx, Socket};

fn dropped(mut socket: Socket<Bound<Rx>>) -> u32 {
    let block = socket.next_block().expect("a block");
    drop(socket); //~ [E0505]
    block.packet_count()
}

fn dropped_under_a_receiver(mut socket: Socket<Bound<Rx>>) -> u32 {
    let mut receiver = socket.receiver();
    let block = receiver.next_block().expect("a block");
    drop(receiver);
    drop(socket); //~ [E0505]
    block.packet_count()
}

fn the_receiver_itself(mut socket: Socket<Bound<Rx>>) -> Receiver<'static> {
    socket.receiver() //~ [E0515]
}

fn in_a_thread(mut socket: Socket<Bound<Rx>>) {
    let mut receiver = socket.receiver(); //~ [E0597]
    let block = receiver.next_block().expect("a block");
    spawn(move || drop(block));
}

fn leaked<'a>(mut socket: Socket<Bound<Rx>>) -> &'a Block<&'a Slots> {
    let block = socket.next_block().expect("a block");
    Box::leak(Box::new(block)) //~ [E0515]
}

fn the_descriptor(mut socket: Socket<Bound<Rx>>) -> bool {
    let fd = socket.receiver().fd();
    drop(socket); //~ [E0505]
    is_open(fd)
}

fn is_open(_fd: impl std::os::fd::AsFd) -> bool {
    true
}

/// Asks what `std::thread::spawn` asks.
fn spawn(_: impl FnOnce() + Send + 'static) {}

fn main() {}
