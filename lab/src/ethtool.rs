//! The ethtool ioctl: what a driver is asked, or told.

#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ptr;

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl};

/// From linux/sockios.h.
const SIOCETHTOOL: Opcode = 0x8946;

/// `struct ifreq` with its pointer member; the union's longest member is 24 bytes on 64-bit
/// kernels.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: *mut c_void,
    rest_of_union: [u64; 2],
}

/// Asks the interface `name` of the namespace that the socket `fd` is in.
///
/// # Safety
///
/// `question` is the structure, of integers alone, that the kernel reads and writes for the command in its
/// first word.
pub(crate) unsafe fn ask<T>(fd: impl AsFd, name: &str, question: &mut T) -> Result<(), Errno> {
    let mut request = Request {
        name: [0; 16],
        data: ptr::from_mut(question).cast(),
        rest_of_union: [0; 2],
    };
    // The last byte stays 0, the end of the string.
    request.name[..15]
        .get_mut(..name.len())
        .ok_or(Errno::NODEV)?
        .copy_from_slice(name.as_bytes());
    // SAFETY: SIOCETHTOOL takes a `struct ifreq`, which `Request` is in layout and size.
    let update = unsafe { Updater::<SIOCETHTOOL, Request>::new(&mut request) };
    // SAFETY: the kernel follows `data` to the caller's structure, which is live and not referenced
    // until the call has returned.
    unsafe { ioctl(fd, update) }
}
