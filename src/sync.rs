//! The machine under the handoff: atomics, and the bytes that a status word guards.
//!
//! This is the only place that names loom. Built with `--cfg loom`, the same names stand for loom's
//! atomics and tracked cells, so that a model drives the production [`handoff`](crate::handoff)
//! unchanged. Runtimes that map rings themselves need [`Memory`] and its layout; the rest is for
//! [`handoff`](crate::handoff) and for models of the kernel's side.
//!
//! # Safety
//!
//! A [`Memory`] describes slots that lie one stride apart. Its constructor's caller promises that
//! every slot is valid for reads and writes while any copy of the `Memory` is in use, that the word
//! is aligned, and that apart from the words only their present owner touches the bytes. What is
//! lent never covers the four bytes of a word: it begins behind it.

#[cfg(loom)]
pub use self::model::{Lent, LentMut, Memory};
#[cfg(not(loom))]
pub use self::native::{Layout, Lent, LentMut, Memory};

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};

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
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = bytes.as_ptr().wrapping_add(offset);
        // SAFETY: PREFETCHT0 reads nothing that the program can see and raises no fault, whatever
        // the address; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, offset);
}

#[cfg(not(loom))]
mod native {
    use core::ptr::NonNull;

    use super::AtomicU32;

    /// Bytes of a slot, lent by its owner.
    pub type Lent<'a> = &'a [u8];
    /// Bytes of a slot, lent by its owner for writing.
    pub type LentMut<'a> = &'a mut [u8];

    /// Where the parts of each slot lie.
    #[derive(Clone, Copy, Debug)]
    pub struct Layout {
        /// Bytes from the start of one slot to the start of the next.
        pub stride: usize,
        /// Offset of the four-byte status word in a slot; the bytes it guards begin behind it.
        pub word: usize,
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
        /// For every slot index that is later used, the `layout.stride` bytes from
        /// `base + index * layout.stride` are initialised, and valid for reads and writes as long as
        /// this value or a copy of it is used, within one allocated object; `base + layout.word` and
        /// the stride are multiples of four; the word lies inside the slot; and nobody but the owner
        /// that the word names touches the bytes behind it.
        #[must_use]
        pub const unsafe fn new(base: NonNull<u8>, layout: Layout) -> Self {
            Self { base, layout }
        }

        #[inline(always)]
        fn offset(self, index: usize) -> usize {
            index * self.layout.stride + self.layout.word
        }

        /// The status word of the slot.
        ///
        /// # Safety
        ///
        /// `index` is a slot of this memory, which outlives the result.
        #[inline(always)]
        pub(crate) unsafe fn word<'a>(self, index: usize) -> &'a AtomicU32 {
            // SAFETY: the word of a slot lies inside the allocation (`new`).
            let word = unsafe { self.base.add(self.offset(index)) };
            // SAFETY: valid and aligned for the life of the memory (`new`); this program reaches it
            // through this function alone, and the kernel's accesses are atomic: aligned words.
            unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) }
        }

        #[inline(always)]
        fn behind_word(self) -> (usize, usize) {
            let start = self.layout.word + size_of::<AtomicU32>();
            (start, self.layout.stride - start)
        }

        /// The bytes behind the word, for reading.
        ///
        /// # Safety
        ///
        /// `index` is a slot of this memory, which outlives the result; the caller owns the slot for
        /// as long, and lends it to no writer meanwhile.
        #[inline(always)]
        pub(crate) unsafe fn lend<'a>(self, index: usize) -> Lent<'a> {
            let (start, len) = self.behind_word();
            // SAFETY: inside the allocation (`new`).
            let bytes = unsafe { self.base.add(index * self.layout.stride + start) };
            // SAFETY: valid for `len` bytes, and owned by the caller: nobody writes them now.
            unsafe { core::slice::from_raw_parts(bytes.as_ptr(), len) }
        }

        /// The bytes behind the word, for writing.
        ///
        /// # Safety
        ///
        /// As for [`lend`](Self::lend), and the caller lends the slot to nobody else meanwhile.
        #[inline(always)]
        pub(crate) unsafe fn lend_mut<'a>(self, index: usize) -> LentMut<'a> {
            let (start, len) = self.behind_word();
            // SAFETY: inside the allocation (`new`).
            let bytes = unsafe { self.base.add(index * self.layout.stride + start) };
            // SAFETY: valid for `len` bytes, and owned by the caller alone.
            unsafe { core::slice::from_raw_parts_mut(bytes.as_ptr(), len) }
        }
    }
}

#[cfg(loom)]
mod model {
    use alloc::{sync::Arc, vec::Vec};
    use core::{cell, fmt, marker::PhantomData, ops, slice};

    use loom::cell::{ConstPtr, MutPtr, UnsafeCell};

