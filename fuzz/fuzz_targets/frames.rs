//! Any bytes as a ring of TPACKET_V2 frames: every frame brings what the oracle reads there, stays
//! inside its bytes, and a bad one latches.
//!
//! Input: one byte of frame size (in steps of 16, from 80 on), and the ring, of as many blocks as that
//! takes, four at the most; what is missing of the last is zero.

#![no_main]

#[path = "../../tests/model"]
mod model {
    #[allow(dead_code, reason = "its walk is for blocks")]
    pub(crate) mod compare;
    pub(crate) mod frames;
    #[allow(dead_code, reason = "its rings are of blocks, too")]
    pub(crate) mod heap;
    #[allow(dead_code, reason = "its reading is of blocks")]
    pub(crate) mod oracle;
}

use libfuzzer_sys::fuzz_target;
use packet_ring::packet::FrameGeometry;

const BLOCK: u32 = 4096;

fuzz_target!(|input: &[u8]| {
    let Some((&size, bytes)) = input.split_first() else {
        return;
    };
    let blocks = bytes.len().div_ceil(BLOCK as usize).clamp(1, 4) as u32;
    let size = (80 + u32::from(size) * 16).min(BLOCK);
    if let Ok(geometry) = FrameGeometry::new(size, BLOCK, blocks) {
        model::frames::ring(&geometry, bytes);
    }
});
