//! The memory of a socket's rings.
//!
//! # Safety
//!
//! A [`Mapping`] owns exactly the bytes that `mmap` returned, or whole pages of them where it was split,
//! until it is dropped; nobody else unmaps or moves them. The kernel refuses to change a ring while it is mapped (EBUSY), so the pages stay
//! what they were.

use core::ffi::c_void;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use rustix::param::page_size;

use crate::error::{Error, Operation};

/// The mapped rings of one socket, or one of them.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping is memory of the process, not of a thread.
unsafe impl Send for Mapping {}
// SAFETY: `&Mapping` gives the address and nothing else.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of rings: shared, readable, writable, populated. Children made by `fork` do
    /// not get them: they could give our blocks back.
    ///
    /// Shared, because a private mapping would keep our releases from the kernel. Not locked: the
    /// pages are the kernel's own and never swapped; `MAP_LOCKED` would lock nothing and add a way to
    /// fail.
    pub(crate) fn new(fd: BorrowedFd<'_>, len: usize) -> Result<Self, Error> {
        Self::new_at(fd, len, 0)
    }

    /// The same, of the ring that lies at this offset of the descriptor, in bytes.
    pub(crate) fn new_at(fd: BorrowedFd<'_>, len: usize, offset: u64) -> Result<Self, Error> {
        let bytes = len as u64;
        let map_ring = Error::system(Operation::MapRing { bytes });
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let base = unsafe { mmap(core::ptr::null_mut(), len, access, flags, fd, offset) };
        let base = base.map_err(&map_ring)?.cast::<u8>();
        let base = NonNull::new(base).ok_or_else(|| map_ring(Errno::FAULT))?;
        let mapping = Self { base, len };
        let start = base.as_ptr().cast::<c_void>();
        // SAFETY: the advice changes what children inherit, not this process's memory.
        unsafe { madvise(start, len, Advice::LinuxDontFork) }
            .map_err(Error::system(Operation::KeepFromChildren))?;
        Ok(mapping)
    }

    /// Parts the mapping in two, each of which unmaps itself; `len` is a multiple of the page size.
    ///
    /// # Panics
    ///
    /// Where `len` is none, or the mapping is no longer than that.
    pub(crate) fn split_at(self, len: usize) -> (Self, Self) {
        assert!(
            len < self.len && len.is_multiple_of(page_size()),
            "two parts"
        );
        let whole = ManuallyDrop::new(self);
        let front = Self {
            base: whole.base,
            len,
        };
        let back = Self {
            // SAFETY: inside the mapping.
            base: unsafe { whole.base.add(len) },
            len: whole.len - len,
        };
        (front, back)
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Unmapping a whole mapping that exists does not fail; a drop would have nobody to tell.
        // SAFETY: `self` owns these bytes, and whoever reached into them borrowed its owner.
        let _ = unsafe { munmap(self.base.as_ptr().cast::<c_void>(), self.len) };
    }
}
