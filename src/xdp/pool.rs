//! Frames that nobody uses.

use super::umem::Memory;
use super::{Frame, Umem};
use crate::chunks::{Chunks, List};

/// Free frames of one UMEM.
///
/// Any number of pools share a UMEM; a pool has no capacity and needs no heap. The frame given last is taken
/// first: its bytes are likely in the cache. [`Send`], for a pool a thread.
///
/// The frames of a pool that is dropped are [taken back](Self::take_back) as those that were dropped alone.
#[derive(Debug)]
pub struct Pool(List<Memory>);

impl Pool {
    pub(super) fn new(list: List<Memory>) -> Self {
        Self(list)
    }

    pub(super) fn empty(chunks: Chunks<Memory>) -> Self {
        Self(List::new(chunks))
    }

    pub(super) fn list(&mut self) -> &mut List<Memory> {
        &mut self.0
    }

    pub(super) fn chunks(&self) -> &Chunks<Memory> {
        self.0.chunks()
    }

    /// How many frames there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// Whether there is none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The memory that the frames are of.
    #[must_use]
    pub fn umem(&self) -> Umem {
        Umem::from_chunks(self.0.chunks().clone())
    }

    /// Takes a frame, without a packet; `None` where there is none.
    #[inline(always)]
    pub fn take(&mut self) -> Option<Frame> {
        self.0.take().map(Frame::empty)
    }

    /// Gives a frame back.
    ///
    /// # Errors
    ///
    /// The frame, where it belongs to another UMEM.
    #[inline(always)]
    pub fn give(&mut self, frame: Frame) -> Result<(), Frame> {
        if !frame.is_of(self.0.chunks()) {
            return Err(frame);
        }
        // Of this UMEM, as was just asked.
        let _ = self.0.give(frame.into_chunk());
        Ok(())
    }

    /// Parts off a pool of so many frames, or of all where there are fewer. Takes a step a frame.
    #[must_use]
    pub fn split(&mut self, frames: u32) -> Self {
        Self(self.0.split(frames))
    }

    /// Takes all frames of another pool over, in one step.
    ///
    /// # Errors
    ///
    /// The other pool, where it belongs to another UMEM.
    pub fn append(&mut self, other: Self) -> Result<(), Self> {
        self.0.append(other.0).map_err(Self)
    }

    /// Takes all frames back that were dropped, anywhere. Returns how many. Looks at every chunk of the UMEM:
    /// not for every packet.
    pub fn take_back(&mut self) -> u32 {
        self.0.take_back()
    }
}
