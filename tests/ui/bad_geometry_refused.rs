//! Constant sizes that cannot make a ring do not compile, and the message says what to change.

use core::time::Duration;

use packet_ring::packet::Geometry;

const RING: Geometry = Geometry::new_assert(1 << 20, 64);

const NOT_PAGES: Geometry = Geometry::new_assert(65_536 + 512, 8); //~ [E0080]
const NO_SIZE: Geometry = Geometry::new_assert(0, 8); //~ [E0080]
const TOO_LARGE: Geometry = Geometry::new_assert(1 << 31, 8); //~ [E0080]
const NO_BLOCKS: Geometry = Geometry::new_assert(65_536, 0); //~ [E0080]
const TOO_MANY_BLOCKS: Geometry = Geometry::new_assert(65_536, 65_537); //~ [E0080]
const SNAP_ZERO: Geometry = Geometry::expect(RING.snap_length(0)); //~ [E0080]
const SNAP_TOO_LONG: Geometry = Geometry::expect(RING.snap_length(1 << 20)); //~ [E0080]
const PRIVATE_TOO_LARGE: Geometry = Geometry::expect(RING.private_area(65_536)); //~ [E0080]
const PRIVATE_FILLS_THE_BLOCK: Geometry =
    Geometry::expect(Geometry::expect(Geometry::new(65_536, 8)).private_area(65_400)); //~ [E0080]
const RESERVE_TOO_LARGE: Geometry = Geometry::expect(RING.reserve(65_536)); //~ [E0080]
const TIMEOUT_TOO_LONG: Geometry =
    Geometry::expect(RING.retire_timeout(Duration::from_millis(65_536))); //~ [E0080]
const TIMEOUT_NOT_MILLISECONDS: Geometry =
    Geometry::expect(RING.retire_timeout(Duration::from_micros(1_500))); //~ [E0080]
const NO_TIMEOUT_FOR_SO_LARGE_A_BLOCK: Geometry =
    Geometry::expect(Geometry::expect(Geometry::new(256 << 20, 2)).retire_timeout(Duration::ZERO)); //~ [E0080]

fn main() {}
