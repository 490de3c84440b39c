//! The version of the rings, and whether the kernel means the same by it as we do.
//!
//! # Safety
//!
//! [`header_length`] hands the kernel a pointer to four bytes, which it reads and writes.

use core::ffi::c_int;

use linux_raw_sys::if_packet as raw;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use syscalls::{Sysno, syscall};

use super::sockopt::errno;

/// `PACKET_HDRLEN`: how long the kernel's packet header is in rings of this version, in bytes, without
/// the address behind it.
pub(crate) fn header_length(
    fd: BorrowedFd<'_>,
    version: raw::tpacket_versions,
) -> Result<u32, Errno> {
    // In goes the version, and out comes the length.
    let mut value = version as c_int;
    let mut len = size_of::<c_int>() as u32;
    // SAFETY: the kernel reads and writes at most `len` bytes of `value`, and the four of `len`.
    let done = unsafe {
        syscall!(
            Sysno::getsockopt,
            fd.as_raw_fd(),
            linux_raw_sys::net::SOL_PACKET,
            raw::PACKET_HDRLEN,
            &raw mut value,
            &raw mut len
        )
    };
    done.map_err(errno)?;
    Ok(value.cast_unsigned())
}
