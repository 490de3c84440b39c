//! Index rings in memory from the heap, so that AddressSanitizer and valgrind know where they end.
//!
//! # Safety
//!
//! The cursors of a [`HeapRing`] are used no longer than that: whoever keeps both drops them first. Slots
//! are reached through pointers alone, no reference into them is ever made, and by one thread; others have
//! the words.

use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;

use packet_ring::ring::{Consumer, Entry, Producer, RingSize};
use packet_ring::sync::Indices;

/// The words of a ring.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) producer: AtomicU32,
    pub(crate) consumer: AtomicU32,
    pub(crate) flags: AtomicU32,
}

/// An index ring; its methods are the other side's.
#[derive(Debug)]
pub(crate) struct HeapRing<T> {
    words: NonNull<Words>,
    slots: NonNull<[T]>,
    size: RingSize,
}

impl<T: Entry> HeapRing<T> {
    /// An empty ring whose words stand at `start`.
    pub(crate) fn new(size: RingSize, start: u32) -> Self {
        let words = Words {
            producer: start.into(),
            consumer: start.into(),
            flags: 0.into(),
        };
        let slots = vec![T::default(); size.get() as usize];
        Self {
            words: NonNull::from(Box::leak(Box::new(words))),
            slots: NonNull::from(Box::leak(slots.into_boxed_slice())),
            size,
        }
    }

    #[allow(dead_code, reason = "asked by the kernel's side")]
    pub(crate) fn size(&self) -> RingSize {
        self.size
    }

    pub(crate) fn words(&self) -> &Words {
        // SAFETY: leaked by `new`, freed when `self` is dropped.
        unsafe { self.words.as_ref() }
    }

    fn indices(&self) -> Indices<T> {
        let words = self.words();
        // SAFETY: the words and slots are there as long as `self` (see the head of this file).
        unsafe {
            Indices::new(
                NonNull::from(&words.producer).cast(),
                NonNull::from(&words.consumer).cast(),
                Some(NonNull::from(&words.flags).cast()),
                self.slots.cast(),
            )
        }
    }

    /// The side that fills; the ring's only one in use.
    pub(crate) fn producer(&self) -> Producer<T> {
        // SAFETY: so many slots, used no longer than `self` (see the head of this file).
        unsafe { Producer::new(self.indices(), self.size) }
    }

    /// The side that reads; the ring's only one in use.
    pub(crate) fn consumer(&self) -> Consumer<T> {
        // SAFETY: as for `producer`.
        unsafe { Consumer::new(self.indices(), self.size) }
    }

    /// The slot that an index names.
    fn slot(&self, index: u32) -> NonNull<T> {
        let slot = index as usize % self.slots.len();
        // SAFETY: below the number of slots.
        unsafe { self.slots.cast::<T>().add(slot) }
    }

    /// Writes the slot that an index names, whoever's it is.
    pub(crate) fn fill(&self, index: u32, entry: T) {
        // SAFETY: a slot of the ring, which nobody reads meanwhile (see the head of this file).
        unsafe { self.slot(index).write(entry) };
    }

    /// What the slot that an index names holds.
    pub(crate) fn peek(&self, index: u32) -> T {
        // SAFETY: a slot of the ring, which nobody writes meanwhile (see the head of this file).
        unsafe { self.slot(index).read() }
    }
}

impl<T> Drop for HeapRing<T> {
    fn drop(&mut self) {
        // SAFETY: leaked by `new`, and used no more.
        drop(unsafe { Box::from_raw(self.words.as_ptr()) });
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(self.slots.as_ptr()) });
    }
}
