//! A block that owns a share of the ring lends its packets no longer than another does, and there is no
//! sharing a ring whose blocks are out.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Packet, Rx, SharedReceiver, Socket};

fn packet_outlives_block(receiver: &mut SharedReceiver) -> Option<u8> {
    let block = receiver.next_block()?;
    let packet = block.packet(&mut block.start())?;
    drop(block); //~ [E0505]
    packet.data().first().copied()
}

fn packet_of_a_static_block(receiver: &mut SharedReceiver) -> Option<Packet<'static>> {
    let block = receiver.next_block()?;
    block.packets().next() //~ [E0515]
}

fn packet_outlives_block_in_a_thread(receiver: &mut SharedReceiver) -> Option<()> {
    let block = receiver.next_block()?;
    let packet = block.packets().next()?;
    is_static(move || drop(block)); //~ [E0505]
    drop(packet.data());
    Some(())
}

fn shared_while_a_block_is_out(mut socket: Socket<Bound<Rx>>) {
    let block = socket.next_block();
    let shared = socket.into_shared(); //~ [E0505]
    drop((block, shared));
}

fn descriptor_outlives_the_receiver(receiver: SharedReceiver) -> bool {
    use std::os::fd::AsFd;
    let fd = receiver.as_fd();
    drop(receiver); //~ [E0505]
    fd.try_clone_to_owned().is_ok()
}

fn is_static(_: impl FnOnce() + 'static) {}

fn main() {}
