//! The side that reads slots. The invariants are those of [`ring`](super).

use super::{Entry, RingSize, Side};
use crate::sync::{Indices, Ordering};

/// The side of a ring that reads slots.
#[derive(Debug)]
pub struct Consumer<T> {
    side: Side<T>,
    /// What our word holds: up to there slots were given back. `side.own` is ahead of it where a batch
    /// is out or was forgotten.
    released: u32,
}

impl<T: Entry> Consumer<T> {
    /// The consumer of a ring, which goes on where the ring's words stand.
    ///
    /// # Safety
    ///
    /// `memory` has `size` slots, and outlives the consumer; the other side keeps to the protocol; nobody
    /// else consumes from this ring.
    #[must_use]
    pub unsafe fn new(memory: Indices<T>, size: RingSize) -> Self {
        // Relaxed: the word is ours.
        // SAFETY: the memory is there (the caller's promise).
        let own = unsafe { memory.consumer() }.load(Ordering::Relaxed);
        Self {
            side: Side {
                memory,
                size,
                own,
                other: own,
                corrupt: false,
            },
            released: own,
        }
    }

    /// Loads how far the other side has filled.
    #[inline(always)]
    fn look(side: &mut Side<T>) {
        // Acquire: pairs with the kernel's smp_store_release of its producer word; its writes to the slots,
        // and to the packets that they name, come before our reads.
        // SAFETY: the memory outlives the consumer (`new`).
        let producer = unsafe { side.memory.producer() }.load(Ordering::Acquire);
        side.see(producer, producer.wrapping_sub(side.own));
    }

    /// Slots that were filled when the other side was last looked at.
    #[inline(always)]
    fn known_filled(side: &Side<T>) -> u32 {
        side.other.wrapping_sub(side.own)
    }

    /// How many slots are filled. Loads the other side's word.
    ///
    /// None in a corrupt ring.
    #[must_use]
    pub fn filled(&mut self) -> u32 {
        Self::look(&mut self.side);
        if self.side.corrupt {
            0
        } else {
            Self::known_filled(&self.side)
        }
    }

    /// Whether a slot is filled, without taking note of it; or a [batch](Self::batch) has to give back what
    /// a forgotten one held.
    #[inline(always)]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        // Relaxed: only asks; the batch that follows reads the slots.
        // SAFETY: the memory outlives the consumer (`new`).
        let producer = unsafe { self.side.memory.producer() }.load(Ordering::Relaxed);
        producer != self.released && !self.side.corrupt
    }

    /// Takes up to `max` filled slots, to be read and given back together when the batch is dropped.
    ///
    /// The other side's word is loaded only where no filled slot is known. Whoever leaves known ones, because
    /// the rest of a packet is not there yet, asks [`filled`](Self::filled) before the next batch.
    #[inline(always)]
    pub fn batch(&mut self, max: u32) -> ConsumerBatch<'_, T> {
        let side = &mut self.side;
        if side.other == side.own {
            Self::look(side);
        }
        let filled = if side.corrupt {
            0
        } else {
            Self::known_filled(side)
        };
        let next = side.own;
        let end = next.wrapping_add(filled.min(max));
        // Should the batch be forgotten, none of its entries comes again (invariant 5): what they name may
        // long have been given to the other side anew. `drop` takes it back.
        side.own = end;
        ConsumerBatch {
            size: side.size,
            next,
            end,
            consumer: self,
        }
    }

    /// The number of slots.
    #[must_use]
    pub fn size(&self) -> RingSize {
        self.side.size
    }

    /// Whether the other side's word held what no ring can hold: nothing more is handed out.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        self.side.corrupt
    }
}

/// Filled slots, in order; dropping gives back those that were read.
///
/// Forgetting it is safe, and loses its entries: none of them comes again, whether it was read or not. Their
/// slots are given back with the next batch that is dropped.
#[derive(Debug)]
pub struct ConsumerBatch<'c, T: Entry> {
    size: RingSize,
    next: u32,
    end: u32,
    consumer: &'c mut Consumer<T>,
}

impl<T: Entry> ConsumerBatch<'_, T> {
    /// What lies `distance` behind the next entry, without taking it; `None` beyond the batch.
    #[inline(always)]
    #[must_use]
    pub fn ahead(&self, distance: u32) -> Option<T> {
        if distance >= self.remaining() {
            return None;
        }
        // SAFETY: a slot of the ring (invariant 4) between our word and the other side's: it is ours
        // (invariant 1), and the memory outlives the consumer that `self` borrows.
        Some(unsafe {
            self.consumer
                .side
                .memory
                .read(self.size.slot(self.next.wrapping_add(distance)))
        })
    }

    /// How many entries of the batch are left.
    #[inline(always)]
    #[must_use]
    pub fn remaining(&self) -> u32 {
        self.end.wrapping_sub(self.next)
    }

    /// Leaves all but the next `max` entries for a later batch.
    #[inline]
    pub fn limit(&mut self, max: u32) {
        self.end = self.next.wrapping_add(self.remaining().min(max));
        self.consumer.side.own = self.end;
    }

    /// Has the batch go on to up to `max` entries from the next one on, as far as slots are known to be
    /// filled.
    #[inline]
    pub fn extend(&mut self, max: u32) {
        if self.consumer.side.corrupt {
            return;
        }
        let filled = self.consumer.side.other.wrapping_sub(self.next);
        self.end = self
            .next
            .wrapping_add(filled.min(max).max(self.remaining()));
        self.consumer.side.own = self.end;
    }
}

impl<T: Entry> Iterator for ConsumerBatch<'_, T> {
    type Item = T;

    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        let entry = self.ahead(0)?;
        self.next = self.next.wrapping_add(1);
        Some(entry)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = self.remaining() as usize;
        (remaining, Some(remaining))
    }
}

impl<T: Entry> ExactSizeIterator for ConsumerBatch<'_, T> {}

impl<T: Entry> Drop for ConsumerBatch<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.consumer.side.own = self.next;
        if self.next == self.consumer.released {
            return;
        }
        self.consumer.released = self.next;
        // Release: pairs with the kernel's load of the consumer word and the control dependency behind it;
        // our reads of the slots come before its next writes to them.
        // SAFETY: the memory outlives the consumer that `self` borrows.
        unsafe { self.consumer.side.memory.consumer() }.store(self.next, Ordering::Release);
    }
}
