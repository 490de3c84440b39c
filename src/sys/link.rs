//! Interfaces: their index, and what the kernel says of them.
//!
//! # Safety
//!
//! [`Request`] and [`PointerRequest`] are the kernel's `struct ifreq`: a name, and a union that each
//! ioctl uses in its own way. [`Channels`] is its `struct ethtool_channels`.

use core::ffi::{c_int, c_short};

use linux_raw_sys::ioctl::{SIOCGIFFLAGS, SIOCGIFHWADDR, SIOCGIFMTU};
use linux_raw_sys::net::{IFNAMSIZ, net_device_flags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::net::netdevice::index_to_name_inlined;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use static_assertions::{assert_eq_size, const_assert};

const FLAGS: Opcode = SIOCGIFFLAGS as Opcode;
const HARDWARE_ADDRESS: Opcode = SIOCGIFHWADDR as Opcode;
const MTU: Opcode = SIOCGIFMTU as Opcode;
/// From `linux/sockios.h`.
const SIOCETHTOOL: Opcode = 0x8946;
/// From `linux/ethtool.h`.
const ETHTOOL_GCHANNELS: u32 = 0x3c;
/// From `linux/if_arp.h`.
const ARPHRD_ETHER: u16 = 1;

/// An interface's name, and zeros up to the end.
pub(crate) type Name = [u8; IFNAMSIZ as usize];

/// `struct ifreq` with its union as bytes.
#[repr(C, align(8))]
struct Request {
    name: Name,
    answer: [u8; 24],
}

/// `struct ifreq` with a pointer in its union.
#[repr(C, align(8))]
struct PointerRequest {
    name: Name,
    data: *mut Channels,
    rest: [u8; 24 - size_of::<*mut Channels>()],
}

/// `struct ethtool_channels`.
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    most: [u32; 4],
    receive: u32,
    transmit: u32,
    other: u32,
    combined: u32,
}

// The kernel copies 40 bytes where pointers have eight, 32 elsewhere.
const_assert!(size_of::<Request>() == 40);
assert_eq_size!(Request, PointerRequest);
const_assert!(size_of::<Channels>() == 36);

/// The name of the interface in the network namespace of the socket. ENODEV or ENXIO where it is gone.
fn name(fd: BorrowedFd<'_>, index: u32) -> Result<Name, Errno> {
    let known = index_to_name_inlined(fd, index)?;
    let mut name = [0; IFNAMSIZ as usize];
    for (to, from) in name.iter_mut().zip(known.as_bytes()) {
        *to = *from;
    }
    Ok(name)
}

/// Asks by name about the interface of this index. What is heard counts only where the name was the
/// interface's before and after: it can be renamed, and another can take its name.
pub(crate) fn by_name<T>(
    fd: BorrowedFd<'_>,
    index: u32,
    ask: impl Fn(Name) -> Result<T, Errno>,
) -> Result<T, Errno> {
    /// How often a name may change meanwhile.
    const TRIES: u32 = 100;
    let mut known = name(fd, index)?;
    for _ in 0..TRIES {
        let heard = ask(known);
        let now = name(fd, index)?;
        if now == known {
            return heard;
        }
        known = now;
    }
    Err(Errno::AGAIN)
}

/// What an ioctl that reads the name of an interface writes into the union.
fn ask<const OPCODE: Opcode>(fd: BorrowedFd<'_>, index: u32) -> Result<[u8; 24], Errno> {
    const { assert!(matches!(OPCODE, FLAGS | HARDWARE_ADDRESS | MTU)) };
    by_name(fd, index, |name| {
        let mut request = Request {
            name,
            answer: [0; 24],
        };
        // SAFETY: these three read the name of a `struct ifreq` and write into its union.
        let asked = unsafe { Updater::<OPCODE, Request>::new(&mut request) };
        // SAFETY: `asked` points at a whole request that lives through the call.
        unsafe { ioctl(fd, asked) }?;
        Ok(request.answer)
    })
}

/// The first `N` bytes of an answer.
fn first<const N: usize>(answer: [u8; 24]) -> [u8; N] {
    const { assert!(N <= 24) };
    core::array::from_fn(|at| answer[at])
}

/// Whether the interface was set up (`IFF_UP`), and whether it passes packets (`IFF_RUNNING`).
pub(crate) fn flags(fd: BorrowedFd<'_>, index: u32) -> Result<(bool, bool), Errno> {
    let flags = c_short::from_ne_bytes(first(ask::<FLAGS>(fd, index)?));
    let has = |flag: net_device_flags| flags & flag as c_short != 0;
    Ok((
        has(net_device_flags::IFF_UP),
        has(net_device_flags::IFF_RUNNING),
    ))
}

/// The largest payload of a frame in bytes.
pub(crate) fn mtu(fd: BorrowedFd<'_>, index: u32) -> Result<u32, Errno> {
    // The kernel has it as an `int`, never below zero.
    let mtu = c_int::from_ne_bytes(first(ask::<MTU>(fd, index)?));
    Ok(mtu.unsigned_abs())
}

/// The hardware address, of Ethernet interfaces: of others the answer does not tell its length.
pub(crate) fn ethernet_address(fd: BorrowedFd<'_>, index: u32) -> Result<Option<[u8; 6]>, Errno> {
    let answer = ask::<HARDWARE_ADDRESS>(fd, index)?;
    // `struct sockaddr`: the kind of interface in place of the family, then the address.
    let [kind @ .., a, b, c, d, e, f] = first::<8>(answer);
    Ok((u16::from_ne_bytes(kind) == ARPHRD_ETHER).then_some([a, b, c, d, e, f]))
}

/// The receive and the transmit queues that are in use.
pub(crate) fn queues(fd: BorrowedFd<'_>, index: u32) -> Result<(u32, u32), Errno> {
    by_name(fd, index, |name| {
        let mut channels = Channels {
            command: ETHTOOL_GCHANNELS,
            ..Channels::default()
        };
        let mut request = PointerRequest {
            name,
            data: &raw mut channels,
            rest: [0; 24 - size_of::<*mut Channels>()],
        };
        // SAFETY: SIOCETHTOOL reads the name and the pointer of a `struct ifreq`.
        let asked = unsafe { Updater::<SIOCETHTOOL, PointerRequest>::new(&mut request) };
        // SAFETY: `asked` points at a whole request, and that at a whole `struct ethtool_channels`, which
        // is what the kernel reads and writes for this command; both live through the call.
        unsafe { ioctl(fd, asked) }?;
        // A combined channel is a queue of each kind.
        let with_combined = |count: u32| count.saturating_add(channels.combined);
        Ok((
            with_combined(channels.receive),
            with_combined(channels.transmit),
        ))
    })
}

/// The index of the interface with this name, in the network namespace of the socket.
pub(crate) fn name_to_index_in(fd: BorrowedFd<'_>, name: &str) -> Result<u32, Errno> {
    rustix::net::netdevice::name_to_index(fd, name)
}

/// The index of the interface with this name, in the network namespace of the calling thread.
pub(crate) fn name_to_index(name: &str) -> Result<u32, Errno> {
    name_to_index_in(any_socket()?.as_fd(), name)
}

/// A socket of the calling thread's network namespace, for what can be asked through any.
pub(crate) fn any_socket() -> Result<OwnedFd, Errno> {
    socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
}
