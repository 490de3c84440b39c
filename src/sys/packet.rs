//! Packet sockets: opening, binding, asking what they are bound to.
//!
//! # Safety
//!
//! [`LinkAddress`] is the kernel's `struct sockaddr_ll`, 20 bytes without padding.

use core::mem::MaybeUninit;

use linux_raw_sys::if_packet::sockaddr_ll;
use rustix::cmsg_space;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    getsockname, sendmsg, socket_with,
};
use static_assertions::const_assert_eq;

/// A `struct sockaddr_ll` as an argument.
struct LinkAddress(sockaddr_ll);

const ADDRESS_SIZE: SocketAddrLen = 20;
const_assert_eq!(size_of::<sockaddr_ll>(), ADDRESS_SIZE as usize);

// SAFETY: the pointer and the length describe the whole structure, which is initialised.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        f((&raw const self.0).cast(), ADDRESS_SIZE)
    }
}

/// `socket(AF_PACKET, kind | SOCK_CLOEXEC, 0)`: with protocol 0 no packet can arrive.
pub(crate) fn open(kind: SocketType) -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::PACKET, kind, SocketFlags::CLOEXEC, None)
}

/// Binds to an interface and a protocol (host byte order), from which moment on packets arrive.
pub(crate) fn bind(fd: BorrowedFd<'_>, interface: i32, protocol: u16) -> Result<(), Errno> {
    let address = sockaddr_ll {
        sll_family: AddressFamily::PACKET.as_raw(),
        sll_protocol: protocol.to_be(),
        sll_ifindex: interface,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    rustix::net::bind(fd, &LinkAddress(address))
}

/// `sendto` without bytes or address: the kernel sends what the transmit ring holds, and waits for nothing.
///
/// Inlined into whoever kicks: from a function of its own, which returns right after it, the call took 350 to 450 ns
/// longer (AMD Zen 4, Linux 6.18; `benches/xdp_ping_pong`), in our code and in a loop by hand alike.
#[inline(always)]
pub(crate) fn send_ring(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::net::send(fd, &[], SendFlags::DONTWAIT).map(drop)
}

/// The same, at a time in nanoseconds: `sendmsg` with `SCM_TXTIME`.
pub(crate) fn send_ring_at(fd: BorrowedFd<'_>, time: u64) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(TxTime(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::TxTime(time));
    sendmsg(fd, &[], &mut control, SendFlags::DONTWAIT).map(drop)
}

/// The index of the bound interface; -1 once that interface is gone.
pub(crate) fn bound_interface(fd: BorrowedFd<'_>) -> Result<i32, Errno> {
    let address = getsockname(fd)?;
    // The kernel gives the length without the unused end of `sll_addr`, but never less than this.
    const INTERFACE_END: SocketAddrLen = 8;
    if address.addr_len() < INTERFACE_END {
        return Err(Errno::INVAL);
    }
    // SAFETY: the storage is larger than `sockaddr_ll` and aligned for it, and at least the bytes up
    // to the end of `sll_ifindex` were written; only that field is read.
    Ok(unsafe { (*address.as_ptr().cast::<sockaddr_ll>()).sll_ifindex })
}

/// A descriptor of its own for the same socket.
pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // 0 to 2 are not for sockets, even where nobody has them open.
    const LOWEST: i32 = 3;
    rustix::io::fcntl_dupfd_cloexec(fd, LOWEST)
}
