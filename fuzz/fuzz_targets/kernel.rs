//! The kernel's side of a ring on the heap, in this thread.
//!
//! # Safety
//!
//! Bytes are written only while the word of their block is zero: then neither the library nor what it
//! lent reaches them. The pointers come from the allocation itself, not from the ring.

use core::sync::atomic::{AtomicU32, Ordering};

use packet_ring::handoff::Ring;

use super::heap::{HeapMemory, HeapRing, STATUS};

impl HeapRing {
    /// The ring, and the memory under it for the kernel.
    pub(crate) fn split(&mut self) -> (&mut Ring, &HeapMemory) {
        (&mut self.ring, &self.memory)
    }
}

impl HeapMemory {
    /// Writes `content` over the block behind its status word, and hands it to the program; `false`
    /// where the program has not given the block back.
    pub(crate) fn fill(&self, index: usize, content: u8, status: u32) -> bool {
        let offset = index * self.block_size + STATUS;
        // SAFETY: the caller's index is below the number of blocks.
        let word = unsafe { self.base.add(offset) };
        // SAFETY: aligned, inside the allocation, and everybody's accesses are atomic.
        let word_ref = unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) };
        if word_ref.load(Ordering::Acquire) != 0 {
            return false;
        }
        // SAFETY: still inside the block.
        let bytes = unsafe { word.add(4) };
        // SAFETY: the word is zero, so these are the kernel's (see the head of this file).
        unsafe {
            bytes
                .as_ptr()
                .write_bytes(content, self.block_size - STATUS - 4)
        };
        word_ref.store(status, Ordering::Release);
        true
    }
}
