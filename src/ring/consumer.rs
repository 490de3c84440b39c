//! The side that reads slots. The invariants are those of [`ring`](super).

use super::{Entry, RingSize, Side};
use crate::sync::{Indices, Ordering};

/// The side of a ring that reads slots.
#[derive(Debug)]
pub struct Consumer<T> {
    side: Side<T>,
    /// Our word as the memory has it.
    given_back: u32,
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
            given_back: own,
        }
    }

    /// Loads how far the other side has filled.
    #[inline]
    fn look(side: &mut Side<T>) {
        // Acquire: pairs with the kernel's smp_store_release of its producer word; its writes to the slots,
        // and to the packets that they name, come before our reads.
        // SAFETY: the memory outlives the consumer (`new`).
        let producer = unsafe { side.memory.producer() }.load(Ordering::Acquire);
        side.see(producer, producer.wrapping_sub(side.own));
    }

    /// Slots that were filled when the other side was last looked at; none in a corrupt ring.
    #[inline(always)]
    fn known_filled(side: &Side<T>) -> u32 {
        if side.corrupt {
            return 0;
        }
        side.other.wrapping_sub(side.own)
    }

    /// How many slots are filled; 0 in a corrupt ring. Loads the other side's word.
    #[must_use]
    pub fn filled(&mut self) -> u32 {
        Self::look(&mut self.side);
        Self::known_filled(&self.side)
    }

    /// Whether a slot is filled, without taking note of it; or a [batch](Self::batch) has to give back what
    /// a forgotten one held.
    #[inline]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        // Relaxed: only asks; the batch that follows reads the slots.
        // SAFETY: the memory outlives the consumer (`new`).
        let producer = unsafe { self.side.memory.producer() }.load(Ordering::Relaxed);
        producer != self.given_back && !self.side.corrupt
    }

    /// Takes up to `max` filled slots, to be read and given back together when the batch is dropped.
    ///
    /// The other side's word is loaded only where no filled slot is known. Whoever leaves known ones, because
    /// the rest of a packet is not there yet, asks [`filled`](Self::filled) before the next batch.
    #[inline]
    pub fn batch(&mut self, max: u32) -> ConsumerBatch<'_, T> {
        let side = &mut self.side;
        if side.other == side.own {
            Self::look(side);
        }
        let next = side.own;
        let end = next.wrapping_add(Self::known_filled(side).min(max));
        // They count as handed out from here on (invariant 5): whoever forgets the batch loses them.
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
/// Forgetting it loses its entries, those that were not read as well: none comes a second time. Their
/// slots go back with the next batch.
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
        self.set_end(self.remaining().min(max));
    }

    /// Has the batch go on to up to `max` entries from the next one on, as far as slots are known to be
    /// filled.
    #[inline]
    pub fn extend(&mut self, max: u32) {
        let side = &self.consumer.side;
        if side.corrupt {
            return;
        }
        let filled = side.other.wrapping_sub(self.next);
        self.set_end(filled.min(max).max(self.remaining()));
    }

    /// The batch ends `remaining` entries from here: up to there they count as handed out.
    #[inline(always)]
    fn set_end(&mut self, remaining: u32) {
        self.end = self.next.wrapping_add(remaining);
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
    #[inline]
    fn drop(&mut self) {
        let Consumer { side, given_back } = &mut *self.consumer;
        side.own = self.next;
        if self.next == *given_back {
            return;
        }
        *given_back = self.next;
        // Release: pairs with the kernel's load of the consumer word and the control dependency behind it;
        // our reads of the slots come before its next writes to them.
        // SAFETY: the memory outlives the consumer that `self` borrows.
        unsafe { side.memory.consumer() }.store(self.next, Ordering::Release);
    }
}
