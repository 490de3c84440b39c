//! A table of chunks as loom sees it, which tells when it is used after its owner has gone.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;
use core::mem::ManuallyDrop;
use core::sync::atomic::AtomicBool;

use loom::cell::UnsafeCell;

use crate::sync::{AtomicU8, AtomicU32, Ordering};

/// Words of the bitmap of slots.
pub(crate) const SLOT_WORDS: usize = 3;

struct Parts<O> {
    handles: AtomicU32,
    orphans: AtomicU32,
    /// Written by whoever sets the count of orphans, read by whoever counts them down: loom takes the newest
    /// value for a read-modify-write's, where the machine may take an older one that nothing orders behind.
    counted: UnsafeCell<()>,
    /// Whether it was set. Not loom's, so that it orders nothing.
    set: AtomicBool,
    spurious: AtomicU32,
    slots: [AtomicU32; SLOT_WORDS],
    states: Vec<AtomicU8>,
    links: Vec<AtomicU32>,
    /// As in real memory, the owner goes by `take_owner` alone.
    owner: UnsafeCell<Option<ManuallyDrop<O>>>,
}

/// A modelled table: loom's atomics, and an owner that fails the model where it is used once it has gone.
pub struct Table<O>(Arc<Parts<O>>);

impl<O> PartialEq for Table<O> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<O> fmt::Debug for Table<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} chunks)", self.0.states.len())
    }
}

// SAFETY: what is not an atomic is a cell of loom's, which fails the model at any unordered access.
unsafe impl<O: Send + Sync> Send for Table<O> {}
// SAFETY: as for `Send`.
unsafe impl<O: Send + Sync> Sync for Table<O> {}

impl<O> Table<O> {
    /// Makes a table of `count` chunks with one handle.
    #[must_use]
    pub fn new(count: u32, owner: O) -> Self {
        Self(Arc::new(Parts {
            handles: AtomicU32::new(1),
            orphans: AtomicU32::new(0),
            counted: UnsafeCell::new(()),
            set: AtomicBool::new(false),
            spurious: AtomicU32::new(0),
            slots: core::array::from_fn(|_| AtomicU32::new(0)),
            states: (0..count).map(|_| AtomicU8::new(0)).collect(),
            links: (0..count).map(|_| AtomicU32::new(0)).collect(),
            owner: UnsafeCell::new(Some(ManuallyDrop::new(owner))),
        }))
    }

    /// The parts, whose owner must be there still: `take_owner` is ordered behind every use.
    fn parts(&self) -> &Parts<O> {
        // SAFETY: a cell's own value; loom has failed the model where somebody takes it now.
        let there = self.0.owner.with(|owner| unsafe { (*owner).is_some() });
        assert!(there, "the table is used after its owner has gone");
        &self.0
    }

    /// The same table once more, which counts for nothing.
    #[inline(always)]
    pub(crate) fn alias(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    pub(crate) unsafe fn count(&self) -> u32 {
        self.parts().states.len() as u32
    }

    pub(crate) unsafe fn handles(&self) -> &AtomicU32 {
        &self.parts().handles
    }

    /// The last handle asks first, to set the count; the others follow, to count down.
    pub(crate) unsafe fn orphans(&self) -> &AtomicU32 {
        let parts = self.parts();
        if parts.set.swap(true, Ordering::Relaxed) {
            parts.counted.with(|_| ());
        } else {
            parts.counted.with_mut(|_| ());
        }
        &parts.orphans
    }

    pub(crate) unsafe fn spurious(&self) -> &AtomicU32 {
        &self.parts().spurious
    }

    pub(crate) unsafe fn slots(&self) -> &[AtomicU32; SLOT_WORDS] {
        &self.parts().slots
    }

    pub(crate) unsafe fn owner(&self) -> &O {
        let owner = &self.parts().owner;
        // SAFETY: a cell's own value, which stays until `take_owner`, behind every use.
        let owner = owner.with(|owner| unsafe { &*owner });
        owner.as_ref().expect("looked at above")
    }

    pub(crate) unsafe fn state(&self, chunk: u32) -> &AtomicU8 {
        &self.parts().states[chunk as usize]
    }

    pub(crate) unsafe fn link(&self, chunk: u32) -> &AtomicU32 {
        &self.parts().links[chunk as usize]
    }

    pub(crate) unsafe fn take_owner(self) -> O {
        // SAFETY: a cell's own value; loom has failed the model where anybody else uses it now.
        let owner = self.0.owner.with_mut(|owner| unsafe { (*owner).take() });
        ManuallyDrop::into_inner(owner.expect("taken once"))
    }
}
