//! The sizes of a TPACKET_V3 receive ring, checked once.

use core::num::NonZeroU32;
use core::time::Duration;

use crate::abi::packet::{block, record};
use crate::geometry::{InvalidGeometry, align_up};

/// The smallest page of any machine that Linux runs on, in bytes.
pub(super) const SMALLEST_PAGE: u32 = 4096;
/// The kernel counts the block that it fills in 16 bits (`kactive_blk_num`).
const MAX_BLOCKS: u32 = 1 << 16;
/// From this block size on the kernel's own retire timeout overflows, in bytes.
const KERNEL_TIMEOUT_LIMIT: u32 = 256 << 20;
/// Where the network header lies in the record of an Ethernet frame, and of a packet without its
/// link-layer header, in bytes, without a reserve.
const ETHERNET_NET: u32 = 96;

/// The sizes of a receive ring: blocks of one size, and what goes into them.
///
/// Every value of this type satisfies the kernel's rules for `PACKET_RX_RING`, and those that the
/// kernel does not check and should. What only the running kernel knows, the page size and the free
/// memory, is checked by [`map`](crate::packet::Socket::map).
///
/// ```
/// use core::time::Duration;
/// use packet_ring::packet::Geometry;
///
/// // 64 blocks of 1 MiB; a wrong size fails the build.
/// const RING: Geometry = Geometry::new_assert(1 << 20, 64);
/// // More is set by further methods, each of which checks the whole again.
/// const SMALL: Geometry = Geometry::expect(RING.snap_length(128));
/// # fn main() -> Result<(), packet_ring::Error> {
/// let fast = RING.retire_timeout(Duration::from_millis(1))?;
/// # assert_eq!(fast.bytes(), 64 << 20);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "tpacket_req3")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    block_size: u32,
    block_count: NonZeroU32,
    private_area: u32,
    reserve: u32,
    snap_length: Option<NonZeroU32>,
    retire_timeout_ms: u32,
}

impl Geometry {
    /// 64 blocks of 1 MiB, retired after 16 ms: 64 MiB.
    ///
    /// Measured with one core that sends 64-byte frames as fast as it can, some 700,000/s. Blocks of
    /// 1 MiB need one wait in 5,700 packets, smaller ones twice as many each time they are halved,
    /// and larger ones make the ring coarse for little gain. The ring outlasts half a second in which
    /// nobody reads it. A shorter retire timeout cuts blocks short and the ring with them, as 10 ms
    /// does here to half, since a block takes 9 ms to fill; a longer one only makes lone packets
    /// wait, 16 ms at the most here. `docs/defaults.md` has the figures.
    pub const DEFAULT: Self = Self::new_assert(1 << 20, 64);

    /// `block_count` blocks of `block_size` bytes, retired after 16 ms.
    ///
    /// The block size is a multiple of the page size; multiples of 65,536 are that on every machine.
    /// It need not be a power of two. At most 65,536 blocks.
    ///
    /// # Errors
    ///
    /// [`InvalidGeometry`] says which rule is broken.
    pub const fn new(block_size: u32, block_count: u32) -> Result<Self, InvalidGeometry> {
        let Some(block_count) = NonZeroU32::new(block_count) else {
            return Err(InvalidGeometry::NoBlocks);
        };
        Self {
            block_size,
            block_count,
            private_area: 0,
            reserve: 0,
            snap_length: None,
            retire_timeout_ms: 16,
        }
        .check()
    }

    /// [`new`](Self::new) for constants: a wrong size fails the build.
    ///
    /// # Panics
    ///
    /// With the sentence of the broken rule.
    #[must_use]
    #[track_caller]
    pub const fn new_assert(block_size: u32, block_count: u32) -> Self {
        Self::expect(Self::new(block_size, block_count))
    }

    /// Takes the geometry out of a checked result, for constants.
    ///
    /// # Panics
    ///
    /// With the sentence of the broken rule.
    #[must_use]
    #[track_caller]
    pub const fn expect(checked: Result<Self, InvalidGeometry>) -> Self {
        match checked {
            Ok(geometry) => geometry,
            Err(why) => panic!("{}", why.sentence()),
        }
    }

    /// Leaves `bytes` in each block, behind its header, that the kernel never writes: 0 to 65,535.
    ///
    /// What is written there is there again when the block comes round.
    ///
    /// # Errors
    ///
    /// [`InvalidGeometry::PrivateAreaTooLarge`], [`InvalidGeometry::BlockTooSmall`].
    #[doc(alias = "tp_sizeof_priv")]
    pub const fn private_area(mut self, bytes: u32) -> Result<Self, InvalidGeometry> {
        self.private_area = bytes;
        self.check()
    }

    /// Leaves `bytes` free before each packet's link-layer header.
    ///
    /// # Errors
    ///
    /// [`InvalidGeometry::ReserveTooLarge`], [`InvalidGeometry::BlockTooSmall`].
    #[doc(alias = "PACKET_RESERVE")]
    pub const fn reserve(mut self, bytes: u32) -> Result<Self, InvalidGeometry> {
        self.reserve = bytes;
        self.check()
    }

