//! A place in a block is got from the block.

use packet_ring::handoff::Slots;
use packet_ring::packet::{Block, Position};

fn any_place(block: &Block<&Slots>) -> Position {
    Position {
        next: 1 << 30, //~ [E0451]
        ..block.start()
    }
}

fn main() {}
