//! The sizes of a ring of frames, checked once.

use core::num::NonZeroU32;

use super::geometry::SMALLEST_PAGE;
use crate::abi::packet::frame;
use crate::geometry::InvalidGeometry;

/// The sizes of a ring of frames: frames of one size, in blocks.
///
/// The kernel allocates memory by the block, and a block holds whole frames from its start on. Where
/// the frame size does not divide the block size, the rest of each block is unused. Every value of this
/// type satisfies the kernel's rules for `PACKET_TX_RING`, and for `PACKET_RX_RING` with TPACKET_V2, save
/// for the page size and the free memory, which [`map`](crate::packet::Socket::map) checks.
///
/// ```
/// use packet_ring::packet::FrameGeometry;
///
/// // 16 blocks of 64 KiB with 32 frames of 2,048 bytes each: 512 frames.
/// const RING: FrameGeometry = FrameGeometry::new_assert(2048, 1 << 16, 16);
/// assert_eq!(RING.frame_count().get(), 512);
/// ```
#[doc(alias = "tpacket_req3")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameGeometry {
    frame_size: u32,
    block_size: u32,
    block_count: NonZeroU32,
}

impl FrameGeometry {
    /// 512 frames of 2,048 bytes: 16 blocks of 64 KiB, 1 MiB in all.
    pub const DEFAULT: Self = Self::new_assert(2048, 1 << 16, 16);

    /// `block_count` blocks of `block_size` bytes, filled with frames of `frame_size` bytes.
    ///
    /// The frame size is a multiple of 16 and at least 80; what a frame can carry is
    /// [`capacity`](Self::capacity). The block size is a multiple of the page size; multiples of 65,536
    /// are that on every machine.
    ///
    /// # Errors
    ///
    /// [`InvalidGeometry`] says which rule is broken.
    pub const fn new(
        frame_size: u32,
        block_size: u32,
        block_count: u32,
    ) -> Result<Self, InvalidGeometry> {
        let Some(block_count) = NonZeroU32::new(block_count) else {
            return Err(InvalidGeometry::NoBlocks);
        };
        if block_size == 0 || block_size > i32::MAX as u32 {
            return Err(InvalidGeometry::BlockSizeOutOfRange);
        }
        if !block_size.is_multiple_of(SMALLEST_PAGE) {
            return Err(InvalidGeometry::BlockSizeNotPages);
        }
        if frame_size < frame::SMALLEST || !frame_size.is_multiple_of(frame::ALIGNMENT) {
            return Err(InvalidGeometry::FrameSizeOutOfRange);
        }
        if frame_size > block_size {
            return Err(InvalidGeometry::FrameLargerThanBlock);
        }
        let frames = (block_size / frame_size) as u64 * block_count.get() as u64;
        if frames > u32::MAX as u64 {
            return Err(InvalidGeometry::TooManyFrames);
        }
        if block_size as u64 * block_count.get() as u64 > isize::MAX as u64 {
            return Err(InvalidGeometry::RingTooLarge);
        }
        Ok(Self {
            frame_size,
            block_size,
            block_count,
        })
    }

    /// [`new`](Self::new) for constants: a wrong size fails the build.
    ///
    /// # Panics
    ///
    /// With the sentence of the broken rule.
    #[must_use]
    #[track_caller]
    pub const fn new_assert(frame_size: u32, block_size: u32, block_count: u32) -> Self {
        match Self::new(frame_size, block_size, block_count) {
            Ok(geometry) => geometry,
            Err(why) => panic!("{}", why.sentence()),
        }
    }

    /// Size of a frame in bytes, its header included.
    #[must_use]
    pub const fn frame_size(&self) -> u32 {
        self.frame_size
    }

    /// Number of frames.
    #[must_use]
    pub const fn frame_count(&self) -> NonZeroU32 {
        // A block holds a frame at least, and `new` saw that the product fits.
        match NonZeroU32::new(self.block_size / self.frame_size * self.block_count.get()) {
            Some(count) => count,
            None => NonZeroU32::MIN,
        }
    }

    /// Bytes of a packet that a frame can carry to the interface, in a transmit ring: the frame size less 48.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.frame_size - frame::DATA as u32
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
}

impl Default for FrameGeometry {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::FrameGeometry;
    use crate::geometry::InvalidGeometry::*;

    #[test]
    fn each_rule_refuses_with_its_name_and_no_more_than_it_says() {
        let new = FrameGeometry::new;
        for (why, refused, taken) in [
            (NoBlocks, new(2048, 4096, 0), new(2048, 4096, 1)),
            (BlockSizeOutOfRange, new(2048, 0, 1), new(2048, 4096, 1)),
            (
                BlockSizeOutOfRange,
                new(2048, 1 << 31, 1),
                new(2048, (1 << 31) - 4096, 1),
            ),
            (BlockSizeNotPages, new(2048, 4097, 1), new(2048, 8192, 1)),
            (FrameSizeOutOfRange, new(64, 4096, 1), new(80, 4096, 1)),
            (FrameSizeOutOfRange, new(1500, 4096, 1), new(1504, 4096, 1)),
            (FrameSizeOutOfRange, new(0, 4096, 1), new(4096, 4096, 1)),
            (FrameLargerThanBlock, new(4112, 4096, 1), new(4096, 4096, 1)),
            (
                TooManyFrames,
                new(80, (1 << 31) - 4096, 161),
                new(80, (1 << 31) - 4096, 160),
            ),
        ] {
            assert_eq!(refused, Err(why));
            assert!(taken.is_ok(), "{taken:?}");
        }
    }

    #[test]
    fn frames_do_not_cross_blocks() {
        let gaps = FrameGeometry::new_assert(1504, 4096, 8);
        assert_eq!(gaps.frame_count().get(), 16);
        assert_eq!(gaps.bytes(), 8 * 4096);
        assert_eq!(gaps.capacity(), 1456);
    }
}
