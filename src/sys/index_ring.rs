//! The rings of an AF_XDP socket and the mappings that they lie in.
//!
//! # Safety
//!
//! A [`MappedIndices`] makes one side of one ring of its [`Mapping`], which has the size that the kernel
//! was asked for. Both live and die together, so the words and slots are valid as long as the side and
//! whatever borrows it. The other side is the kernel, which keeps to the protocol.

use core::ptr::NonNull;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use super::Mapping;
use super::xdp::{RingOffset, RingOffsets, XdpRing};
use crate::error::{Error, Operation};
use crate::ring::{Consumer, Entry, Producer, RingSize};
use crate::sync::Indices;

/// One side of a ring in the mapping of its socket.
#[derive(Debug)]
pub(crate) struct MappedIndices<S> {
    side: S,
    #[expect(dead_code, reason = "owns the memory of the ring")]
    mapping: Mapping,
}

impl<S> MappedIndices<S> {
    #[inline(always)]
    pub(crate) fn side(&self) -> &S {
        &self.side
    }

    #[inline(always)]
    pub(crate) fn side_mut(&mut self) -> &mut S {
        &mut self.side
    }
}

impl<T: Entry> MappedIndices<Producer<T>> {
    /// Maps a ring that the program fills: the fill or the transmit ring.
    pub(crate) fn producer(
        fd: BorrowedFd<'_>,
        ring: XdpRing,
        offsets: &RingOffsets,
        size: RingSize,
    ) -> Result<Self, Error> {
        let (mapping, indices) = map(fd, ring, offsets, size)?;
        // SAFETY: `indices` has `size` slots in `mapping`, which lives as long as the producer beside it;
        // each ring of a socket is mapped once.
        let side = unsafe { Producer::new(indices, size) };
        Ok(Self { side, mapping })
    }
}

impl<T: Entry> MappedIndices<Consumer<T>> {
    /// Maps a ring that the kernel fills: the receive or the completion ring.
    pub(crate) fn consumer(
        fd: BorrowedFd<'_>,
        ring: XdpRing,
        offsets: &RingOffsets,
        size: RingSize,
    ) -> Result<Self, Error> {
        let (mapping, indices) = map(fd, ring, offsets, size)?;
        // SAFETY: as for a producer.
        let side = unsafe { Consumer::new(indices, size) };
        Ok(Self { side, mapping })
    }
}

/// Maps a ring of `size` entries and finds its parts.
fn map<T: Entry>(
    fd: BorrowedFd<'_>,
    ring: XdpRing,
    offsets: &RingOffsets,
    size: RingSize,
) -> Result<(Mapping, Indices<T>), Error> {
    let RingOffset {
        producer,
        consumer,
        desc,
        flags,
    } = ring.offsets(offsets);
    let bytes = u64::from(size.get()) * size_of::<T>() as u64 + desc;
    let refused = Error::system(Operation::MapRing { bytes });
    let len = usize::try_from(bytes).map_err(|_| refused(Errno::NOMEM))?;
    let mapping = Mapping::new_at(fd, len, ring.page_offset())?;
    let word = |offset: u64| part::<u32>(&mapping, offset, 1).ok_or_else(|| refused(Errno::INVAL));
    let (producer, consumer, flags) = (word(producer)?, word(consumer)?, word(flags)?);
    let slots = part::<T>(&mapping, desc, size.get()).ok_or_else(|| refused(Errno::INVAL))?;
    // SAFETY: the parts lie in the mapping, aligned, and the kernel has initialised its pages; the kernel
    // and the one side that is made of them are the only ones to touch them.
    let indices = unsafe { Indices::new(producer, consumer, Some(flags), slots) };
    Ok((mapping, indices))
}

/// The address of `count` values at `offset`, if they lie in the mapping and are aligned there.
fn part<T>(mapping: &Mapping, offset: u64, count: u32) -> Option<NonNull<T>> {
    let offset = usize::try_from(offset).ok()?;
    let end = size_of::<T>()
        .checked_mul(count as usize)?
        .checked_add(offset)?;
    if end > mapping.len() {
        return None;
    }
    // SAFETY: inside the mapping.
    let part = unsafe { mapping.base().add(offset) }.cast::<T>();
    part.is_aligned().then_some(part)
}
