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
use packet_ring::packet::{FrameGeometry, Geometry};
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
        let size = geometry.block_size() as usize;
        let count = geometry.block_count();
        let memory = HeapMemory::new(size, size * count.get() as usize, bytes);
        // SAFETY: `count` slots of `size` bytes, whose words are aligned.
        unsafe { Self::over(memory, sync::Layout::new(size, STATUS), count) }
    }

    /// A ring of TPACKET_V2 frames that holds `bytes`, and zeros behind them.
    #[allow(dead_code, reason = "some tests are about blocks alone")]
    pub(crate) fn of_frames(geometry: &FrameGeometry, bytes: &[u8]) -> Self {
        let block_size = geometry.block_size() as usize;
        let blocks = geometry.block_count().get() as usize;
        let memory = HeapMemory::new(block_size, block_size * blocks, bytes);
        let layout = sync::Layout::new(geometry.frame_size() as usize, 0).in_blocks(block_size);
        // SAFETY: so many frames lie whole in their blocks, at multiples of 16, and the word is their
        // first.
        unsafe { Self::over(memory, layout, geometry.frame_count()) }
    }

    /// # Safety
    ///
    /// `count` slots lie in the memory where `layout` says, and their words are aligned.
    unsafe fn over(memory: HeapMemory, layout: sync::Layout, count: NonZeroU32) -> Self {
        // SAFETY: the caller's promise; initialised, and nobody else has the memory.
        let slots = unsafe { Memory::new(memory.base, layout) };
        // SAFETY: the memory is freed when `self`, which holds the ring, is dropped; there is no
        // other ring, and nobody on the other side.
        let ring = unsafe { Ring::new(slots, count) };
        Self { ring, memory }
    }

    /// The addresses of block `index`.
    pub(crate) fn addresses(&self, index: usize) -> Range<usize> {
        let size = self.memory.block_size;
        let start = self.memory.base.addr().get() + index * size;
        start..start + size
    }
}

impl HeapMemory {
    /// `len` bytes in blocks of `block_size`, which begin with `bytes`.
    fn new(block_size: usize, len: usize, bytes: &[u8]) -> Self {
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
        Self {
            base,
            layout,
            block_size,
        }
    }
}

impl Drop for HeapMemory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed once; what borrowed the ring has gone.
        unsafe { alloc::dealloc(self.base.as_ptr(), self.layout) };
    }
}
