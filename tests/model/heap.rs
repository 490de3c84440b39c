//! A ring in memory from the heap, so that AddressSanitizer and valgrind know where it ends.
//!
//! # Safety
//!
//! The allocation lives as long as the [`HeapRing`], whose [`Ring`] is the only one made of it and
//! never leaves it but as a `&mut`. Nothing here plays the kernel: the bytes are what they were when
//! the ring was made.

use core::alloc::Layout;
use core::num::NonZeroU32;
use core::ops::Range;
use core::ptr::NonNull;
use std::alloc;

use packet_ring::handoff::Ring;
use packet_ring::packet::Geometry;
use packet_ring::sync::{self, Memory};

/// Offset of the status word in a block.
pub(super) const STATUS: usize = 8;

pub(crate) struct HeapRing {
    pub(super) ring: Ring,
    pub(super) memory: HeapMemory,
}

/// The memory of a ring.
pub(crate) struct HeapMemory {
    pub(super) base: NonNull<u8>,
    layout: Layout,
    pub(super) block_size: usize,
}

impl HeapRing {
    /// A ring of this geometry that holds `bytes`, and zeros behind them.
    pub(crate) fn new(geometry: &Geometry, bytes: &[u8]) -> Self {
        let block_size = geometry.block_size() as usize;
        let count: NonZeroU32 = geometry.block_count();
        let len = block_size * count.get() as usize;
        let layout = Layout::from_size_align(len, 4096).expect("a small ring");
        // SAFETY: the size of a ring is not zero.
        let base = unsafe { alloc::alloc_zeroed(layout) };
        let Some(base) = NonNull::new(base) else {
            alloc::handle_alloc_error(layout)
        };
        let bytes = &bytes[..bytes.len().min(len)];
        // SAFETY: both are valid for that many bytes, and the new memory overlaps nothing.
        unsafe {
            base.as_ptr()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
        let slots = sync::Layout::new(block_size, STATUS);
        // SAFETY: `count` slots of `block_size` bytes, initialised, aligned to a page; nobody else
        // has the memory.
        let memory = unsafe { Memory::new(base, slots) };
        // SAFETY: the memory is freed when `self`, which holds the ring, is dropped; there is no
        // other ring, and nobody on the other side.
        let ring = unsafe { Ring::new(memory, count) };
        Self {
            ring,
            memory: HeapMemory {
                base,
                layout,
                block_size,
            },
        }
    }

    /// The addresses of block `index`.
    pub(crate) fn addresses(&self, index: usize) -> Range<usize> {
        let size = self.memory.block_size;
        let start = self.memory.base.addr().get() + index * size;
        start..start + size
    }
}

impl Drop for HeapMemory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed once; what borrowed the ring has gone.
        unsafe { alloc::dealloc(self.base.as_ptr(), self.layout) };
    }
}
