//! Interfaces: their index and whether they are up.
//!
//! # Safety
//!
//! [`FlagsRequest`] is the kernel's `struct ifreq` as SIOCGIFFLAGS reads and writes it.

use core::ffi::c_short;

use linux_raw_sys::ioctl::SIOCGIFFLAGS;
use linux_raw_sys::net::{IFNAMSIZ, net_device_flags};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::net::netdevice::index_to_name_inlined;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use static_assertions::const_assert;

/// `struct ifreq` with the name and the flags.
#[repr(C, align(8))]
struct FlagsRequest {
    name: [u8; IFNAMSIZ as usize],
    flags: c_short,
    rest: [u8; 22],
}

// The kernel copies 40 bytes where pointers have eight, 32 elsewhere.
const_assert!(size_of::<FlagsRequest>() == 40);

/// Whether the interface is up, as seen from the network namespace of the socket. ENODEV or ENXIO
/// where it is gone.
pub(crate) fn is_up(fd: BorrowedFd<'_>, index: u32) -> Result<bool, Errno> {
    let known = index_to_name_inlined(fd, index)?;
    let mut request = FlagsRequest {
        name: [0; IFNAMSIZ as usize],
        flags: 0,
        rest: [0; 22],
    };
    for (to, from) in request.name.iter_mut().zip(known.as_bytes()) {
        *to = *from;
    }
    // SAFETY: SIOCGIFFLAGS reads the name and writes the flags of a `struct ifreq`.
    let asked = unsafe { Updater::<{ SIOCGIFFLAGS as Opcode }, FlagsRequest>::new(&mut request) };
    // SAFETY: `asked` points at a whole request that lives through the call.
    unsafe { ioctl(fd, asked) }?;
    Ok(request.flags & net_device_flags::IFF_UP as c_short != 0)
}

/// The index of the interface with this name, in the network namespace of the calling thread.
pub(crate) fn name_to_index(name: &str) -> Result<u32, Errno> {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::netdevice::name_to_index(&socket, name)
}
