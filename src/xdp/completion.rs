//! The completion ring: frames that were sent.

use super::member::Member;
use super::ring_set::Making;
use super::umem::{Memory, Place};
use super::{Frame, Pool};
use crate::chunks::{Chunks, Slot};
use crate::error::{Error, Operation};
use crate::ring::{Consumer, ConsumerBatch, RingSize};
use crate::sys::{self, MappedIndices, XdpRing};

/// Frames that were sent.
///
/// It holds no descriptor and makes no system call.
#[derive(Debug)]
pub struct CompletionRing {
    ring: MappedIndices<Consumer<u64>>,
    member: Member,
}

impl CompletionRing {
    pub(super) fn map(making: Making<'_>, size: RingSize) -> Result<Self, Error> {
        let offsets =
            sys::ring_offsets(making.fd).map_err(Error::system(Operation::ReadRingOffsets))?;
        Ok(Self {
            ring: MappedIndices::consumer(making.fd, XdpRing::Completion, &offsets, size)?,
            member: Member::new(making.chunks, making.slot),
        })
    }

    /// Takes up to `max` frames that were sent.
    #[inline(always)]
    pub fn batch(&mut self, max: u32) -> CompletionBatch<'_> {
        CompletionBatch {
            batch: self.ring.side_mut().batch(max),
            chunks: &self.member.chunks,
            slot: self.member.slot,
        }
    }

    /// Puts up to `max` frames that were sent into a pool. Returns how many.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignPool`] where the pool belongs to another UMEM.
    #[inline(always)]
    pub fn reap(&mut self, pool: &mut Pool, max: u32) -> Result<u32, Error> {
        if !super::umem::same(pool.chunks(), &self.member.chunks) {
            return Err(Error::ForeignPool);
        }
        let memory = self.member.chunks.owner();
        let mut reaped = 0;
        for address in self.ring.side_mut().batch(max) {
            let Some(Place { number, .. }) = memory.place(address) else {
                self.member.chunks.count_spurious();
                continue;
            };
            // SAFETY: it came out of the slot's completion ring, whose only consumer is borrowed.
            reaped += u32::from(unsafe { pool.list().complete(number, self.member.slot) });
        }
        Ok(reaped)
    }

    /// Whether a frame is there. No system call.
    #[inline(always)]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ring.side().is_ready()
    }

    /// The number of slots.
    #[must_use]
    pub fn size(&self) -> RingSize {
        self.ring.side().size()
    }
}

/// Frames that were sent, in order. Dropping it gives their slots back, without those that were not taken.
#[derive(Debug)]
pub struct CompletionBatch<'r> {
    batch: ConsumerBatch<'r, u64>,
    chunks: &'r Chunks<Memory>,
    slot: Slot,
}

impl Iterator for CompletionBatch<'_> {
    type Item = Frame;

    #[inline(always)]
    fn next(&mut self) -> Option<Frame> {
        loop {
            let address = self.batch.next()?;
            let Some(place) = self.chunks.owner().place(address) else {
                self.chunks.count_spurious();
                continue;
            };
            // SAFETY: it came out of the slot's completion ring, whose only consumer the batch borrows.
            let chunk = unsafe { self.chunks.completed(place.number, self.slot) };
            if let Some(chunk) = chunk {
                return Some(Frame::completed(chunk, place));
            }
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.batch.remaining() as usize))
    }
}
