//! A packet borrows its block, however the block was taken and the packet reached.

use core::ops::ControlFlow;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Packet, Receiver, Rx, Socket};

fn from_next_block(socket: &mut Socket<Bound<Rx>>) -> Option<u8> {
    let block = socket.next_block()?;
    let packet = block.packets().next()?;
    drop(block); //~ [E0505]
    packet.data().first().copied()
}

fn from_a_receiver(receiver: &mut Receiver<'_>) -> Option<u8> {
    let block = receiver.next_block()?;
    let data = block.packets().next()?.data();
    drop(block); //~ [E0505]
    data.first().copied()
}

fn through_the_iterator(receiver: &mut Receiver<'_>) -> Option<u32> {
    let block = receiver.next_block()?;
    let mut it = block.packets();
    drop(block); //~ [E0505]
    it.next().map(|packet| packet.len())
}

fn through_the_private_area(receiver: &mut Receiver<'_>) -> Option<u8> {
    let block = receiver.next_block()?;
    let private = block.private_area();
    drop(block); //~ [E0505]
    private.first().copied()
}

fn out_of_the_function<'r>(receiver: &'r mut Receiver<'r>) -> Option<&'r [u8]> {
    let block = receiver.next_block()?;
    block.packets().next().map(|packet| packet.data()) //~ [E0515]
}

fn out_of_the_closure(block: packet_ring::packet::Block<&packet_ring::handoff::Slots>) {
    let mut kept: Option<Packet<'_>> = None;
    let _ = block.for_each(|packet| {
        kept = Some(packet);
        ControlFlow::Break(())
    });
    drop(block); //~ [E0505]
    let _ = kept.map(|packet| packet.len());
}

fn main() {}
