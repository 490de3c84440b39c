//! The kernel's reach into the memory of index rings and of chunks.
//!
//! # Safety
//!
//! As in `memory`: what is `unsafe` over real memory asks its caller to own what it touches. Here loom
//! fails the model where that is not so, so nothing that safe code does through this file goes unnoticed.

use std::sync::{Arc, Mutex, PoisonError};

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread::{self, ThreadId};
use packet_ring::chunks::{Chunks, List};
use packet_ring::ring::{Consumer, Entry, Producer, RingSize};
use packet_ring::sync::{Indices, Table};

use crate::step;

/// What the kernel sees of an index ring.
#[derive(Debug)]
pub(crate) struct Words<T> {
    memory: Indices<T>,
    size: RingSize,
}

impl<T: Entry> Words<T> {
    fn new(size: RingSize, start: u32) -> Self {
        let memory = Indices::new(size.get() as usize, start);
        Self { memory, size }
    }

    /// Makes an empty ring whose words stand at `start`, and the program's side of it, which fills.
    pub(crate) fn with_producer(size: RingSize, start: u32) -> (Self, Producer<T>) {
        let words = Self::new(size, start);
        // SAFETY: the ring has that many slots, and lives as long as a handle to it; the other side is the
        // modelled kernel; and this is its only producer.
        let producer = unsafe { Producer::new(words.memory.clone(), size) };
        (words, producer)
    }

    /// The same, where the program's side empties.
    pub(crate) fn with_consumer(size: RingSize, start: u32) -> (Self, Consumer<T>) {
        let words = Self::new(size, start);
        // SAFETY: as above, and this is its only consumer.
        let consumer = unsafe { Consumer::new(words.memory.clone(), size) };
        (words, consumer)
    }

    pub(crate) fn size(&self) -> u32 {
        self.size.get()
    }

    fn slot(&self, index: u32) -> usize {
        (index % self.size.get()) as usize
    }

    fn producer(&self) -> &AtomicU32 {
        // SAFETY: asks nothing of a model.
        unsafe { self.memory.producer() }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: asks nothing of a model.
        unsafe { self.memory.consumer() }
    }

    /// `smp_load_acquire`.
    pub(crate) fn load_producer(&self) -> u32 {
        step();
        self.producer().load(Ordering::Acquire)
    }

    /// `smp_store_release`.
    pub(crate) fn store_producer(&self, index: u32) {
        step();
        self.producer().store(index, Ordering::Release);
    }

    /// A plain load, the writes to the slots dependent on it.
    pub(crate) fn load_consumer(&self) -> u32 {
        step();
        self.consumer().load(Ordering::Acquire)
    }

    /// `smp_store_release`.
    pub(crate) fn store_consumer(&self, index: u32) {
        step();
        self.consumer().store(index, Ordering::Release);
    }

    /// A plain store.
    pub(crate) fn set_flags(&self, flags: u32) {
        step();
        // SAFETY: asks nothing of a model.
        let word = unsafe { self.memory.flags() };
        word.expect("a modelled ring has a word of flags")
            .store(flags, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, index: u32) -> T {
        // SAFETY: where the program has the slot, loom says so.
        unsafe { self.memory.read(self.slot(index)) }
    }

    pub(crate) fn write(&self, index: u32, entry: T) {
        // SAFETY: where the program has the slot, loom says so.
        unsafe { self.memory.write(self.slot(index), entry) };
    }
}

/// The pages of a UMEM, as the kernel holds them: one tracked byte a chunk. Clones stand for the same
/// pages.
#[derive(Clone, Debug)]
pub struct Pages(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bytes: Vec<UnsafeCell<u8>>,
    /// By whom the program's mapping was undone.
    unmapped: Mutex<Vec<ThreadId>>,
}

// SAFETY: the bytes are loom's cells, which fail the model at any unordered access.
unsafe impl Send for Shared {}
// SAFETY: as for `Send`.
unsafe impl Sync for Shared {}

impl Pages {
    /// Makes pages of `chunks` chunks, of zeros.
    #[must_use]
    pub fn new(chunks: u32) -> Self {
        Self(Arc::new(Shared {
            bytes: (0..chunks).map(|_| UnsafeCell::new(0)).collect(),
            unmapped: Mutex::default(),
        }))
    }

    /// Maps the pages into the program: a handle to its chunks, and all of them.
    #[must_use]
    pub fn map(&self) -> (Chunks<Umem>, List<Umem>) {
        let umem = Umem {
            pages: self.clone(),
            mapped: UnsafeCell::new(()),
        };
        let count = u32::try_from(self.0.bytes.len()).expect("few chunks");
        // SAFETY: the table was just made, for these chunks alone, and there are few.
        unsafe { Chunks::new(Table::new(count, umem)) }
    }

    /// By which threads the program's mapping was undone: nobody, or one.
    #[must_use]
    pub fn unmapped(&self) -> Vec<ThreadId> {
        let unmapped = self.0.unmapped.lock();
        unmapped.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the byte of a chunk, holding it across a step: a write meanwhile fails the model.
    #[must_use]
    pub fn read(&self, chunk: u32) -> u8 {
        let byte = self.0.bytes[chunk as usize].get();
        step();
        // SAFETY: a cell's own value; loom has failed the model where somebody writes it now.
        unsafe { *byte.deref() }
    }

    /// Writes the byte of a chunk, holding it across a step: an access meanwhile fails the model.
    pub fn write(&self, chunk: u32, value: u8) {
        let byte = self.0.bytes[chunk as usize].get_mut();
        step();
        // SAFETY: a cell's own value; loom has failed the model where anybody else has it now.
        unsafe { *byte.deref() = value };
    }
}

/// The program's mapping of [`Pages`], which its chunks keep: dropping it is `munmap`, and fails the model
/// where anything that was done through it is not ordered before.
#[derive(Debug)]
pub struct Umem {
    pages: Pages,
    mapped: UnsafeCell<()>,
}

// SAFETY: the cell is loom's, which fails the model at any unordered access.
unsafe impl Send for Umem {}
// SAFETY: as for `Send`.
unsafe impl Sync for Umem {}

impl Umem {
    /// Uses the mapping across a step, and no chunk of it.
    pub fn touch(&self) {
        let _mapped = self.mapped.get();
        step();
    }

    /// Reads the byte of a chunk, as [`Pages::read`] does.
    #[must_use]
    pub fn read(&self, chunk: u32) -> u8 {
        let _mapped = self.mapped.get();
        self.pages.read(chunk)
    }

    /// Writes the byte of a chunk, as [`Pages::write`] does.
    pub fn write(&self, chunk: u32, value: u8) {
        let _mapped = self.mapped.get();
        self.pages.write(chunk, value);
    }
}

impl Drop for Umem {
    fn drop(&mut self) {
        drop(self.mapped.get_mut());
        let unmapped = self.pages.0.unmapped.lock();
        let mut unmapped = unmapped.unwrap_or_else(PoisonError::into_inner);
        unmapped.push(thread::current().id());
    }
}
