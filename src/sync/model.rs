//! The same memory as loom sees it: every word an atomic of loom's, every byte and field a tracked cell.

use alloc::{sync::Arc, vec::Vec};
use core::{cell, fmt, marker::PhantomData, ops, slice};

use loom::cell::{ConstPtr, MutPtr, UnsafeCell};
use loom::thread;

use super::AtomicU32;

pub use self::index::Indices;
pub(crate) use self::table::SLOT_WORDS;
pub use self::table::Table;

mod index;
mod table;

struct Slot {
    word: AtomicU32,
    bytes: Vec<cell::UnsafeCell<u8>>,
    /// Stands guard over the byte of the same place: two processors fill one block at a time.
    guards: Vec<UnsafeCell<()>>,
    /// The header before the bytes, field by field.
    header: Vec<UnsafeCell<u32>>,
}

/// Bytes of a modelled header.
const HEADER: usize = 48;

/// The slots of one modelled ring: loom's words, and a cell for every byte that reports races.
#[derive(Clone)]
pub struct Memory {
    slots: Arc<Vec<Slot>>,
    /// Whether the mapping is there through which they are reached; the kernel's own always is.
    mapped: Option<Arc<Mapped>>,
}

struct Mapped(UnsafeCell<bool>);

// SAFETY: the cell is loom's, which fails the model at any unordered access.
unsafe impl Send for Mapped {}
// SAFETY: as for `Send`.
unsafe impl Sync for Mapped {}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} slots)", self.slots.len())
    }
}

/// A program's mapping of a modelled ring. Dropping it is `munmap`: a use of the ring that comes later, or that
/// nothing orders before, fails the model.
#[must_use = "dropping it is munmap"]
pub struct Mapping(Arc<Mapped>);

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mapping")
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let mapped = self.0.0.get_mut();
        // SAFETY: a cell's own value; loom has failed the model where anybody uses it now.
        *unsafe { mapped.deref() } = false;
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
            header: (0..HEADER / size_of::<u32>())
                .map(|_| UnsafeCell::new(0))
                .collect(),
        };
        Self {
            slots: Arc::new((0..count).map(|_| slot()).collect()),
            mapped: None,
        }
    }

    /// The same slots, as a program reaches them that maps them.
    pub fn map(&self) -> (Self, Mapping) {
        let mapped = Arc::new(Mapped(UnsafeCell::new(true)));
        let memory = Self {
            slots: Arc::clone(&self.slots),
            mapped: Some(Arc::clone(&mapped)),
        };
        (memory, Mapping(mapped))
    }

    /// The slot, and what keeps it mapped as long as it is held: an unmapping meanwhile fails the model.
    fn slot(&self, index: usize) -> (&Slot, Option<ConstPtr<bool>>) {
        let slot = &self.slots[index];
        // Blocks that are dropped because the model has failed already would end the process.
        let mapped = self.mapped.as_ref().filter(|_| !thread::panicking());
        let mapped = mapped.map(|mapped| mapped.0.get());
        if let Some(mapped) = &mapped {
            // SAFETY: a cell's own value; loom has failed the model where it goes now.
            let mapped = unsafe { *mapped.deref() };
            assert!(mapped, "the ring was used after its memory was unmapped");
        }
        (slot, mapped)
    }

    /// The status word of the slot.
    ///
    /// # Safety
    ///
    /// None is needed here: it is `unsafe` where memory is real.
    pub unsafe fn word(&self, index: usize) -> &AtomicU32 {
        &self.slot(index).0.word
    }

    /// A header field of four bytes at `offset` of the slot.
    ///
    /// # Safety
    ///
    /// The caller owns the slot: loom fails the model where that is not so.
    pub unsafe fn field(&self, index: usize, offset: usize) -> u32 {
        let (slot, _mapped) = self.slot(index);
        let field = slot.header[offset / size_of::<u32>()].get();
        // SAFETY: a cell's own value; loom has failed the model where somebody writes it now.
        unsafe { *field.deref() }
    }

    /// Sets a header field of four bytes at `offset` of the slot.
    ///
    /// # Safety
    ///
    /// The caller owns the slot: loom fails the model where that is not so.
    pub unsafe fn set_field(&self, index: usize, offset: usize, value: u32) {
        let (slot, _mapped) = self.slot(index);
        let field = slot.header[offset / size_of::<u32>()].get_mut();
        // SAFETY: a cell's own value; loom has failed the model where anybody else has it now.
        *unsafe { field.deref() } = value;
    }

    /// The bytes that the word guards, for reading; tracked while they are lent.
    ///
    /// # Safety
    ///
    /// The caller owns the slot: loom fails the model where that is not so.
    pub unsafe fn lend(&self, index: usize) -> Lent<'_> {
        let (slot, mapped) = self.slot(index);
        Lent {
            _mapped: mapped,
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
        let all = 0..self.slots[index].bytes.len();
        // SAFETY: whoever owns the slot owns all of its bytes.
        unsafe { self.lend_part_mut(index, all) }
    }

    /// Some of the bytes that the word guards, for writing; tracked while they are lent.
    ///
    /// # Safety
    ///
    /// The caller owns these bytes: loom fails the model where that is not so.
    pub unsafe fn lend_part_mut(&self, index: usize, part: ops::Range<usize>) -> LentMut<'_> {
        let (slot, mapped) = self.slot(index);
        let guards = &slot.guards[part.clone()];
        LentMut {
            _mapped: mapped,
            _guards: guards.iter().map(UnsafeCell::get_mut).collect(),
            bytes: &slot.bytes[part],
            _exclusive: PhantomData,
        }
    }
}

/// Bytes of a slot, lent by its owner; a write meanwhile fails the model.
#[derive(Debug)]
pub struct Lent<'a> {
    _mapped: Option<ConstPtr<bool>>,
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
    _mapped: Option<ConstPtr<bool>>,
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
