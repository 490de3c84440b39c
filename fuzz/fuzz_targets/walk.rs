//! Any bytes as a ring: every way through every block brings what the oracle reads there, stays
//! inside the block, ends, and latches.
//!
//! Input: two bytes of private area (little endian, up to 4095), and the ring, of as many blocks as
//! that takes, four at the most; what is missing of the last is zero.

#![no_main]

#[path = "../../tests/model"]
mod model {
    pub(crate) mod compare;
    pub(crate) mod heap;
    pub(crate) mod oracle;
}

use libfuzzer_sys::fuzz_target;
use packet_ring::packet::Geometry;

const BLOCK: u32 = 4096;

fuzz_target!(|input: &[u8]| {
    let Some((&[low, high], bytes)) = input.split_first_chunk() else {
        return;
    };
    let blocks = bytes.len().div_ceil(BLOCK as usize).clamp(1, 4) as u32;
    let private_area = u32::from(u16::from_le_bytes([low, high]) % 4096);
    let Ok(geometry) =
        Geometry::new(BLOCK, blocks).and_then(|ring| ring.private_area(private_area))
    else {
        return;
    };
    model::compare::ring(&geometry, private_area, bytes);
    model::compare::writing(&geometry, private_area, bytes);
});
