//! The machine under the handoff: atomics, and the bytes that a status word guards.
//!
//! This is the only place that names loom. Built with `--cfg loom`, the same names stand for loom's
//! atomics and tracked cells, so that a model drives the production [`handoff`](crate::handoff)
//! unchanged. Runtimes that map rings themselves need [`Memory`] and its layout; the rest is for
//! [`handoff`](crate::handoff) and for models of the kernel's side.
//!
//! # Safety
//!
//! A [`Memory`] describes slots. Its constructor's caller promises that every slot is valid for
//! reads and writes while any copy of the `Memory` is in use, that the word is aligned, and that
//! apart from the words only their present owner touches the bytes. What is lent never covers the
//! four bytes of a word: it begins behind it.

#[cfg(not(loom))]
pub use self::index::Indices;
#[cfg(loom)]
pub use self::model::{Indices, Lent, LentMut, Mapping, Memory, Table};
#[cfg(not(loom))]
pub use self::native::{Layout, Lent, LentMut, Memory};
#[cfg(not(loom))]
pub use self::table::Table;

#[cfg(loom)]
pub(crate) use self::model::SLOT_WORDS;
#[cfg(not(loom))]
pub(crate) use self::table::SLOT_WORDS;

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering, fence};

/// What a slot of an index ring holds: integers alone, without padding.
///
/// It goes to whoever has the other side, on whichever thread. What must stay on one is none:
///
/// ```compile_fail,E0277
/// # use core::cell::Cell;
/// #[derive(Clone, Copy, Default)]
/// struct Counter(Option<&'static Cell<u32>>);
/// impl packet_ring::sync::Entry for Counter {}
/// ```
pub trait Entry: Copy + Default + Send {}

#[cfg(all(feature = "alloc", not(loom)))]
pub(crate) use alloc::sync::Arc;
#[cfg(all(feature = "alloc", loom))]
pub(crate) use loom::sync::Arc;

/// Asks the processor to load the cache line at `offset` of `bytes`; beyond the end it does nothing.
///
/// A hint: it changes no value and cannot fault.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn prefetch(bytes: &[u8], offset: usize) {
    prefetch_at(bytes.as_ptr().wrapping_add(offset));
}

/// Asks the processor to load the cache line at an address, whatever lies there.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn prefetch_at(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: PREFETCHT0 reads nothing that the program can see and raises no fault, whatever
        // the address; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(not(loom))]
mod index;
#[cfg(loom)]
mod model;
#[cfg(not(loom))]
mod table;

#[cfg(not(loom))]
mod native {
    use core::ptr::NonNull;

    use super::AtomicU32;

    /// Bytes of a slot, lent by its owner.
    pub type Lent<'a> = &'a [u8];
    /// Bytes of a slot, lent by its owner for writing.
    pub type LentMut<'a> = &'a mut [u8];

    /// Where the slots of a ring lie, and the parts of each slot.
    #[derive(Clone, Copy, Debug)]
    pub struct Layout {
        /// Bytes of a slot.
        size: usize,
        /// Offset of the status word in a slot.
        word: usize,
        /// Offset in a slot of the bytes that are lent.
        lent: usize,
        /// Slots in a block; the rest of the block belongs to none.
        per_block: usize,
        /// Bytes from the start of one block to the start of the next.
        block: usize,
    }

    impl Layout {
        /// Slots of `size` bytes, one behind the other, each with its four-byte status word at
        /// `word`. The bytes behind the word are lent.
        #[must_use]
        pub const fn new(size: usize, word: usize) -> Self {
            Self {
                size,
                word,
                lent: word + size_of::<AtomicU32>(),
                per_block: 1,
                block: size,
            }
        }

        /// The same slots in blocks of `block` bytes: as many as fit into each, from its start on.
        ///
        /// # Panics
        ///
        /// Where a block holds no slot.
        #[must_use]
        pub const fn in_blocks(self, block: usize) -> Self {
            assert!(block >= self.size, "a block holds a slot at least");
            if block.is_multiple_of(self.size) {
                // Nothing lies between blocks: one slot behind the other, as without them.
                return self;
            }
            Self {
                per_block: block / self.size,
                block,
                ..self
            }
        }

        /// The same slots, of which the bytes from `offset` on are lent: a header lies before them.
        ///
        /// # Panics
        ///
        /// Where `offset` does not lie behind the word.
        #[must_use]
        pub const fn lending_from(self, offset: usize) -> Self {
            let lent = offset >= self.word + size_of::<AtomicU32>() && offset <= self.size;
            assert!(
                lent,
                "what is lent lies behind the word and inside the slot"
            );
            Self {
                lent: offset,
                ..self
            }
        }
    }

