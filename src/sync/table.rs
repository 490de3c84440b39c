//! Who owns which chunk: a table of atomics, and what they keep alive.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::{AtomicU8, AtomicU32};

/// The words that lie before a table's bytes.
#[repr(C)]
struct Header<O> {
    handles: AtomicU32,
    orphans: AtomicU32,
    spurious: AtomicU32,
    slots: [AtomicU32; SLOT_WORDS],
    count: u32,
    owner: O,
}

/// Words of the bitmap of slots.
pub(crate) const SLOT_WORDS: usize = 3;

/// Where a table of `count` chunks lies: a header, then a state byte a chunk, then a link a chunk.
///
/// A copy of it counts for nothing; [`chunks`](crate::chunks) counts.
#[derive(Debug)]
pub struct Table<O>(NonNull<Header<O>>);

impl<O> PartialEq for Table<O> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

// SAFETY: a `Table` is an address. What its methods reach are atomics, a number that stays, and the owner,
// which is shared and, in `take_owner`, moved.
unsafe impl<O: Send + Sync> Send for Table<O> {}
// SAFETY: as for `Send`; `&Table` offers nothing that `Table` does not.
unsafe impl<O: Send + Sync> Sync for Table<O> {}

impl<O> Table<O> {
    const STATES: usize = size_of::<Header<O>>();

    /// The offset of the links.
    const fn links(count: u32) -> usize {
        (Self::STATES + count as usize).next_multiple_of(size_of::<u32>())
    }

    /// The bytes that a table of `count` chunks takes, and how they must be aligned.
    ///
    /// # Panics
    ///
    /// Where they exceed the address space.
    #[must_use]
    pub const fn layout(count: u32) -> Layout {
        let bytes = Self::links(count) as u64 + count as u64 * size_of::<u32>() as u64;
        assert!(
            bytes <= isize::MAX as u64 / 2,
            "a table fits the address space"
        );
        match Layout::from_size_align(bytes as usize, align_of::<Header<O>>()) {
            Ok(layout) => layout,
            Err(_) => panic!("a table fits the address space"),
        }
    }

    /// Makes a table of `count` chunks at `base`, with one handle and all states and links zero.
    ///
    /// # Safety
    ///
    /// `base` is valid for reads and writes of [`layout`](Self::layout)`(count)`, aligned for it, and holds
    /// zeros; nobody else touches it until the table's owner is dropped.
    #[must_use]
    pub unsafe fn new(base: NonNull<u8>, count: u32, owner: O) -> Self {
        let header = base.cast::<Header<O>>();
        let value = Header {
            handles: AtomicU32::new(1),
            orphans: AtomicU32::new(0),
            spurious: AtomicU32::new(0),
            slots: [const { AtomicU32::new(0) }; SLOT_WORDS],
            count,
            owner,
        };
        // SAFETY: valid and aligned (the caller's promise).
        unsafe { header.write(value) };
        Self(header)
    }

    /// The header.
    ///
    /// # Safety
    ///
    /// The owner is still there, as long as the result is used.
    #[inline(always)]
    unsafe fn header(&self) -> &Header<O> {
        // SAFETY: valid and initialised (`new`) until the owner goes.
        unsafe { self.0.as_ref() }
    }

    /// The same table once more, which counts for nothing.
    #[inline(always)]
    pub(crate) fn alias(&self) -> Self {
        Self(self.0)
    }

    /// How many chunks there are.
    ///
    /// # Safety
    ///
    /// As for every method here that takes `&self`: the owner is still there, as long as the result is
    /// used.
    #[inline(always)]
    pub(crate) unsafe fn count(&self) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { self.header() }.count
    }

    /// The count of handles.
    ///
    /// # Safety
    ///
    /// As for [`count`](Self::count).
    #[inline(always)]
    pub(crate) unsafe fn handles(&self) -> &AtomicU32 {
        // SAFETY: the caller's promise.
        &unsafe { self.header() }.handles
    }

    /// The count of chunks that outlive the last handle.
    ///
    /// # Safety
    ///
    /// As for [`count`](Self::count).
    pub(crate) unsafe fn orphans(&self) -> &AtomicU32 {
        // SAFETY: the caller's promise.
        &unsafe { self.header() }.orphans
    }

    /// The count of addresses that the kernel had no right to hand back.
    ///
    /// # Safety
    ///
    /// As for [`count`](Self::count).
    pub(crate) unsafe fn spurious(&self) -> &AtomicU32 {
        // SAFETY: the caller's promise.
        &unsafe { self.header() }.spurious
    }

    /// The bitmap of the slots that are taken.
    ///
    /// # Safety
    ///
    /// As for [`count`](Self::count).
    pub(crate) unsafe fn slots(&self) -> &[AtomicU32; SLOT_WORDS] {
        // SAFETY: the caller's promise.
        &unsafe { self.header() }.slots
    }

    /// What the table keeps alive.
    ///
    /// # Safety
    ///
    /// As for [`count`](Self::count).
    #[inline(always)]
    pub(crate) unsafe fn owner(&self) -> &O {
        // SAFETY: the caller's promise.
        &unsafe { self.header() }.owner
    }

    /// The state byte of a chunk.
    ///
    /// # Safety
    ///
    /// As for [`count`](Self::count), and the chunk is one of them.
    #[inline(always)]
    pub(crate) unsafe fn state(&self, chunk: u32) -> &AtomicU8 {
        // SAFETY: inside the table, which has `count` of them from here on.
        let state = unsafe { self.0.cast::<u8>().add(Self::STATES + chunk as usize) };
        // SAFETY: valid, initialised with zero or since (`new`), and reached as an atomic alone.
        unsafe { AtomicU8::from_ptr(state.as_ptr()) }
    }

    /// The link of a chunk: the one behind it in a list.
    ///
    /// # Safety
    ///
    /// As for [`count`](Self::count), and the chunk is one of them.
    #[inline(always)]
    pub(crate) unsafe fn link(&self, chunk: u32) -> &AtomicU32 {
        // SAFETY: the caller's promise.
        let offset = Self::links(unsafe { self.count() });
        // SAFETY: inside the table, which has `count` of them from there on.
        let link = unsafe {
            self.0
                .cast::<u8>()
                .add(offset + chunk as usize * size_of::<u32>())
        };
        // SAFETY: valid, aligned, initialised with zero or since (`new`), and reached as an atomic alone.
        unsafe { AtomicU32::from_ptr(link.as_ptr().cast()) }
    }

    /// Takes the owner out: dropping it frees the memory of the table.
    ///
    /// # Safety
    ///
    /// Nobody uses the table any more, nor this method a second time.
    pub(crate) unsafe fn take_owner(self) -> O {
        // SAFETY: a field of a header that is there (the caller's promise).
        let owner = unsafe { &raw const (*self.0.as_ptr()).owner };
        // SAFETY: initialised (`new`), and not used again.
        unsafe { owner.read() }
    }
}
