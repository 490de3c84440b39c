//! Tables of chunks in memory from the heap.
//!
//! # Safety
//!
//! What is made of a [`HeapTable`] is used no longer than that.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc;

use packet_ring::sync::Table;

/// Memory for the table of `count` chunks.
pub(crate) struct HeapTable {
    base: NonNull<u8>,
    layout: Layout,
    count: u32,
}

// SAFETY: an allocation, which goes with this value, in whatever thread.
unsafe impl Send for HeapTable {}
// SAFETY: `&HeapTable` reaches nothing.
unsafe impl Sync for HeapTable {}

impl HeapTable {
    /// For a table whose owner is an `O`.
    pub(crate) fn new<O>(count: u32) -> Self {
        let layout = Table::<O>::layout(count);
        // SAFETY: a table has a header.
        let base = unsafe { alloc::alloc_zeroed(layout) };
        let Some(base) = NonNull::new(base) else {
            alloc::handle_alloc_error(layout)
        };
        Self {
            base,
            layout,
            count,
        }
    }

    /// The memory's only table. `owner` is made of what the memory is told by, which has to stay.
    pub(crate) fn table<O>(self, owner: impl FnOnce(Self) -> O) -> Table<O> {
        assert_eq!(self.layout, Table::<O>::layout(self.count));
        let (base, count) = (self.base, self.count);
        let owner = owner(self);
        // SAFETY: zeros of the table's layout, which nobody else touches as long as the memory is there
        // (see the head of this file).
        unsafe { Table::new(base, count, owner) }
    }
}

impl Drop for HeapTable {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed once; the table is used no more.
        unsafe { alloc::dealloc(self.base.as_ptr(), self.layout) };
    }
}
