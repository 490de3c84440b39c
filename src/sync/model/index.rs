//! An index ring as loom sees it: its words atomics of loom's, every slot a tracked cell.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use loom::cell::UnsafeCell;

use crate::sync::{AtomicU32, Entry};

struct Parts<T> {
    producer: AtomicU32,
    consumer: AtomicU32,
    flags: AtomicU32,
    slots: Vec<UnsafeCell<T>>,
}

/// One modelled ring: two index words, a word of flags, and slots that report races.
pub struct Indices<T>(Arc<Parts<T>>);

impl<T> Clone for Indices<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Indices<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Indices({} slots)", self.0.slots.len())
    }
}

// SAFETY: the slots are loom's cells, which fail the model at any unordered access.
unsafe impl<T> Send for Indices<T> {}
// SAFETY: as for `Send`.
unsafe impl<T> Sync for Indices<T> {}

impl<T: Entry> Indices<T> {
    /// Makes an empty ring of `count` slots whose index words stand at `start`.
    #[must_use]
    pub fn new(count: usize, start: u32) -> Self {
        Self(Arc::new(Parts {
            producer: AtomicU32::new(start),
            consumer: AtomicU32::new(start),
            flags: AtomicU32::new(0),
            slots: (0..count).map(|_| UnsafeCell::new(T::default())).collect(),
        }))
    }

    /// The index up to which slots were filled.
    ///
    /// # Safety
    ///
    /// None is needed here: it is `unsafe` where memory is real.
    pub unsafe fn producer(&self) -> &AtomicU32 {
        &self.0.producer
    }

    /// The index up to which slots were given back.
    ///
    /// # Safety
    ///
    /// None is needed here: it is `unsafe` where memory is real.
    pub unsafe fn consumer(&self) -> &AtomicU32 {
        &self.0.consumer
    }

    /// The word of flags.
    ///
    /// # Safety
    ///
    /// None is needed here: it is `unsafe` where memory is real.
    pub unsafe fn flags(&self) -> Option<&AtomicU32> {
        Some(&self.0.flags)
    }

    /// What the slot holds.
    ///
    /// # Safety
    ///
    /// The slot is the caller's to read: loom fails the model where that is not so.
    pub unsafe fn read(&self, slot: usize) -> T {
        // SAFETY: a cell's own value; loom has failed the model where somebody writes it now.
        self.0.slots[slot].with(|slot| unsafe { *slot })
    }

    /// Fills the slot.
    ///
    /// # Safety
    ///
    /// The slot is the caller's to write: loom fails the model where that is not so.
    pub unsafe fn write(&self, slot: usize, entry: T) {
        // SAFETY: a cell's own value; loom has failed the model where anybody else has it now.
        self.0.slots[slot].with_mut(|slot| unsafe { *slot = entry });
    }
}
