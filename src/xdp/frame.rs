//! A frame: one chunk of a UMEM, owned, and the packet in it.
//!
//! # Safety
//!
//! 1. A [`Frame`] is the one `Chunk` of its number, so it owns the bytes ([`umem`](super::umem), invariant 2).
//! 2. Its place lies within the chunk: `offset` is at least the geometry's room for metadata, and
//!    `offset + len` at most the chunk size. Only this file sets places.

use core::fmt;

use static_assertions::const_assert_eq;

use super::metadata::TxRequest;
use super::umem::{Memory, Place};
use crate::chunks::{Chunk, Chunks};
use crate::error::Error;

/// A chunk of a UMEM, and the packet in it. It cannot be copied: whoever has it owns the bytes.
///
/// It goes into a fill or a transmit ring by value, and comes out of a receive or a completion ring. 16 bytes,
/// without a lifetime, [`Send`].
///
/// Dropping it is safe and returns it to nobody: [`Pool::take_back`](super::Pool::take_back) finds dropped
/// frames, [`Umem::census`](super::Umem::census) counts them. Forgetting it (`mem::forget`) loses the chunk.
#[must_use]
pub struct Frame(Chunk<Memory>);

const_assert_eq!(size_of::<Frame>(), 8 + size_of::<usize>());
const_assert_eq!(size_of::<Option<Frame>>(), size_of::<Frame>());

impl Frame {
    /// The chunk with an empty packet, at the earliest place that there is.
    #[inline(always)]
    pub(super) fn empty(chunk: Chunk<Memory>) -> Self {
        let mut frame = Self(chunk);
        frame.clear();
        frame
    }

    /// The chunk with a packet in it; `None` where the packet does not lie within it.
    ///
    /// `fits` is to be asked before the chunk is taken.
    #[inline(always)]
    pub(super) fn with_packet(mut chunk: Chunk<Memory>, offset: u16, len: u16) -> Option<Self> {
        if !fits(chunk.owner(), offset, len.into()) {
            return None;
        }
        chunk.set_place(offset, len);
        Some(Self(chunk))
    }

    pub(super) fn into_chunk(self) -> Chunk<Memory> {
        self.0
    }

    pub(super) fn is_of(&self, chunks: &Chunks<Memory>) -> bool {
        chunks.owns(&self.0)
    }

    /// Where the kernel finds the packet.
    #[inline(always)]
    pub(super) fn address(&self) -> u64 {
        let (offset, _) = self.0.place();
        self.0.owner().packet_address(self.0.number(), offset)
    }

    pub(super) fn set_continues(&mut self, continues: bool) {
        self.0.set_continues(continues);
    }

