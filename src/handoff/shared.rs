//! Blocks that own a share of their ring, for tasks that are `'static`.
//!
//! # Safety
//!
//! The invariants of [`handoff`](super). A shared ring is made of a whole [`Ring`], so no borrowed block
//! lives; its cursor stays the only one. The owner that keeps the memory valid is dropped with the
//! last handle, after the slots can be reached no more.

use core::ops::Deref;

use super::{Block, Cursor, Handle, Ring, Slots, sealed};
use crate::sync::Arc;

impl Ring {
    /// Shares the ring with blocks that outlive every borrow; `owner` keeps the memory valid.
    ///
    /// A block that is forgotten then stays out for good: see [`Slots::held`].
    ///
    /// # Safety
    ///
    /// The memory of the ring stays valid as long as `owner` lives, whatever is done with the
    /// `&owner` that [`Shared::owner`] gives.
    pub unsafe fn into_shared<O>(mut self, owner: O) -> SharedReceiver<O> {
        self.cursor.take_back(&self.slots);
        let Self { slots, cursor } = self;
        SharedReceiver {
            shared: Shared(Arc::new(Owned { slots, owner })),
            cursor,
        }
    }
}

/// Slots and what keeps them valid.
#[derive(Debug)]
struct Owned<O> {
    slots: Slots,
    owner: O,
}

/// A shared owner of a ring's slots.
#[derive(Debug)]
pub struct Shared<O>(Arc<Owned<O>>);

impl<O> Shared<O> {
    /// What keeps the memory of the slots valid.
    pub fn owner(&self) -> &O {
        &self.0.owner
    }
}

impl<O> Clone for Shared<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<O> Deref for Shared<O> {
    type Target = Slots;
    fn deref(&self) -> &Slots {
        &self.0.slots
    }
}

impl<O> sealed::Sealed for Shared<O> {}
impl<O> Handle for Shared<O> {}

/// Hands out blocks that own a share of the ring, for tasks that are `'static`.
#[derive(Debug)]
pub struct SharedReceiver<O> {
    shared: Shared<O>,
    cursor: Cursor,
}

impl<O> SharedReceiver<O> {
    /// The next block that the kernel has filled; `None` where there is none yet, or where the block
    /// at the cursor is still out.
    #[inline]
    pub fn next_block(&mut self) -> Option<Block<Shared<O>>> {
        let (index, status) = self.cursor.take(&self.shared)?;
        Some(Block {
            slots: self.shared.clone(),
            index,
            status,
        })
    }

    /// Whether [`next_block`](Self::next_block) would return a block.
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.cursor.is_ready(&self.shared)
    }

    /// How many forgotten blocks were given back before the ring was shared.
    pub fn taken_back(&self) -> u64 {
        self.cursor.taken_back
    }

    /// The shared owner of the slots.
    pub fn shared(&self) -> &Shared<O> {
        &self.shared
    }
}
