//! The kernel's reach into the memory of a ring, and rings lent for ever.
//!
//! # Safety
//!
//! The methods of a modelled [`Memory`] are `unsafe` because those of real memory are: they ask
//! their caller to own what is lent. Here loom fails the model where that is not so, at the first
//! access that nothing orders, so nothing that safe code does through this file goes unnoticed.

use core::num::NonZeroU32;

use loom::sync::atomic::{AtomicU32, Ordering, fence};
use packet_ring::handoff::Ring;
use packet_ring::sync::Memory;

use crate::step;

/// What the kernel sees of a ring.
#[derive(Debug)]
pub(crate) struct Blocks(Memory);

impl Blocks {
    /// Makes `count` blocks of `size` bytes, and the program's ring over them.
    pub(crate) fn with_ring(count: NonZeroU32, size: usize) -> (Self, Ring) {
        let memory = Memory::new(count.get() as usize, size);
        // SAFETY: the memory has that many slots and lives as long as a handle to it; the other
        // side is the modelled kernel; and this is the only ring over it.
        let ring = unsafe { Ring::new(memory.clone(), count) };
        (Self(memory), ring)
    }

    fn word(&self, block: usize) -> &AtomicU32 {
        // SAFETY: asks nothing of a model.
        unsafe { self.0.word(block) }
    }

    /// A plain load, its stores dependent on it.
    pub(crate) fn status(&self, block: usize) -> u32 {
        step();
        self.word(block).load(Ordering::Acquire)
    }

    /// A plain load on which nothing depends that the ring's bytes could show.
    pub(crate) fn peek(&self, block: usize) -> u32 {
        self.word(block).load(Ordering::Relaxed)
    }

    /// `smp_wmb`, then a plain store.
    pub(crate) fn publish(&self, block: usize, status: u32) {
        fence(Ordering::Release);
        step();
        self.word(block).store(status, Ordering::Relaxed);
    }

    pub(crate) fn write(&self, block: usize, at: usize, bytes: &[u8]) {
        // SAFETY: where the kernel does not own these bytes, loom says so.
        let mut part = unsafe { self.0.lend_part_mut(block, at..at + bytes.len()) };
        part.copy_from_slice(bytes);
    }
}

/// Lends `value` to `f` and to the loom threads that it spawns, which are `'static` by name alone.
///
/// # Safety
///
/// Nothing that borrows from the value outlives `f`: every thread that got hold of it has been joined
/// when `f` returns.
pub unsafe fn borrowed_for_ever<T: 'static, R>(value: T, f: impl FnOnce(&'static mut T) -> R) -> R {
    let value = Box::into_raw(Box::new(value));
    // SAFETY: it comes from a box, and only the result names it as long as `f` runs. Where `f`
    // panics, it stays leaked.
    let result = f(unsafe { &mut *value });
    // SAFETY: it came from a box, and the caller promises that nothing borrows from it any more.
    drop(unsafe { Box::from_raw(value) });
    result
}
