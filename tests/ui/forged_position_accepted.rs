//! A place is copied, kept without the block, and read on from.

use packet_ring::handoff::Slots;
use packet_ring::packet::{Block, Position};

#[allow(dead_code)]
fn second_place(block: &Block<&Slots>) -> Position {
    let mut position = block.start();
    let _ = block.packet(&mut position);
    position
}

fn main() {}
