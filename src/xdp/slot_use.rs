//! Who still gives chunks to the kernel by a slot, or takes them back.
//!
//! A slot may be taken anew only when no ring of it is left: an old receive ring could still hold the
//! descriptor of a chunk that the new socket has given to the kernel since, and the state byte would agree. That
//! the kernel has let go of a socket does not prove it: it lets go of one whose interface has gone while its
//! rings live on, wherever they were moved to.

use super::ring_set::Making;
use super::umem::Memory;
use crate::chunks::{Chunks, Slot};
use crate::sync::{AtomicU32, Ordering};

/// How many rings each slot has.
#[derive(Debug)]
pub(super) struct SlotUses([AtomicU32; Slot::COUNT as usize]);

impl SlotUses {
    pub(super) const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; Slot::COUNT as usize])
    }

    fn count(&self, slot: Slot) -> &AtomicU32 {
        &self.0[slot.number() as usize]
    }

    /// Whether a ring of this slot is left. Once a socket is closed none is made any more.
    pub(super) fn any(&self, slot: Slot) -> bool {
        // Acquire: pairs with the Release of the last ring's drop; what it did with its chunks comes before.
        self.count(slot).load(Ordering::Acquire) != 0
    }
}

/// One ring of a slot, counted until this is dropped.
#[derive(Debug)]
pub(super) struct SlotUse {
    chunks: Chunks<Memory>,
    slot: Slot,
}

impl SlotUse {
    pub(super) fn new(making: Making<'_>) -> Self {
        let Making { chunks, slot, .. } = making;
        // Relaxed: who makes a ring of a slot has it from whoever may reclaim it later.
        let count = chunks.owner().slot_uses().count(slot);
        count.fetch_add(1, Ordering::Relaxed);
        Self {
            chunks: chunks.clone(),
            slot,
        }
    }
}

impl Drop for SlotUse {
    fn drop(&mut self) {
        // Release: pairs with the Acquire of `SlotUses::any`.
        let count = self.chunks.owner().slot_uses().count(self.slot);
        count.fetch_sub(1, Ordering::Release);
    }
}
