//! What the compiler calls without being asked, and a libc would have.
//!
//! # Safety
//!
//! The compiler calls these by their names and as C declares them: so many bytes can be read, or written, at each
//! pointer, and a string ends with a zero. Nothing else that is linked has these names. Every access is volatile, or
//! the compiler would see a loop that copies, and have it call the very function that it stands in.
//!
//! They are slow and the same for every processor. Packets do not come by here: they are written out of the ring, and
//! turned round in the UMEM.
//!
//! The program is built to abort. A test, which is not, takes this file too, and there C's names stay libc's.
#![allow(unsafe_code)]

use core::ffi::{c_char, c_int};

/// # Safety
///
/// As C's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    for i in 0..len {
        // SAFETY: `i` is below `len`.
        unsafe { copy(to, from, i) };
    }
    to
}

/// # Safety
///
/// As C's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // From the end that does not overwrite what is still to be read.
    if to.addr() <= from.addr() {
        for i in 0..len {
            // SAFETY: `i` is below `len`.
            unsafe { copy(to, from, i) };
        }
    } else {
        for i in (0..len).rev() {
            // SAFETY: `i` is below `len`.
            unsafe { copy(to, from, i) };
        }
    }
    to
}

/// # Safety
///
/// As C's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn memset(to: *mut u8, byte: c_int, len: usize) -> *mut u8 {
    for i in 0..len {
        // SAFETY: `i` is below `len`.
        let place = unsafe { to.add(i) };
        // SAFETY: the byte there can be written.
        unsafe { place.write_volatile(byte as u8) };
    }
    to
}

/// # Safety
///
/// As C's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, len: usize) -> c_int {
    for i in 0..len {
        // SAFETY: `i` is below `len`.
        let one = unsafe { byte(one, i) };
        // SAFETY: the same.
        let other = unsafe { byte(other, i) };
        if one != other {
            return c_int::from(one) - c_int::from(other);
        }
    }
    0
}

/// # Safety
///
/// As C's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, len: usize) -> c_int {
    // SAFETY: the caller's.
    unsafe { memcmp(one, other, len) }
}

/// # Safety
///
/// As C's.
#[cfg_attr(panic = "abort", unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn strlen(text: *const c_char) -> usize {
    let mut len = 0;
    // SAFETY: no byte before this one is zero: it is of the string.
    while unsafe { byte(text.cast(), len) } != 0 {
        len += 1;
    }
    len
}

/// # Safety
///
/// The byte can be read.
unsafe fn byte(from: *const u8, i: usize) -> u8 {
    // SAFETY: of the same bytes.
    let place = unsafe { from.add(i) };
    // SAFETY: the byte there can be read.
    unsafe { place.read_volatile() }
}

/// # Safety
///
/// The one byte can be read, and the other written.
unsafe fn copy(to: *mut u8, from: *const u8, i: usize) {
    // SAFETY: it can be read.
    let byte = unsafe { byte(from, i) };
    // SAFETY: of the same bytes.
    let place = unsafe { to.add(i) };
    // SAFETY: the byte there can be written.
    unsafe { place.write_volatile(byte) };
}
