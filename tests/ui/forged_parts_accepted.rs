//! What a block lends of its guard.

use packet_ring::handoff::{self, Slots};
use packet_ring::packet::{Block, Geometry};

#[allow(dead_code)]
fn a_guard_within<'r>(block: handoff::Block<&'r Slots>) -> Option<Block<&'r Slots>> {
    let _ = (block.bytes().len(), block.slots().held());
    Block::open(block, &Geometry::DEFAULT)
}

fn main() {}
