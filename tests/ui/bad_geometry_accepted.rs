//! The sizes next to those that are refused.

use core::time::Duration;

use packet_ring::packet::Geometry;

const RING: Geometry = Geometry::new_assert(1 << 20, 64);

const PAGES: Geometry = Geometry::new_assert(65_536 + 4096, 8);
const SMALLEST: Geometry = Geometry::new_assert(4096, 1);
const LARGE: Geometry = Geometry::new_assert((1 << 31) - 4096, 8);
const MANY_BLOCKS: Geometry = Geometry::new_assert(65_536, 65_536);
const SNAP_ONE: Geometry = Geometry::expect(RING.snap_length(1));
const SNAP_LONG: Geometry = Geometry::expect(RING.snap_length((1 << 20) - 48 - 96 - 8));
const PRIVATE_LARGE: Geometry = Geometry::expect(RING.private_area(65_535));
const PRIVATE_IN_A_SMALL_BLOCK: Geometry =
    Geometry::expect(Geometry::expect(Geometry::new(65_536, 8)).private_area(65_376));
const RESERVE_LARGE: Geometry = Geometry::expect(RING.reserve(65_000));
const TIMEOUT_LONG: Geometry = Geometry::expect(RING.retire_timeout(Duration::from_millis(65_535)));
const NO_TIMEOUT: Geometry = Geometry::expect(RING.retire_timeout(Duration::ZERO));

fn main() {
    let all = [
        PAGES,
        SMALLEST,
        LARGE,
        MANY_BLOCKS,
        SNAP_ONE,
        SNAP_LONG,
        PRIVATE_LARGE,
        PRIVATE_IN_A_SMALL_BLOCK,
        RESERVE_LARGE,
        TIMEOUT_LONG,
        NO_TIMEOUT,
    ];
    assert_eq!(all[1].bytes(), 4096);
}
