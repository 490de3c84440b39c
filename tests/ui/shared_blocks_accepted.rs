//! Blocks that own a share of the ring go anywhere, and packets with them.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Rx, SharedReceiver, Socket};

#[allow(dead_code)]
fn packet_within_its_block(receiver: &mut SharedReceiver) -> Option<u8> {
    let block = receiver.next_block()?;
    let packet = block.packet(&mut block.start())?;
    let first = packet.data().first().copied();
    drop(block);
    first
}

#[allow(dead_code)]
fn block_in_a_thread(receiver: &mut SharedReceiver) -> Option<()> {
    let block = receiver.next_block()?;
    std::thread::spawn(move || block.packets().count());
    Some(())
}

#[allow(dead_code)]
fn block_outlives_everything(mut socket: Socket<Bound<Rx>>) -> Option<u32> {
    let block = socket.next_block();
    drop(block);
    let mut receiver = socket.into_shared();
    let block = receiver.next_block()?;
    drop(receiver);
    Some(block.packet_count())
}

fn main() {}
