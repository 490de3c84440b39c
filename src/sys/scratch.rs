//! Memory for as long as one operation needs it, where neither the stack nor a heap is right.
//!
//! # Safety
//!
//! A [`Scratch`] owns the pages that `mmap` returned until it is dropped, and nobody else knows of them.
//! They are private, zeroed by the kernel and aligned to a page; [`Zeroed`] types have a value of zeros and
//! no more than a page's alignment.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::{fmt, ptr, slice};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use crate::abi::bpf::Extended;

/// Types for which zeros are a value.
///
/// # Safety
///
/// They are, the type is aligned to a page at most, and it needs no drop.
pub(crate) unsafe trait Zeroed {}
// SAFETY: an integer.
unsafe impl Zeroed for u8 {}
// SAFETY: an integer.
unsafe impl Zeroed for u32 {}
// SAFETY: a structure of integers.
unsafe impl Zeroed for Extended {}

/// A slice in pages of its own.
pub(crate) struct Scratch<T> {
    base: NonNull<T>,
    len: usize,
}

// SAFETY: it owns its values, as a `Box<[T]>` does.
unsafe impl<T: Send> Send for Scratch<T> {}
// SAFETY: the same.
unsafe impl<T: Sync> Sync for Scratch<T> {}

impl<T: Zeroed> Scratch<T> {
    /// Maps `len` zeros. Pages that are never touched take no memory.
    pub(crate) fn new(len: usize) -> Result<Self, Errno> {
        let bytes = len.checked_mul(size_of::<T>()).ok_or(Errno::NOMEM)?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let base = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let base = NonNull::new(base.cast::<T>()).ok_or(Errno::FAULT)?;
        Ok(Self { base, len })
    }
}

impl<T> Deref for Scratch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` values, initialised to zeros and since then through `&mut self` alone.
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `&mut self` is the only way to them.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        let bytes = self.len * size_of::<T>();
        // Unmapping a whole mapping that exists does not fail; a drop would have nobody to tell.
        // SAFETY: `self` owns these pages, and what borrowed from it has ended.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), bytes) };
    }
}

impl<T> fmt::Debug for Scratch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scratch({})", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::{Errno, Scratch};

    #[test]
    fn scratch_memory_begins_as_zeros_and_keeps_what_is_written() {
        let mut words = Scratch::<u32>::new(3_000).expect("12 KB");
        assert!(words.iter().all(|&word| word == 0) && words.len() == 3_000);
        words[2_999] = 7;
        assert_eq!(words.iter().sum::<u32>(), 7);
    }

    #[test]
    fn what_cannot_be_mapped_is_an_error() {
        assert_eq!(Scratch::<u32>::new(usize::MAX).unwrap_err(), Errno::NOMEM);
        assert_eq!(Scratch::<u8>::new(0).unwrap_err(), Errno::INVAL);
    }
}
