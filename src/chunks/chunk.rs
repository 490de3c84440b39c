//! One chunk, owned by the program. The invariants are those of [`chunks`](super).

use core::fmt;
use core::mem::ManuallyDrop;

use super::count_down;
use super::state::State;
use crate::sync::Table;

/// One chunk, owned by the program; and the part of it that is in use.
///
/// It has 16 bytes. Dropping it is safe: [`List::take_back`](super::List::take_back) finds the chunk. Forgetting it loses the
/// chunk.
#[must_use]
pub struct Chunk<O> {
    pub(super) table: Table<O>,
    /// The number, and two flags above it.
    number: u32,
    offset: u16,
    len: u16,
}

impl<O> Chunk<O> {
    const CONTINUES: u32 = 1 << 31;
    const METADATA: u32 = 1 << 30;
    pub(super) const NUMBER: u32 = Self::METADATA - 1;

    /// Its byte has just become `USER` by us.
    #[inline(always)]
    pub(super) fn new(table: Table<O>, number: u32) -> Self {
        Self {
            table,
            number,
            offset: 0,
            len: 0,
        }
    }

    /// Which of the table's chunks it is.
    #[inline(always)]
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number & Self::NUMBER
    }

    /// Where in the chunk the part in use begins, and its length, in bytes.
    #[inline(always)]
    #[must_use]
    pub fn place(&self) -> (u16, u16) {
        (self.offset, self.len)
    }

    /// Sets where in the chunk the part in use begins, and its length, in bytes.
    #[inline(always)]
    pub fn set_place(&mut self, offset: u16, len: u16) {
        (self.offset, self.len) = (offset, len);
    }

    /// Whether the packet goes on in another chunk.
    #[inline(always)]
    #[must_use]
    pub fn continues(&self) -> bool {
        self.number & Self::CONTINUES != 0
    }

    /// Sets whether the packet goes on in another chunk.
    #[inline(always)]
    pub fn set_continues(&mut self, continues: bool) {
        self.number = self.number & !Self::CONTINUES | u32::from(continues) << 31;
    }

    /// Whether metadata for the transmission lies before the part in use.
    #[inline(always)]
    #[must_use]
    pub fn has_metadata(&self) -> bool {
        self.number & Self::METADATA != 0
    }

    /// Sets whether metadata for the transmission lies before the part in use.
    #[inline(always)]
    pub fn set_metadata(&mut self, metadata: bool) {
        self.number = self.number & !Self::METADATA | u32::from(metadata) << 30;
    }

    /// What lives as long as the table.
    #[inline(always)]
    pub fn owner(&self) -> &O {
        // SAFETY: a chunk keeps the owner (invariant 3).
        unsafe { self.table.owner() }
    }

    fn state(&self) -> State<'_> {
        // SAFETY: a chunk keeps the owner (invariant 3), and has a number of its table (invariant 4).
        State::new(unsafe { self.table.state(self.number()) })
    }

    /// The chunk becomes what `state` says. Somebody must hold a handle of its table.
    #[inline(always)]
    pub(super) fn give_away(self, state: u8) -> u32 {
        let chunk = ManuallyDrop::new(self);
        chunk.state().give_away(state);
        chunk.number()
    }
}

impl<O> Drop for Chunk<O> {
    fn drop(&mut self) {
        if self.state().drop_chunk() {
            // SAFETY: it was counted when it became an orphan, and the table is not used after this.
            unsafe { count_down(&self.table, 1) };
        }
    }
}

impl<O> fmt::Debug for Chunk<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("number", &self.number())
            .field("offset", &self.offset)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
