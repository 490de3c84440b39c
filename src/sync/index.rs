//! Where the words and the slots of an index ring lie.

use core::ptr::NonNull;

use super::{AtomicU32, Entry};

/// Where one ring's words and slots lie.
///
/// A ring is two index words, which run from 0 to 2^32 and wrap, a word of flags where the kernel has
/// one, and a power of two of slots.
#[derive(Debug)]
pub struct Indices<T> {
    producer: NonNull<u32>,
    consumer: NonNull<u32>,
    flags: Option<NonNull<u32>>,
    slots: NonNull<T>,
}

impl<T> Clone for Indices<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Indices<T> {}

// SAFETY: an `Indices` is four addresses. Its methods that reach through them are `unsafe`, and their
// callers prove ownership through the index words, not through the thread.
unsafe impl<T> Send for Indices<T> {}
// SAFETY: as for `Send`; `&Indices` offers nothing that `Indices` does not.
unsafe impl<T> Sync for Indices<T> {}

impl<T: Entry> Indices<T> {
    /// Describes a ring by the addresses of its parts.
    ///
    /// # Safety
    ///
    /// As long as this value or a copy of it is used, the words are valid for atomic accesses and
    /// aligned, and so are as many slots as the ring that is made of it is told, all of them
    /// initialised, with a `T` whatever the other side writes there; and only the side that the words name
    /// touches a slot.
    #[must_use]
    pub const unsafe fn new(
        producer: NonNull<u32>,
        consumer: NonNull<u32>,
        flags: Option<NonNull<u32>>,
        slots: NonNull<T>,
    ) -> Self {
        Self {
            producer,
            consumer,
            flags,
            slots,
        }
    }

    /// The index up to which slots were filled.
    ///
    /// # Safety
    ///
    /// The memory outlives the result.
    #[inline(always)]
    pub(crate) unsafe fn producer<'a>(&self) -> &'a AtomicU32 {
        // SAFETY: valid and aligned (`new`); all accesses to it are atomic.
        unsafe { AtomicU32::from_ptr(self.producer.as_ptr()) }
    }

    /// The index up to which slots were given back.
    ///
    /// # Safety
    ///
    /// The memory outlives the result.
    #[inline(always)]
    pub(crate) unsafe fn consumer<'a>(&self) -> &'a AtomicU32 {
        // SAFETY: valid and aligned (`new`); all accesses to it are atomic.
        unsafe { AtomicU32::from_ptr(self.consumer.as_ptr()) }
    }

    /// The word of flags, where there is one.
    ///
    /// # Safety
    ///
    /// The memory outlives the result.
    #[inline(always)]
    pub(crate) unsafe fn flags<'a>(&self) -> Option<&'a AtomicU32> {
        // SAFETY: valid and aligned (`new`); all accesses to it are atomic.
        self.flags
            .map(|flags| unsafe { AtomicU32::from_ptr(flags.as_ptr()) })
    }

    /// What the slot holds, read once.
    ///
    /// # Safety
    ///
    /// `slot` is one of the ring's, and the caller's to read; the memory is still there.
    #[inline(always)]
    pub(crate) unsafe fn read(&self, slot: usize) -> T {
        // SAFETY: inside the ring.
        let slot = unsafe { self.slots.add(slot) };
        // Volatile: what is checked must be what is used, whatever the other side does meanwhile.
        // SAFETY: initialised and aligned (`new`), and ours to read.
        unsafe { slot.read_volatile() }
    }

    /// Fills the slot.
    ///
    /// # Safety
    ///
    /// `slot` is one of the ring's, and the caller's to write; the memory is still there.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, slot: usize, entry: T) {
        // SAFETY: inside the ring.
        let slot = unsafe { self.slots.add(slot) };
        // SAFETY: valid and aligned (`new`), and ours to write.
        unsafe { slot.write(entry) };
    }
}