    /// Keeps at most `bytes` of each packet; the rest is cut off before it is copied.
    ///
    /// Counted from where a packet's data begins: its link-layer header or, with
    /// [`LinkHeader::Removed`](super::LinkHeader::Removed), its network header.
    /// A filter does this, not the ring: without one of your own the socket gets one that keeps this
    /// many bytes of every packet, and a filter of yours keeps no more than this.
    /// Without a snap length a packet is cut only where a whole block cannot hold it.
    ///
    /// # Errors
    ///
    /// [`InvalidGeometry::SnapLengthZero`], [`InvalidGeometry::BlockTooSmall`] where a block cannot
    /// hold a packet of this length behind its header.
    #[doc(alias = "snaplen")]
    pub const fn snap_length(mut self, bytes: u32) -> Result<Self, InvalidGeometry> {
        let Some(bytes) = NonZeroU32::new(bytes) else {
            return Err(InvalidGeometry::SnapLengthZero);
        };
        self.snap_length = Some(bytes);
        self.check()
    }

    /// Hands out a block that is not full after this time: 1 to 65,535 ms, in whole milliseconds.
    ///
    /// It is the longest that a packet waits in the ring before the program can see it. Zero leaves
    /// the choice to the kernel, which computes it from the link's speed. An empty block is never
    /// handed out.
    ///
    /// # Errors
    ///
    /// [`InvalidGeometry::RetireTimeoutNotMilliseconds`], [`InvalidGeometry::RetireTimeoutTooLong`],
    /// [`InvalidGeometry::BlockTooLargeForKernelTimeout`].
    #[doc(alias = "tp_retire_blk_tov")]
    pub const fn retire_timeout(mut self, timeout: Duration) -> Result<Self, InvalidGeometry> {
        if !timeout.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(InvalidGeometry::RetireTimeoutNotMilliseconds);
        }
        if timeout.as_millis() > u16::MAX as u128 {
            return Err(InvalidGeometry::RetireTimeoutTooLong);
        }
        self.retire_timeout_ms = timeout.as_millis() as u32;
        self.check()
    }

    const fn check(self) -> Result<Self, InvalidGeometry> {
        let block_size = self.block_size as u64;
        let block_count = self.block_count.get();
        if block_size == 0 || block_size > i32::MAX as u64 {
            return Err(InvalidGeometry::BlockSizeOutOfRange);
        }
        if !self.block_size.is_multiple_of(SMALLEST_PAGE) {
            return Err(InvalidGeometry::BlockSizeNotPages);
        }
        if block_count > MAX_BLOCKS {
            return Err(InvalidGeometry::TooManyBlocks);
        }
        if self.bytes() > isize::MAX as u64 {
            return Err(InvalidGeometry::RingTooLarge);
        }
        if self.private_area > u16::MAX as u32 {
            return Err(InvalidGeometry::PrivateAreaTooLarge);
        }
        if self.reserve as u64 + ETHERNET_NET as u64 > u16::MAX as u64 {
            return Err(InvalidGeometry::ReserveTooLarge);
        }
        let captured = match self.snap_length {
            Some(bytes) => bytes.get() as u64,
            None => 1,
        };
        let record = record::FARTHEST_MAC as u64 + self.reserve as u64 + captured;
        // The kernel compares strictly: a record that fills the block to the last byte does not fit.
        let room = self.first_packet() as u64 + align_up(record, record::ALIGNMENT as u64);
        if room >= block_size {
            return Err(InvalidGeometry::BlockTooSmall);
        }
        if self.retire_timeout_ms == 0 && self.block_size >= KERNEL_TIMEOUT_LIMIT {
            return Err(InvalidGeometry::BlockTooLargeForKernelTimeout);
        }
        Ok(self)
    }

    /// Size of a block in bytes.
    #[must_use]
    pub const fn block_size(&self) -> u32 {
        self.block_size
    }

    /// Number of blocks.
    #[must_use]
    pub const fn block_count(&self) -> NonZeroU32 {
        self.block_count
    }

    /// Size of the whole ring in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.block_size as u64 * self.block_count.get() as u64
    }

    /// Where a block's first packet record lies: behind the header and the private area, in bytes.
    pub(crate) const fn first_packet(&self) -> u32 {
        block::HEADER as u32 + align_up(self.private_area as u64, record::ALIGNMENT as u64) as u32
    }

    pub(crate) const fn private_area_bytes(&self) -> u32 {
        self.private_area
    }

    pub(crate) const fn reserve_bytes(&self) -> u32 {
        self.reserve
    }

    pub(crate) const fn snap_length_bytes(&self) -> Option<NonZeroU32> {
        self.snap_length
    }

    /// The longest that a packet waits in the ring, in milliseconds; some value where the kernel chose.
    pub(crate) const fn longest_wait_ms(&self) -> u32 {
        const KERNEL_CHOICE: u32 = 8;
        match self.retire_timeout_ms {
            0 => KERNEL_CHOICE,
            ms => ms,
        }
    }

    pub(crate) const fn retire_timeout_ms(&self) -> u32 {
        self.retire_timeout_ms
    }
}

