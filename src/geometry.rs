//! Sizes that are checked once: what all rings' geometries share.

use core::fmt;

/// Why sizes cannot make a ring. The text says what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidGeometry {
    /// The block size is zero or above 2,147,483,647 bytes.
    BlockSizeOutOfRange,
    /// The block size is not a multiple of the page size (4,096 bytes at the least).
    BlockSizeNotPages,
    /// There is no block.
    NoBlocks,
    /// There are more than 65,536 blocks: the kernel counts the block it fills in 16 bits, and would
    /// never fill the others.
    TooManyBlocks,
    /// The ring is larger than the address space allows.
    RingTooLarge,
    /// The private area is larger than 65,535 bytes.
    PrivateAreaTooLarge,
    /// The reserve is so large that the network header's offset leaves 16 bits.
    ReserveTooLarge,
    /// A block is too small for its header, the private area, the reserve and one packet of the snap
    /// length.
    BlockTooSmall,
    /// The snap length is zero.
    SnapLengthZero,
    /// The retire timeout is not a whole number of milliseconds.
    RetireTimeoutNotMilliseconds,
    /// The retire timeout is above 65,535 ms: kernels before 6.18 keep 16 bits of it.
    RetireTimeoutTooLong,
    /// The kernel is to choose the retire timeout, which it does for blocks below 256 MiB.
    BlockTooLargeForKernelTimeout,
    /// The frame size is below 80 bytes or not a multiple of 16.
    FrameSizeOutOfRange,
    /// A block holds no frame.
    FrameLargerThanBlock,
    /// A frame is too small for its header, the reserve and one packet of the snap length.
    FrameTooSmall,
    /// There are more than 4,294,967,295 frames.
    TooManyFrames,
    /// There is no chunk.
    NoChunks,
    /// The chunk size is below 2,048 bytes or above 65,535.
    ChunkSizeOutOfRange,
    /// The chunk size is no power of two, and the chunks are aligned.
    ChunkSizeNotPowerOfTwo,
    /// A chunk is larger than this machine's pages.
    ChunkLargerThanPage,
    /// There are more than 1,073,741,823 chunks, or more than the address space has room for.
    TooManyChunks,
    /// The headroom leaves no room for a packet.
    HeadroomTooLarge,
    /// The memory does not begin at a page.
    UmemNotAtPage,
}

impl InvalidGeometry {
    /// The sentence that tells what to change.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::BlockSizeOutOfRange => "the block size must be 1 to 2147483647 bytes",
            Self::BlockSizeNotPages => {
                "the block size must be a multiple of the page size (65536 bytes suits every machine)"
            }
            Self::NoBlocks => "the ring needs at least one block",
            Self::TooManyBlocks => "the ring may have at most 65536 blocks: take larger ones",
            Self::RingTooLarge => "the ring must fit into the address space: take fewer blocks",
            Self::PrivateAreaTooLarge => "the private area may have at most 65535 bytes",
            Self::ReserveTooLarge => {
                "the reserve must leave the network header's offset below 65536"
            }
            Self::BlockTooSmall => {
                "a block must hold its header, the private area, the reserve and one packet of the snap \
                 length: take a larger block or a smaller snap length"
            }
            Self::SnapLengthZero => "the snap length must be at least 1 byte",
            Self::RetireTimeoutNotMilliseconds => "the retire timeout must be whole milliseconds",
            Self::RetireTimeoutTooLong => "the retire timeout may be at most 65535 ms",
            Self::BlockTooLargeForKernelTimeout => {
                "without a retire timeout of your own, blocks must be smaller than 256 MiB"
            }
            Self::FrameSizeOutOfRange => {
                "the frame size must be a multiple of 16 and at least 80 bytes"
            }
            Self::FrameLargerThanBlock => "a block must hold at least one frame",
            Self::FrameTooSmall => {
                "a frame must hold its header, the reserve and one packet of the snap length: take a larger \
                 frame or a smaller snap length"
            }
            Self::TooManyFrames => "the ring may have at most 4294967295 frames",
            Self::NoChunks => "the UMEM needs at least one chunk",
            Self::ChunkSizeOutOfRange => "the chunk size must be 2048 to 65535 bytes",
            Self::ChunkSizeNotPowerOfTwo => {
                "the chunk size must be a power of two, unless chunks may be unaligned"
            }
            Self::ChunkLargerThanPage => {
                "a chunk may be no larger than a page (4096 bytes suits every machine)"
            }
            Self::TooManyChunks => {
                "the UMEM must fit into the address space, in at most 1073741823 chunks"
            }
            Self::HeadroomTooLarge => {
                "the headroom, and the 256 bytes that the kernel keeps, must leave room for a packet in a chunk"
            }
            Self::UmemNotAtPage => "the memory must begin at a page",
        }
    }
}

impl fmt::Display for InvalidGeometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl core::error::Error for InvalidGeometry {}

/// `value`, rounded up to a multiple of `to`, a power of two.
pub(crate) const fn align_up(value: u64, to: u64) -> u64 {
    (value + to - 1) & !(to - 1)
}