    /// Which chunk of the UMEM it is, from 0.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.0.number()
    }

    /// The packet's length in bytes.
    #[inline(always)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.place().1.into()
    }

    /// Whether the packet has no bytes: it cannot be sent then.
    #[inline(always)]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of the packet.
    #[inline(always)]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let (offset, len) = self.0.place();
        // SAFETY: `self` owns the chunk (invariant 1) and is borrowed; within it (invariant 2).
        unsafe { self.0.owner().bytes(self.0.number(), offset, len) }
    }

    /// The bytes of the packet, for writing.
    #[inline(always)]
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let (offset, len) = self.0.place();
        // SAFETY: as in `bytes`, and borrowed exclusively.
        unsafe { self.0.owner().bytes_mut(self.0.number(), offset, len) }
    }

    /// How long the packet can be made where it begins, in bytes.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        let (offset, _) = self.0.place();
        self.0.owner().geometry().chunk_size() as usize - usize::from(offset)
    }

    /// Sets the packet's length. What lies in bytes that it gains is what was there. What was
    /// [requested](Self::request) is requested no more.
    ///
    /// # Errors
    ///
    /// [`Error::FrameTooSmall`] beyond [`capacity`](Self::capacity).
    #[inline]
    pub fn set_len(&mut self, len: usize) -> Result<(), Error> {
        let (offset, _) = self.0.place();
        if len > self.capacity() {
            return Err(self.too_small(len));
        }
        // The capacity has 16 bits.
        self.0.set_place(offset, len as u16);
        self.0.set_metadata(false);
        Ok(())
    }

    /// Makes these bytes the packet.
    ///
    /// # Errors
    ///
    /// [`Error::FrameTooSmall`] beyond [`capacity`](Self::capacity).
    #[inline]
    pub fn write(&mut self, packet: &[u8]) -> Result<(), Error> {
        self.set_len(packet.len())?;
        self.bytes_mut().copy_from_slice(packet);
        Ok(())
    }

    /// Forgets the packet: none of its bytes, at the earliest place, so that the whole chunk is there for
    /// another.
    #[inline(always)]
    pub fn clear(&mut self) {
        let first = self.0.owner().geometry().tx_metadata_bytes() as u16;
        self.0.set_place(first, 0);
        self.0.set_metadata(false);
        self.0.set_continues(false);
    }

    /// Cuts bytes off the front of the packet. What was [requested](Self::request) is requested no more.
    ///
    /// # Errors
    ///
    /// [`Error::FrameTooSmall`] where the packet has fewer.
    pub fn trim_front(&mut self, bytes: usize) -> Result<(), Error> {
        let (offset, len) = self.0.place();
        let Some(left) = usize::from(len).checked_sub(bytes) else {
            return Err(Error::FrameTooSmall {
                room: len.into(),
                len: bytes as u64,
            });
        };
        // Both are below the packet's length, of 16 bits.
        self.0.set_place(offset + bytes as u16, left as u16);
        self.0.set_metadata(false);
        Ok(())
    }

    /// Adds bytes to the front of the packet: what was there. What was [requested](Self::request) is
    /// requested no more.
    ///
    /// A received packet has 256 bytes and the headroom before it, less the 24 that metadata needs.
    ///
    /// # Errors
    ///
    /// [`Error::FrameTooSmall`] where the chunk has fewer before the packet.
    pub fn grow_front(&mut self, bytes: usize) -> Result<(), Error> {
        let (offset, len) = self.0.place();
        let room = offset - self.0.owner().geometry().tx_metadata_bytes() as u16;
        if bytes > room.into() {
            return Err(Error::FrameTooSmall {
                room: room.into(),
                len: bytes as u64,
            });
        }
        // At most the offset, of 16 bits; the sum is at most the chunk's size.
        let bytes = bytes as u16;
        self.0.set_place(offset - bytes, len + bytes);
        self.0.set_metadata(false);
        Ok(())
    }

    /// The bytes that lie right before the packet, up to the chunk's beginning: where an XDP program leaves
    /// metadata (`bpf_xdp_adjust_meta`). `None` where there are fewer.
    #[doc(alias = "bpf_xdp_adjust_meta")]
    #[must_use]
    pub fn before(&self, bytes: usize) -> Option<&[u8]> {
        let (offset, _) = self.0.place();
        let bytes = u16::try_from(bytes).ok()?;
        let start = offset.checked_sub(bytes)?;
        // SAFETY: `self` owns the chunk (invariant 1) and is borrowed; below the offset, within it.
        Some(unsafe { self.0.owner().bytes(self.0.number(), start, bytes) })
    }

    /// Whether the packet goes on in the next frame that is received: it came in several.
    #[inline(always)]
    #[must_use]
    pub fn continues(&self) -> bool {
        self.0.continues()
    }

    /// Whether something was [requested](Self::request) of the packet's transmission.
    #[inline(always)]
    #[must_use]
    pub fn has_request(&self) -> bool {
        self.0.has_metadata()
    }

    /// Asks something of the packet's transmission; to be called last, when the packet lies where it will.
    ///
    /// # Errors
    ///
    /// [`Error::NoTxMetadata`] where the UMEM has no room for it:
    /// [`UmemGeometry::tx_metadata`](super::UmemGeometry::tx_metadata). [`Error::OddPacketStart`] where the packet
    /// begins at an odd address, as after [`trim_front`](Self::trim_front) of an odd number of bytes.
    /// [`Error::FrameTooSmall`] where the checksum does not lie in the packet: the kernel would never get past it.
    #[doc(alias = "xsk_tx_metadata")]
    pub fn request(&mut self, request: TxRequest) -> Result<(), Error> {
        // Linux 6.18 hands addresses back without their lowest bit: the answer would be looked for beside it.
        if !self.address().is_multiple_of(2) {
            return Err(Error::OddPacketStart);
        }
        // Of a checksum beyond the packet the kernel hands the frame back and keeps it in the transmit ring.
        if request.covers() > self.len() {
            return Err(Error::FrameTooSmall {
                room: self.len() as u64,
                len: request.covers() as u64,
            });
        }
        let metadata = self.tx_metadata_mut().ok_or(Error::NoTxMetadata)?;
        metadata.copy_from_slice(&request.to_bytes());
        self.0.set_metadata(true);
        Ok(())
    }

    /// When the packet was sent, in nanoseconds, of a frame that comes out of a completion ring and had
    /// [requested](TxRequest::timestamp) it. In copy mode the clock is `CLOCK_TAI`, read by software; a
    /// zero-copy driver's is its own.
    #[must_use]
    pub fn sent_at(&self) -> Option<u64> {
        if !self.has_request() {
            return None;
        }
        let room = self.0.owner().geometry().tx_metadata_bytes();
        let metadata = self.before(room as usize)?;
        TxRequest::timestamp_in(metadata)
    }

    fn tx_metadata_mut(&mut self) -> Option<&mut [u8]> {
        let room = self.0.owner().geometry().tx_metadata_bytes() as u16;
        if room == 0 {
            return None;
        }
        let (offset, _) = self.0.place();
        // SAFETY: `self` owns the chunk (invariant 1) and is borrowed exclusively; `room` bytes lie before
        // the offset (invariant 2).
        Some(unsafe {
            self.0
                .owner()
                .bytes_mut(self.0.number(), offset - room, room)
        })
    }

    fn too_small(&self, len: usize) -> Error {
        Error::FrameTooSmall {
            room: self.capacity() as u64,
            len: len as u64,
        }
    }

    /// The place of the packet that a completion ring hands back: where it began, or the earliest where the
    /// kernel tells nonsense.
    pub(super) fn completed(mut chunk: Chunk<Memory>, place: Place) -> Self {
        let metadata = chunk.has_metadata();
        if fits(chunk.owner(), place.offset, 0) {
            chunk.set_place(place.offset, 0);
            return Self(chunk);
        }
        chunk.set_metadata(metadata);
        Self::empty(chunk)
    }
}

/// Whether a packet can lie there.
#[inline(always)]
pub(super) fn fits(memory: &Memory, offset: u16, len: u32) -> bool {
    let geometry = memory.geometry();
    u32::from(offset) >= geometry.tx_metadata_bytes()
        && len <= geometry.chunk_size() - u32::from(offset)
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("number", &self.number())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A frame that was not taken, and why.
#[derive(Debug)]
#[must_use]
pub struct Refused {
    frame: Frame,
    why: Refusal,
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The batch has no slot left.
    Full,
    /// The frame belongs to another UMEM.
    Foreign,
    /// The packet has no bytes.
    Empty,
}

impl Refused {
    pub(super) fn new(frame: Frame, why: Refusal) -> Self {
        Self { frame, why }
    }

    /// Why it was not taken.
    #[must_use]
    pub fn why(&self) -> Refusal {
        self.why
    }

    /// The frame as it was.
    pub fn into_frame(self) -> Frame {
        self.frame
    }
}

impl Refusal {
    const fn sentence(self) -> &'static str {
        match self {
            Self::Full => "the ring has no slot left",
            Self::Foreign => "the frame belongs to another UMEM",
            Self::Empty => "the packet has no bytes",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why.sentence())
    }
}

impl core::error::Error for Refused {}
