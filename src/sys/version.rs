//! The version of the rings, and whether the kernel means the same by it as we do.

use core::ffi::c_int;

use linux_raw_sys::if_packet as raw;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use super::sockopt::get;

/// `PACKET_HDRLEN`: how long the kernel's packet header is in rings of this version, in bytes, without
/// the address behind it.
pub(crate) fn header_length(
    fd: BorrowedFd<'_>,
    version: raw::tpacket_versions,
) -> Result<u32, Errno> {
    // In goes the version, and out comes the length.
    get(fd, raw::PACKET_HDRLEN, version as c_int).map(c_int::cast_unsigned)
}
