//! The kernel's reach into the memory of a ring, and rings lent for ever.
//!
//! # Safety
//!
//! The methods of a modelled [`Memory`] are `unsafe` because those of real memory are: they ask
//! their caller to own what is lent. Here loom fails the model where that is not so, at the first
//! access that nothing orders, so nothing that safe code does through this file goes unnoticed.

use core::num::NonZeroU32;

use loom::sync::atomic::{AtomicU32, Ordering, fence};
use packet_ring::handoff::{HeaderLayout, Ring, TxRing};
use packet_ring::sync::{Mapping, Memory};

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

    /// The same, where the program maps them: its ring, and the mapping.
    pub(crate) fn with_mapped_ring(count: NonZeroU32, size: usize) -> (Self, Ring, Mapping) {
        let memory = Memory::new(count.get() as usize, size);
        let (mapped, mapping) = memory.map();
        // SAFETY: as above; where the ring outlives the mapping, the model fails.
        let ring = unsafe { Ring::new(mapped, count) };
        (Self(memory), ring, mapping)
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

/// Where the header of a modelled frame has its fields: as `tpacket3_hdr`.
const HEADER: HeaderLayout = HeaderLayout {
    length: 16,
    offset: 24,
    seconds: 4,
    nanoseconds: 8,
};

/// Where the bytes begin that a modelled frame lends.
const DATA: u16 = 48;

/// What the kernel sees of a transmit ring.
#[derive(Debug)]
pub(crate) struct Frames(Memory);

impl Frames {
    /// Makes `count` frames that lend `size` bytes each, and the program's ring over them.
    pub(crate) fn with_ring(count: NonZeroU32, size: usize) -> (Self, TxRing) {
        let memory = Memory::new(count.get() as usize, size);
        // SAFETY: the memory has that many slots, of zeros, and lives as long as a handle to it; the
        // header's fields are cells of their own; the other side is the modelled kernel; and this
        // is the only ring over it.
        let ring = unsafe { TxRing::new(memory.clone(), HEADER, DATA, count) };
        (Self(memory), ring)
    }

    fn word(&self, frame: usize) -> &AtomicU32 {
        // SAFETY: asks nothing of a model.
        unsafe { self.0.word(frame) }
    }

    /// `smp_rmb`, then a plain load: it orders no load that follows, unless the processor does.
    pub(crate) fn status(&self, frame: usize, ordering: Ordering) -> u32 {
        step();
        self.word(frame).load(ordering)
    }

    /// A plain store: here a read-modify-write, so that loom keeps it behind an exchange by the program
    /// that it comes after.
    pub(crate) fn set_status(&self, frame: usize, status: u32) {
        step();
        self.word(frame).swap(status, Ordering::Relaxed);
    }

    /// `smp_wmb`, then a plain store, by which the program has the frame again.
    pub(crate) fn give_back(&self, frame: usize, status: u32) {
        fence(Ordering::Release);
        self.set_status(frame, status);
    }

    fn field(&self, frame: usize, offset: usize) -> u32 {
        // SAFETY: where the program has the frame, loom says so.
        unsafe { self.0.field(frame, offset) }
    }

    /// Where the packet begins and its length, as its header has them.
    pub(crate) fn extent(&self, frame: usize) -> (usize, usize) {
        let [a, b, ..] = self.field(frame, HEADER.offset).to_ne_bytes();
        let start = u16::from_ne_bytes([a, b]) - DATA;
        let length = self.field(frame, HEADER.length);
        (start.into(), length as usize)
    }

    /// Reads a packet, keeping the frame's bytes across a step.
    pub(crate) fn read(&self, frame: usize, (start, length): (usize, usize)) -> Vec<u8> {
        // SAFETY: where the program writes these bytes, loom says so.
        let bytes = unsafe { self.0.lend(frame) };
        step();
        bytes[start..start + length].to_vec()
    }

    /// Writes a timestamp, one field after the other.
    pub(crate) fn stamp(&self, frame: usize, seconds: u32, nanoseconds: u32) {
        // SAFETY: where the program has the frame, loom says so.
        unsafe { self.0.set_field(frame, HEADER.seconds, seconds) };
        step();
        // SAFETY: as above.
        unsafe { self.0.set_field(frame, HEADER.nanoseconds, nanoseconds) };
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
