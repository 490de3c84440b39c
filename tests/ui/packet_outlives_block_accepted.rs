//! Packets that are done with before their block is dropped; the bytes that are kept are copied.

use core::ops::ControlFlow;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Packet, Receiver, Rx, Socket};

#[allow(dead_code)]
fn from_next_block(socket: &mut Socket<Bound<Rx>>) -> Option<u8> {
    let block = socket.next_block()?;
    let packet = block.packets().next()?;
    let first = packet.data().first().copied();
    drop(block);
    first
}

#[allow(dead_code)]
fn from_a_receiver(receiver: &mut Receiver<'_>) -> Option<Vec<u8>> {
    let block = receiver.next_block()?;
    let mut it = block.packets();
    let copy = it.next().map(|packet| packet.data().to_vec());
    drop(block);
    copy
}

#[allow(dead_code)]
fn out_of_the_closure(block: packet_ring::packet::Block<&packet_ring::handoff::Slots>) {
    let mut kept: Option<Packet<'_>> = None;
    let _ = block.for_each(|packet| {
        kept = Some(packet);
        ControlFlow::Break(())
    });
    let _ = kept.map(|packet| packet.len());
    drop(block);
}

fn main() {}
