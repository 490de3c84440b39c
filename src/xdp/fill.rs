//! The fill ring: frames for the kernel to receive into.

use rustix::fd::{AsFd, OwnedFd};

use super::frame::{Refusal, Refused};
use super::member::Member;
use super::ring_set::Making;
use super::umem::Memory;
use super::{Frame, Pool};
use crate::chunks::{Chunks, Slot};
use crate::error::{Error, Operation};
use crate::ring::{Producer, ProducerBatch, RingSize};
use crate::sys::{self, MappedIndices, XdpRing};

/// Frames for the kernel to receive into.
///
/// The socket receives as long as it has some.
#[derive(Debug)]
pub struct FillRing {
    /// Before the descriptor: the memory is unmapped first.
    ring: MappedIndices<Producer<u64>>,
    fd: OwnedFd,
    member: Member,
}

impl FillRing {
    pub(super) fn map(making: Making<'_>, size: RingSize) -> Result<Self, Error> {
        let offsets =
            sys::ring_offsets(making.fd).map_err(Error::system(Operation::ReadRingOffsets))?;
        Ok(Self {
            ring: MappedIndices::producer(making.fd, XdpRing::Fill, &offsets, size)?,
            fd: super::socket::duplicate(making.fd)?,
            member: Member::new(making.chunks, making.slot),
        })
    }

    /// Reserves up to `max` slots, for frames that are handed over together when the batch is dropped.
    #[inline(always)]
    pub fn batch(&mut self, max: u32) -> FillBatch<'_> {
        FillBatch {
            batch: self.ring.side_mut().batch(max),
            chunks: &self.member.chunks,
            slot: self.member.slot,
        }
    }

    /// Hands over up to `max` frames of a pool; fewer where the pool or the ring has no more. Returns how many.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignPool`] where the pool belongs to another UMEM.
    #[inline(always)]
    pub fn stock(&mut self, pool: &mut Pool, max: u32) -> Result<u32, Error> {
        if !super::umem::same(pool.chunks(), &self.member.chunks) {
            return Err(Error::ForeignPool);
        }
        let memory = self.member.chunks.owner();
        let mut batch = self.ring.side_mut().batch(max.min(pool.len()));
        let mut stocked = 0;
        while batch.room() > 0 {
            let Some(number) = pool.list().fill(self.member.slot) else {
                break;
            };
            // There is room.
            let _ = batch.push(memory.address(number));
            stocked += 1;
        }
        Ok(stocked)
    }

    /// How many slots are free.
    #[must_use]
    pub fn room(&mut self) -> u32 {
        self.ring.side_mut().room()
    }

    /// Whether the kernel has to be [woken](Self::wake) to see frames that were handed over. To be asked after
    /// every batch; [`RxRing::wait`](super::RxRing::wait) wakes it too.
    #[inline]
    #[must_use]
    pub fn needs_wakeup(&self) -> bool {
        self.ring.side().needs_wakeup()
    }

    /// Has the kernel look at the ring. `recvfrom`.
    ///
    /// # Errors
    ///
    /// [`Error::LinkDown`], [`Error::LinkGone`], [`Error::Corrupt`], [`Error::System`].
    pub fn wake(&mut self) -> Result<(), Error> {
        if self.ring.side().is_corrupt() {
            return Err(Error::Corrupt);
        }
        super::watch::check_link(self.fd.as_fd())
    }

    /// The number of slots.
    #[must_use]
    pub fn size(&self) -> RingSize {
        self.ring.side().size()
    }
}

/// Reserved slots of a fill ring; dropping it hands the frames over.
///
/// Forgetting it (`mem::forget`) loses the frames.
#[derive(Debug)]
pub struct FillBatch<'r> {
    batch: ProducerBatch<'r, u64>,
    chunks: &'r Chunks<Memory>,
    slot: Slot,
}

impl FillBatch<'_> {
    /// Puts a frame in; the packet in it is lost.
    ///
    /// # Errors
    ///
    /// The frame, [`Refusal::Full`] or [`Refusal::Foreign`].
    #[inline(always)]
    pub fn push(&mut self, frame: Frame) -> Result<(), Refused> {
        if self.batch.room() == 0 {
            return Err(Refused::new(frame, Refusal::Full));
        }
        if !frame.is_of(self.chunks) {
            return Err(Refused::new(frame, Refusal::Foreign));
        }
        if let Ok(number) = self.chunks.fill(frame.into_chunk(), self.slot) {
            // There is room.
            let _ = self.batch.push(self.chunks.owner().address(number));
        }
        Ok(())
    }

    /// How many slots are left.
    #[inline(always)]
    #[must_use]
    pub fn room(&self) -> u32 {
        self.batch.room()
    }
}
