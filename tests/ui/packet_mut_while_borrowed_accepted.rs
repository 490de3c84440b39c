//! Reading and writing in turn.

use packet_ring::handoff::Slots;
use packet_ring::packet::Block;

#[allow(dead_code)]
fn in_turn(block: &mut Block<&Slots>) -> Option<u8> {
    let first = block.packets().next()?.data().first().copied();
    let mut position = block.start();
    while let Some(data) = block.packet_mut(&mut position) {
        data.fill(0);
    }
    block.private_area_mut().fill(0);
    let _ = block.packets().next();
    first
}

fn main() {}
