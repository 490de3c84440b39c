//! Packets collected and read while their block is held.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Packet, Rx, Socket};

#[allow(dead_code)]
fn read(capture: &mut Socket<Bound<Rx>>) {
    let Some(batch) = capture.next_block() else {
        return;
    };
    let packets: Vec<Packet<'_>> = batch.packets().collect();
    for packet in &packets {
        println!("{:02x?}", packet.data());
    }
    drop(batch);
}

fn main() {}
