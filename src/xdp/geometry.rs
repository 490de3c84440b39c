//! The sizes of a UMEM, validated once.

use core::num::NonZeroU32;

use crate::chunks::MAX_COUNT;
use crate::geometry::InvalidGeometry;

/// How a UMEM is divided into chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UmemGeometry {
    chunk_size: u32,
    count: NonZeroU32,
    headroom: u32,
    unaligned: bool,
    tx_metadata: bool,
    software_checksums: bool,
}

/// What the kernel keeps free before each received packet, beside the headroom, in bytes.
/// `XDP_PACKET_HEADROOM`.
pub(super) const XDP_HEADROOM: u32 = 256;

/// The bytes of `struct xsk_tx_metadata`.
pub(super) const TX_METADATA: u32 = 24;

impl UmemGeometry {
    /// `count` chunks of `chunk_size` bytes: a power of two, from 2,048 up to the machine's page size.
    ///
    /// # Errors
    ///
    /// [`InvalidGeometry`], whose text says what to change.
    pub const fn new(chunk_size: u32, count: u32) -> Result<Self, InvalidGeometry> {
        let Some(count) = NonZeroU32::new(count) else {
            return Err(InvalidGeometry::NoChunks);
        };
        Self {
            chunk_size,
            count,
            headroom: 0,
            unaligned: false,
            tx_metadata: false,
            software_checksums: false,
        }
        .checked()
    }

    /// The same, for a constant: fails the build where the sizes are wrong.
    ///
    /// # Panics
    ///
    /// Where the sizes are wrong.
    #[must_use]
    pub const fn new_assert(chunk_size: u32, count: u32) -> Self {
        match Self::new(chunk_size, count) {
            Ok(geometry) => geometry,
            Err(why) => panic!("{}", why.sentence()),
        }
    }

    /// Lets chunks have any size, from 2,048 bytes to the machine's page size, and lie across pages.
    /// `XDP_UMEM_UNALIGNED_CHUNK_FLAG`, Linux 5.4.
    ///
    /// # Errors
    ///
    /// [`InvalidGeometry`].
    #[doc(alias = "XDP_UMEM_UNALIGNED_CHUNK_FLAG")]
    pub const fn unaligned(chunk_size: u32, count: u32) -> Result<Self, InvalidGeometry> {
        let Some(count) = NonZeroU32::new(count) else {
            return Err(InvalidGeometry::NoChunks);
        };
        Self {
            chunk_size,
            count,
            headroom: 0,
            unaligned: true,
            tx_metadata: false,
            software_checksums: false,
        }
        .checked()
    }

    /// Keeps so many bytes free before each received packet, beyond the kernel's own 256.
    ///
    /// # Errors
    ///
    /// [`InvalidGeometry::HeadroomTooLarge`] where no room is left for a packet. The kernel asks for more
    /// room still (some 700 bytes, from version to version), and refuses what leaves less at `map`.
    pub const fn headroom(mut self, bytes: u32) -> Result<Self, InvalidGeometry> {
        self.headroom = bytes;
        self.checked()
    }

    /// Keeps 24 bytes free before each packet to be sent, for what its transmission is asked to do:
    /// [`Frame::request`](super::Frame::request). `XDP_UMEM_TX_METADATA_LEN`, Linux 6.11.
    ///
    /// With it, frames begin at byte 24 of their chunk at the earliest.
    #[doc(alias = "XDP_UMEM_TX_METADATA_LEN")]
    #[must_use]
    pub const fn tx_metadata(mut self) -> Self {
        self.tx_metadata = true;
        self
    }

    /// Has the kernel compute the checksums that were [requested](super::TxRequest::checksum), in copy mode, where
    /// it otherwise leaves them to the interface: a veth computes none, and hands on packets that lack theirs.
    /// `XDP_UMEM_TX_SW_CSUM`, Linux 6.8. Beside [`tx_metadata`](Self::tx_metadata); costs what a pass over the
    /// packet costs.
    #[doc(alias = "XDP_UMEM_TX_SW_CSUM")]
    #[must_use]
    pub const fn software_checksums(mut self) -> Self {
        self.software_checksums = true;
        self
    }

    const fn checked(self) -> Result<Self, InvalidGeometry> {
        if self.chunk_size < 2048 || self.chunk_size > u16::MAX as u32 {
            return Err(InvalidGeometry::ChunkSizeOutOfRange);
        }
        if !self.unaligned && !self.chunk_size.is_power_of_two() {
            return Err(InvalidGeometry::ChunkSizeNotPowerOfTwo);
        }
        if self.count.get() > MAX_COUNT || self.bytes() > isize::MAX as u64 / 2 {
            return Err(InvalidGeometry::TooManyChunks);
        }
        if self.headroom >= self.chunk_size - XDP_HEADROOM {
            return Err(InvalidGeometry::HeadroomTooLarge);
        }
        Ok(self)
    }

    /// Bytes of a chunk.
    #[must_use]
    pub const fn chunk_size(self) -> u32 {
        self.chunk_size
    }

    /// How many chunks there are.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count.get()
    }

    /// Bytes of all chunks.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.chunk_size as u64 * self.count.get() as u64
    }

    /// The most bytes of a packet that the kernel puts into one chunk: 3,840 of 4,096 without headroom.
    #[must_use]
    pub const fn receive_capacity(self) -> u32 {
        self.chunk_size - XDP_HEADROOM - self.headroom
    }

    pub(super) const fn headroom_bytes(self) -> u32 {
        self.headroom
    }

    pub(super) const fn is_unaligned(self) -> bool {
        self.unaligned
    }

    pub(super) const fn has_software_checksums(self) -> bool {
        self.software_checksums
    }

    /// Where in a chunk a packet to be sent begins at the earliest.
    pub(super) const fn tx_metadata_bytes(self) -> u32 {
        if self.tx_metadata { TX_METADATA } else { 0 }
    }
}
