//! The side that fills slots. The invariants are those of [`ring`](super).

use super::{Entry, NEED_WAKEUP, RingSize, Side};
use crate::sync::{Indices, Ordering, fence};

/// The side of a ring that fills slots.
#[derive(Debug)]
pub struct Producer<T>(Side<T>);

impl<T: Entry> Producer<T> {
    /// The producer of a ring, which goes on where the ring's words stand.
    ///
    /// # Safety
    ///
    /// `memory` has `size` slots, and outlives the producer; the other side keeps to the protocol; nobody
    /// else produces into this ring.
    ///
    /// [Pushing](ProducerBatch::push) is safe, whatever the entry says. Where the other side is a kernel, which
    /// writes to what an entry names, nobody gets at the producer who may push what is not theirs to give away.
    #[must_use]
    pub unsafe fn new(memory: Indices<T>, size: RingSize) -> Self {
        // Relaxed: the word is ours.
        // SAFETY: the memory is there (the caller's promise).
        let own = unsafe { memory.producer() }.load(Ordering::Relaxed);
        let mut side = Side {
            memory,
            size,
            own,
            other: own.wrapping_sub(size.get()),
            corrupt: false,
        };
        Self::look(&mut side);
        Self(side)
    }

    /// Loads how far the other side has read.
    #[inline(always)]
    fn look(side: &mut Side<T>) {
        // Acquire: pairs with the kernel's smp_store_release of its consumer word; its reads of the slots
        // come before our next writes to them.
        // SAFETY: the memory outlives the producer (`new`).
        let consumer = unsafe { side.memory.consumer() }.load(Ordering::Acquire);
        side.see(consumer, side.own.wrapping_sub(consumer));
    }

    /// Slots that were free when the other side was last looked at.
    #[inline(always)]
    fn known_room(side: &Side<T>) -> u32 {
        // At most the size apart (invariant 3).
        side.size.get() - side.own.wrapping_sub(side.other)
    }

    /// How many slots are free; 0 in a corrupt ring. Loads the other side's word.
    #[must_use]
    pub fn room(&mut self) -> u32 {
        Self::look(&mut self.0);
        if self.0.corrupt {
            0
        } else {
            Self::known_room(&self.0)
        }
    }

    /// How many slots were filled and not given back yet. Loads the other side's word.
    #[inline(always)]
    #[must_use]
    pub fn outstanding(&mut self) -> u32 {
        Self::look(&mut self.0);
        self.0.own.wrapping_sub(self.0.other)
    }

    /// Reserves up to `max` slots, to be filled and published together when the batch is dropped.
    ///
    /// The other side's word is loaded only where fewer are known to be free.
    #[inline(always)]
    pub fn batch(&mut self, max: u32) -> ProducerBatch<'_, T> {
        let side = &mut self.0;
        if Self::known_room(side) < max {
            Self::look(side);
        }
        let room = if side.corrupt {
            0
        } else {
            Self::known_room(side).min(max)
        };
        ProducerBatch {
            size: side.size,
            next: side.own,
            end: side.own.wrapping_add(room),
            side,
        }
    }

    /// Whether the other side sleeps and must be woken by a system call, after what was published.
    ///
    /// A hint, to be asked for after every batch: the kernel may set the flag just after. Always `false`
    /// where the ring has no word of flags.
    #[inline]
    #[must_use]
    pub fn needs_wakeup(&self) -> bool {
        // The kernel sets the flag and then looks at our word again; we have stored the word and look at
        // the flag. Without a full barrier between the two, on x86 as well, each could miss the other.
        fence(Ordering::SeqCst);
        // SAFETY: the memory outlives the producer (`new`).
        let flags = unsafe { self.0.memory.flags() };
        // Relaxed: ordered by the fence.
        flags.is_some_and(|flags| flags.load(Ordering::Relaxed) & NEED_WAKEUP != 0)
    }

    /// The number of slots.
    #[must_use]
    pub fn size(&self) -> RingSize {
        self.0.size
    }

    /// Whether the other side's word held what no ring can hold: nothing more is reserved.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        self.0.corrupt
    }
}

/// Reserved slots; dropping publishes those that were filled.
///
/// Forgetting it is safe, and publishes nothing.
#[derive(Debug)]
pub struct ProducerBatch<'p, T: Entry> {
    size: RingSize,
    next: u32,
    end: u32,
    side: &'p mut Side<T>,
}

impl<T: Entry> ProducerBatch<'_, T> {
    /// Fills the next slot; gives the entry back where none is left.
    ///
    /// # Errors
    ///
    /// The entry, where [`room`](Self::room) is 0.
    #[inline(always)]
    pub fn push(&mut self, entry: T) -> Result<(), T> {
        if self.next == self.end {
            return Err(entry);
        }
        // SAFETY: a slot of the ring (invariant 4) between our word and the other side's: it is ours
        // (invariant 1), and the memory outlives the producer that `self` borrows.
        unsafe { self.side.memory.write(self.size.slot(self.next), entry) };
        self.next = self.next.wrapping_add(1);
        Ok(())
    }

    /// How many slots of the batch are left.
    #[inline(always)]
    #[must_use]
    pub fn room(&self) -> u32 {
        self.end.wrapping_sub(self.next)
    }
}

impl<T: Entry> Drop for ProducerBatch<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.next == self.side.own {
            return;
        }
        self.side.own = self.next;
        // Release: pairs with the kernel's smp_load_acquire of the producer word; our writes to the slots
        // come before it reads them.
        // SAFETY: the memory outlives the producer that `self` borrows.
        unsafe { self.side.memory.producer() }.store(self.next, Ordering::Release);
    }
}