    /// Where the slots of one ring lie.
    #[derive(Clone, Copy, Debug)]
    pub struct Memory {
        base: NonNull<u8>,
        layout: Layout,
    }

    // SAFETY: a `Memory` is an address and two sizes. Its methods that reach through the address are
    // `unsafe`, and their callers prove ownership through the status word, not through the thread.
    unsafe impl Send for Memory {}
    // SAFETY: as for `Send`; `&Memory` offers nothing that `Memory` does not.
    unsafe impl Sync for Memory {}

    impl Memory {
        /// Describes slots that begin at `base`.
        ///
        /// # Safety
        ///
        /// For every slot index that is later used, the bytes of the slot, where `layout` says that
        /// it lies, are initialised, and valid for reads and writes as long as this value or a copy
        /// of it is used, within one allocated object; every slot begins at a multiple of four, and
        /// its word lies inside it at a multiple of four; and nobody but the owner that the word names
        /// touches the other bytes.
        #[must_use]
        pub const unsafe fn new(base: NonNull<u8>, layout: Layout) -> Self {
            Self { base, layout }
        }

        /// Where the slot begins.
        #[inline(always)]
        fn start(self, index: usize) -> usize {
            let Layout {
                size,
                per_block,
                block,
                ..
            } = self.layout;
            // A division costs as much as all else that is done to a slot.
            if per_block == 1 {
                return index * block;
            }
            index / per_block * block + index % per_block * size
        }

        /// The status word of the slot.
        ///
        /// # Safety
        ///
        /// `index` is a slot of this memory, which outlives the result.
        #[inline(always)]
        pub(crate) unsafe fn word<'a>(self, index: usize) -> &'a AtomicU32 {
            // SAFETY: the word of a slot lies inside the allocation (`new`).
            let word = unsafe { self.base.add(self.start(index) + self.layout.word) };
            // SAFETY: valid and aligned for the life of the memory (`new`); this program reaches it
            // through this function alone, and the kernel's accesses are atomic: aligned words.
            unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) }
        }

        /// A header field of four bytes at `offset` of the slot.
        ///
        /// # Safety
        ///
        /// As for [`lend`](Self::lend); `offset` is a multiple of four, the field lies inside the
        /// slot, and it is neither the word nor among the bytes that are lent.
        #[inline(always)]
        pub(crate) unsafe fn field(self, index: usize, offset: usize) -> u32 {
            // SAFETY: inside the allocation (`new`).
            let field = unsafe { self.base.add(self.start(index) + offset) };
            // SAFETY: initialised and aligned (`new`), and owned by the caller: nobody writes it now.
            unsafe { field.cast::<u32>().read() }
        }

        /// Sets a header field of four bytes at `offset` of the slot.
        ///
        /// # Safety
        ///
        /// As for [`field`](Self::field).
        #[inline(always)]
        pub(crate) unsafe fn set_field(self, index: usize, offset: usize, value: u32) {
            // SAFETY: inside the allocation (`new`).
            let field = unsafe { self.base.add(self.start(index) + offset) };
            // SAFETY: valid and aligned (`new`), and owned by the caller: nobody else touches it now.
            unsafe { field.cast::<u32>().write(value) };
        }

        /// The bytes that the slot lends, for reading.
        ///
        /// # Safety
        ///
        /// `index` is a slot of this memory, which outlives the result; the caller owns the slot for
        /// as long, and lends it to no writer meanwhile.
        #[inline(always)]
        pub(crate) unsafe fn lend<'a>(self, index: usize) -> Lent<'a> {
            let len = self.layout.size - self.layout.lent;
            // SAFETY: inside the allocation (`new`).
            let bytes = unsafe { self.base.add(self.start(index) + self.layout.lent) };
            // SAFETY: valid for `len` bytes, and owned by the caller: nobody writes them now.
            unsafe { core::slice::from_raw_parts(bytes.as_ptr(), len) }
        }

        /// The bytes that the slot lends, for writing.
        ///
        /// # Safety
        ///
        /// As for [`lend`](Self::lend), and the caller lends the slot to nobody else meanwhile.
        #[inline(always)]
        pub(crate) unsafe fn lend_mut<'a>(self, index: usize) -> LentMut<'a> {
            let len = self.layout.size - self.layout.lent;
            // SAFETY: inside the allocation (`new`).
            let bytes = unsafe { self.base.add(self.start(index) + self.layout.lent) };
            // SAFETY: valid for `len` bytes, and owned by the caller alone.
            unsafe { core::slice::from_raw_parts_mut(bytes.as_ptr(), len) }
        }
    }
}