    use super::AtomicU32;

    struct Slot {
        word: AtomicU32,
        bytes: Vec<cell::UnsafeCell<u8>>,
        /// Stands guard over the byte of the same place: two processors fill one block at a time.
        guards: Vec<UnsafeCell<()>>,
    }

    /// The slots of one modelled ring: loom's words, and a cell for every byte that reports races.
    #[derive(Clone)]
    pub struct Memory(Arc<Vec<Slot>>);

    impl fmt::Debug for Memory {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "Memory({} slots)", self.0.len())
        }
    }

    // SAFETY: the bytes are reached through what guards them, loom's cells, which fail the model at
    // any unordered access.
    unsafe impl Send for Slot {}
    // SAFETY: as for `Send`.
    unsafe impl Sync for Slot {}

    impl Memory {
        /// Makes `count` slots whose words are zero and that guard `size` zero bytes each.
        #[must_use]
        pub fn new(count: usize, size: usize) -> Self {
            let slot = || Slot {
                word: AtomicU32::new(0),
                bytes: (0..size).map(|_| cell::UnsafeCell::new(0)).collect(),
                guards: (0..size).map(|_| UnsafeCell::new(())).collect(),
            };
            Self(Arc::new((0..count).map(|_| slot()).collect()))
        }

        /// The status word of the slot.
        ///
        /// # Safety
        ///
        /// None is needed here: it is `unsafe` where memory is real.
        pub unsafe fn word(&self, index: usize) -> &AtomicU32 {
            &self.0[index].word
        }

        /// The bytes that the word guards, for reading; tracked while they are lent.
        ///
        /// # Safety
        ///
        /// The caller owns the slot: loom fails the model where that is not so.
        pub unsafe fn lend(&self, index: usize) -> Lent<'_> {
            let slot = &self.0[index];
            Lent {
                _guards: slot.guards.iter().map(UnsafeCell::get).collect(),
                bytes: &slot.bytes,
            }
        }

        /// The bytes that the word guards, for writing; tracked while they are lent.
        ///
        /// # Safety
        ///
        /// The caller owns the slot: loom fails the model where that is not so.
        pub unsafe fn lend_mut(&self, index: usize) -> LentMut<'_> {
            let all = 0..self.0[index].bytes.len();
            // SAFETY: whoever owns the slot owns all of its bytes.
            unsafe { self.lend_part_mut(index, all) }
        }

        /// Some of the bytes that the word guards, for writing; tracked while they are lent.
        ///
        /// # Safety
        ///
        /// The caller owns these bytes: loom fails the model where that is not so.
        pub unsafe fn lend_part_mut(&self, index: usize, part: ops::Range<usize>) -> LentMut<'_> {
            let slot = &self.0[index];
            let guards = &slot.guards[part.clone()];
            LentMut {
                _guards: guards.iter().map(UnsafeCell::get_mut).collect(),
                bytes: &slot.bytes[part],
                _exclusive: PhantomData,
            }
        }
    }

    /// Bytes of a slot, lent by its owner; a write meanwhile fails the model.
    #[derive(Debug)]
    pub struct Lent<'a> {
        _guards: Vec<ConstPtr<()>>,
        bytes: &'a [cell::UnsafeCell<u8>],
    }

    impl ops::Deref for Lent<'_> {
        type Target = [u8];
        fn deref(&self) -> &[u8] {
            // SAFETY: `UnsafeCell<u8>` lies in memory as `u8` does; the slots outlive `self`, and
            // the guards fail the model before a writer gets here while `self` lives.
            unsafe { slice::from_raw_parts(self.bytes.as_ptr().cast(), self.bytes.len()) }
        }
    }

    /// Bytes of a slot, lent by its owner for writing; any other access meanwhile fails the model.
    #[derive(Debug)]
    pub struct LentMut<'a> {
        _guards: Vec<MutPtr<()>>,
        bytes: &'a [cell::UnsafeCell<u8>],
        _exclusive: PhantomData<&'a mut u8>,
    }

    impl ops::Deref for LentMut<'_> {
        type Target = [u8];
        fn deref(&self) -> &[u8] {
            // SAFETY: as for `Lent`; nobody else holds the bytes.
            unsafe { slice::from_raw_parts(self.bytes.as_ptr().cast(), self.bytes.len()) }
        }
    }

    impl ops::DerefMut for LentMut<'_> {
        fn deref_mut(&mut self) -> &mut [u8] {
            let bytes = cell::UnsafeCell::raw_get(self.bytes.as_ptr());
            // SAFETY: as for `Lent`; nobody else holds the bytes, and they may be written through a
            // shared cell.
            unsafe { slice::from_raw_parts_mut(bytes, self.bytes.len()) }
        }
    }
}
