//! Constant sizes that kernels take, and one that is checked when it runs.

use packet_ring::xdp::{RingSize, UmemGeometry};

const SLOTS: RingSize = RingSize::new_assert(64);
const CHUNKS: UmemGeometry = UmemGeometry::new_assert(2048, 64);

fn main() {
    assert_eq!(SLOTS.get(), 64);
    assert_eq!(CHUNKS.bytes(), 131_072);
    assert!(UmemGeometry::unaligned(3000, 64).is_ok());
    assert!(UmemGeometry::new(3000, 64).is_err());
}
