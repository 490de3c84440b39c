//! Memory of the library's own: what a UMEM and its table lie in.
//!
//! # Safety
//!
//! [`Pages`] owns exactly the bytes between `base` and `base + len`, whole pages that `mmap` returned,
//! until it is dropped; nobody else unmaps or moves them. They hold zeros, or what was written since.

use core::ffi::c_void;
use core::ptr::NonNull;

use rustix::io::Errno;
use rustix::mm::{
    Advice, MapFlags, MlockFlags, ProtFlags, madvise, mlock_with, mmap_anonymous, munmap,
};
use rustix::param::page_size;

use crate::error::{Error, Operation};

/// Which pages to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageKind {
    /// The smallest that there are.
    Small,
    /// Of 2 MiB where the kernel has them: `MADV_HUGEPAGE`.
    HugeWherePossible,
    /// Of this size, a power of two, out of those that are set aside: `MAP_HUGETLB`.
    HugeTlb(u64),
}

/// What the beginning is aligned to where huge pages are wanted: pages of 2 MiB lie at multiples of it.
const HUGE: usize = 2 << 20;

/// Private memory, populated, which children made by `fork` do not get.
#[derive(Debug)]
pub(crate) struct Pages {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: memory of the process, not of a thread.
unsafe impl Send for Pages {}
// SAFETY: `&Pages` gives the address and nothing else.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps at least `len` bytes of zeros.
    pub(crate) fn new(len: usize, kind: PageKind) -> Result<Self, Error> {
        let operation = Operation::MapMemory { bytes: len as u64 };
        let refused = Error::system(operation);
        let (flags, page) = match kind {
            PageKind::Small | PageKind::HugeWherePossible => (MapFlags::empty(), page_size()),
            PageKind::HugeTlb(size) => {
                // The kernel reads the size's logarithm from six bits of the flags.
                let logarithm = size.trailing_zeros() << HUGE_SHIFT;
                let flags = MapFlags::HUGETLB | MapFlags::from_bits_retain(logarithm);
                (
                    flags,
                    usize::try_from(size).map_err(|_| refused(Errno::NOMEM))?,
                )
            }
        };
        let len = len
            .checked_next_multiple_of(page)
            .ok_or_else(|| refused(Errno::NOMEM))?;
        let pages = match kind {
            PageKind::HugeWherePossible if len >= HUGE => Self::map_aligned(len, &refused)?,
            _ => Self::map(len, flags).map_err(&refused)?,
        };
        match kind {
            // EINVAL where the kernel has none to give.
            PageKind::HugeWherePossible => match pages.advise(Advice::LinuxHugepage) {
                Ok(()) | Err(Errno::INVAL) => {}
                Err(errno) => return Err(refused(errno)),
            },
            PageKind::Small => match pages.advise(Advice::LinuxNoHugepage) {
                Ok(()) | Err(Errno::INVAL) => {}
                Err(errno) => return Err(refused(errno)),
            },
            PageKind::HugeTlb(_) => {}
        }
        pages
            .advise(Advice::LinuxDontFork)
            .map_err(Error::system(Operation::KeepFromChildren))?;
        match pages.advise(Advice::LinuxPopulateWrite) {
            // Before Linux 5.14: the memory comes at its first use.
            Ok(()) | Err(Errno::INVAL) => Ok(pages),
            Err(errno) => Err(refused(errno)),
        }
    }

    fn map(len: usize, flags: MapFlags) -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | flags;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let base = unsafe { mmap_anonymous(core::ptr::null_mut(), len, access, flags) }?;
        let base = NonNull::new(base.cast()).ok_or(Errno::FAULT)?;
        Ok(Self { base, len })
    }

    /// Maps more than is wanted, and unmaps what lies before a multiple of [`HUGE`] and behind the end.
    fn map_aligned(len: usize, refused: &impl Fn(Errno) -> Error) -> Result<Self, Error> {
        let more = len.checked_add(HUGE).ok_or_else(|| refused(Errno::NOMEM))?;
        let whole = Self::map(more, MapFlags::NORESERVE).map_err(refused)?;
        let before = whole.base.as_ptr().align_offset(HUGE);
        let (_before, rest) = whole.split_at(before);
        let (pages, _behind) = rest.split_at(len);
        Ok(pages)
    }

    /// Parts the memory in two, each of which unmaps itself, where it is not empty.
    fn split_at(self, len: usize) -> (Self, Self) {
        assert!(
            len <= self.len && len.is_multiple_of(page_size()),
            "whole pages"
        );
        let whole = core::mem::ManuallyDrop::new(self);
        let front = Self {
            base: whole.base,
            len,
        };
        let back = Self {
            // SAFETY: inside the mapping, or at its end.
            base: unsafe { whole.base.add(len) },
            len: whole.len - len,
        };
        (front, back)
    }

    fn advise(&self, advice: Advice) -> Result<(), Errno> {
        let start = self.base.as_ptr().cast::<c_void>();
        // SAFETY: none of the advices used here takes anything from these bytes, which are ours.
        unsafe { madvise(start, self.len, advice) }
    }

    /// Locks the pages: they are not moved to swap. `mlock2`.
    pub(crate) fn lock(&self) -> Result<(), Errno> {
        let start = self.base.as_ptr().cast::<c_void>();
        // SAFETY: locking changes no memory.
        unsafe { mlock_with(start, self.len, MlockFlags::empty()) }
    }

    /// How many bytes lie in huge pages, as `/proc/self/smaps` tells it.
    pub(crate) fn huge_bytes(&self) -> Result<u64, Errno> {
        let start = self.base.as_ptr().addr();
        let bytes = super::smaps::huge_bytes(start, start + self.len)?;
        // The kernel may have joined our mapping to a neighbour.
        Ok(bytes.min(self.len as u64))
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

/// Where the size of huge pages lies in the flags of `mmap`: `MAP_HUGE_SHIFT`.
const HUGE_SHIFT: u32 = 26;

impl Drop for Pages {
    fn drop(&mut self) {
        if self.len == 0 {
            return;
        }
        // Unmapping a whole mapping that exists does not fail; a drop would have nobody to tell.
        // SAFETY: `self` owns these bytes, and whoever reached into them kept `self`.
        let _ = unsafe { munmap(self.base.as_ptr().cast::<c_void>(), self.len) };
    }
}