impl Default for Geometry {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Geometry = Geometry::new_assert(4096, 1);
    const LARGE: Geometry = Geometry::new_assert(1 << 17, 1);

    /// One request beside each rule, decided while this compiles: what is refused, and its neighbour
    /// that is not.
    const RULES: &[(InvalidGeometry, Checked, Checked)] = {
        use InvalidGeometry::*;
        let ms = Duration::from_millis;
        let no_timeout = Geometry::new_assert(4096, 1).retire_timeout(ms(0));
        let mut largest = Geometry::expect(no_timeout);
        largest.block_size = KERNEL_TIMEOUT_LIMIT - SMALLEST_PAGE;
        let mut too_large = largest;
        too_large.block_size = KERNEL_TIMEOUT_LIMIT;
        &[
            (
                BlockSizeOutOfRange,
                Geometry::new(0, 1),
                Geometry::new(4096, 1),
            ),
            (
                BlockSizeOutOfRange,
                Geometry::new(1 << 31, 1),
                Geometry::new((1 << 31) - 4096, 1),
            ),
            (
                BlockSizeNotPages,
                Geometry::new(4097, 1),
                Geometry::new(3 * 4096, 1),
            ),
            (NoBlocks, Geometry::new(4096, 0), Geometry::new(4096, 1)),
            (
                TooManyBlocks,
                Geometry::new(4096, 65_537),
                Geometry::new(4096, 65_536),
            ),
            (
                PrivateAreaTooLarge,
                LARGE.private_area(65_536),
                LARGE.private_area(65_535),
            ),
            (
                ReserveTooLarge,
                LARGE.reserve(65_440),
                LARGE.reserve(65_439),
            ),
            (ReserveTooLarge, LARGE.reserve(u32::MAX), LARGE.reserve(0)),
            // 48 + 96 + 3944 = 4088: one more byte would fill the block, which is too much.
            (
                BlockTooSmall,
                BLOCK.snap_length(3945),
                BLOCK.snap_length(3944),
            ),
            (
                BlockTooSmall,
                BLOCK.snap_length(u32::MAX),
                BLOCK.snap_length(1),
            ),
            (
                BlockTooSmall,
                BLOCK.private_area(3937),
                BLOCK.private_area(3936),
            ),
            (BlockTooSmall, BLOCK.reserve(3944), BLOCK.reserve(3943)),
            (SnapLengthZero, BLOCK.snap_length(0), BLOCK.snap_length(1)),
            (
                RetireTimeoutNotMilliseconds,
                BLOCK.retire_timeout(Duration::from_micros(1500)),
                BLOCK.retire_timeout(Duration::from_micros(2000)),
            ),
            (
                RetireTimeoutTooLong,
                BLOCK.retire_timeout(ms(65_536)),
                BLOCK.retire_timeout(ms(65_535)),
            ),
            (
                RetireTimeoutTooLong,
                BLOCK.retire_timeout(Duration::from_secs(u64::MAX)),
                no_timeout,
            ),
            (
                BlockTooLargeForKernelTimeout,
                too_large.check(),
                largest.check(),
            ),
        ]
    };

    type Checked = Result<Geometry, InvalidGeometry>;

    #[test]
    fn each_rule_refuses_with_its_name_and_no_more_than_it_says() {
        for (index, &(why, refused, taken)) in RULES.iter().enumerate() {
            assert_eq!(refused, Err(why), "row {index}");
            assert!(taken.is_ok(), "row {index}: {taken:?}");
        }
    }

    #[test]
    fn no_setting_escapes_the_check_of_another() {
        // Each fits by itself; together they leave no room for a packet.
        let private = Geometry::expect(BLOCK.private_area(2000));
        let reserved = Geometry::expect(private.reserve(1900));
        assert_eq!(
            reserved.snap_length(100),
            Err(InvalidGeometry::BlockTooSmall)
        );
        let short = Geometry::expect(BLOCK.snap_length(3000));
        assert_eq!(
            short.private_area(1000),
            Err(InvalidGeometry::BlockTooSmall)
        );
        assert_eq!(short.reserve(1000), Err(InvalidGeometry::BlockTooSmall));
    }

    #[test]
    fn the_size_of_the_ring_does_not_overflow() {
        let largest = Geometry::expect(Geometry::new((1 << 31) - 4096, 65_536));
        assert_eq!(largest.bytes(), ((1 << 31) - 4096) * 65_536);
    }

    #[test]
    #[should_panic(expected = "the ring needs at least one block")]
    fn a_wrong_constant_says_why() {
        let _ = Geometry::new_assert(4096, 0);
    }
}
