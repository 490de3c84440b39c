//! Constant sizes that no kernel takes fail the build.

use packet_ring::xdp::{RingSize, UmemGeometry};

const NO_POWER_OF_TWO: RingSize = RingSize::new_assert(96); //~ [E0080]
const NO_SLOTS: RingSize = RingSize::new_assert(0); //~ [E0080]
const SMALL_CHUNKS: UmemGeometry = UmemGeometry::new_assert(1024, 64); //~ [E0080]
const ODD_CHUNKS: UmemGeometry = UmemGeometry::new_assert(3000, 64); //~ [E0080]
const HUGE_CHUNKS: UmemGeometry = UmemGeometry::new_assert(65536, 64); //~ [E0080]
const NO_CHUNKS: UmemGeometry = UmemGeometry::new_assert(2048, 0); //~ [E0080]

fn main() {}
