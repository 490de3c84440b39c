//! A ring's hold on its socket's place in a UMEM.

use super::umem::Memory;
use crate::chunks::{Chunks, Slot};
use crate::sync::{AtomicU32, Ordering};

/// How many rings each slot has.
#[derive(Debug)]
pub(super) struct Rings([AtomicU32; Slot::COUNT as usize]);

impl Rings {
    pub(super) const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; Slot::COUNT as usize])
    }

    /// Whether the slot has no ring: none gives chunks away by it any more, nor takes any.
    pub(super) fn has_none(&self, slot: Slot) -> bool {
        // Acquire: pairs with the Release of each ring's drop; what it did comes before what follows.
        self.0[slot.number()].load(Ordering::Acquire) == 0
    }
}

/// What every ring has: its memory, and its socket's slot, among whose rings it is counted.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) chunks: Chunks<Memory>,
    pub(super) slot: Slot,
}

impl Member {
    pub(super) fn new(chunks: &Chunks<Memory>, slot: Slot) -> Self {
        // Relaxed: whoever asks for the count later has heard of this ring's socket from us. No count overflows: a
        // ring takes memory.
        chunks.owner().rings().0[slot.number()].fetch_add(1, Ordering::Relaxed);
        Self {
            chunks: chunks.clone(),
            slot,
        }
    }

    /// Whether it is a ring of this slot of this memory.
    pub(super) fn is_of(&self, chunks: &Chunks<Memory>, slot: Slot) -> bool {
        self.slot == slot && super::umem::same(&self.chunks, chunks)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Release: pairs with the Acquire of `has_none`.
        self.chunks.owner().rings().0[self.slot.number()].fetch_sub(1, Ordering::Release);
    }
}
