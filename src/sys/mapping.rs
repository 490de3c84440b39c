//! The memory of a socket's rings.
//!
//! # Safety
//!
//! A [`Mapping`] owns exactly the bytes that `mmap` returned, until it is dropped; nobody else unmaps
//! or moves them. The kernel refuses to change a ring while it is mapped (EBUSY), so the pages stay
//! what they were.

use core::ffi::c_void;
use core::ptr::NonNull;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

/// The mapped rings of one socket.
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
    /// Maps `len` bytes of rings: shared, readable, writable, populated.
    ///
    /// Shared, because a private mapping would keep our releases from the kernel. Not locked: the
    /// pages are the kernel's own and never swapped; `MAP_LOCKED` would lock nothing and add a way to
    /// fail.
    pub(crate) fn new(fd: BorrowedFd<'_>, len: usize) -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let base = unsafe { mmap(core::ptr::null_mut(), len, access, flags, fd, 0) }?;
        let Some(base) = NonNull::new(base.cast::<u8>()) else {
            return Err(Errno::FAULT);
        };
        Ok(Self { base, len })
    }

    /// Keeps the rings out of children made by `fork`, who could otherwise release our blocks.
    pub(crate) fn keep_from_children(&self) -> Result<(), Errno> {
        // SAFETY: the advice changes what children inherit, not this process's memory.
        unsafe {
            madvise(
                self.base.as_ptr().cast::<c_void>(),
                self.len,
                Advice::LinuxDontFork,
            )
        }
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Unmapping a whole mapping that exists does not fail; a drop would have nobody to tell.
        // SAFETY: `self` owns these bytes, and whoever reached into them borrowed its owner.
        let _ = unsafe { munmap(self.base.as_ptr().cast::<c_void>(), self.len) };
    }
}
