//! Code that is generic over what keeps a block alive names the trait.

use packet_ring::handoff::{Handle, Slots};
use packet_ring::packet::Block;

fn count<H: Handle>(block: &Block<H>) -> u32 {
    block.packet_count()
}

fn main() {
    let _ = count::<&Slots>;
}
