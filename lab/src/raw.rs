//! Plain AF_PACKET sockets, without rings: the common part of [`Injector`](crate::Injector) and
//! [`Witness`](crate::Witness).

#![allow(unsafe_code)]

use core::mem::size_of;
use core::ptr;

use linux_raw_sys::if_packet::sockaddr_ll;
use linux_raw_sys::net::AF_PACKET;
use rustix::fd::OwnedFd;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{AddressFamily, SocketAddrAny, SocketFlags, SocketType};

use crate::{LabError, Link};

/// Every protocol, outgoing frames included (`ETH_P_ALL`).
pub(crate) const EVERY_PROTOCOL: u16 = 3;

/// No protocol: the socket sends, and receives nothing.
pub(crate) const NO_PROTOCOL: u16 = 0;

/// A raw packet socket in the namespace of `link`, bound to it. It opens deaf, so nothing of
/// another interface gets in.
pub(crate) fn open(link: &Link, protocol: u16) -> Result<OwnedFd, LabError> {
    let index = link.index()?;
    link.namespace().run(|| {
        let fd = rustix::net::socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(LabError::doing("open a packet socket (CAP_NET_RAW)"))?;
        rustix::net::bind(&fd, &LinkAddress { index, protocol })
            .map_err(LabError::doing("bind a packet socket to the interface"))?;
        Ok(fd)
    })?
}

struct LinkAddress {
    index: u32,
    protocol: u16,
}

// SAFETY: `f` gets a pointer to a live, fully initialised `sockaddr_ll` and its size.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        let address = sockaddr_ll {
            sll_family: AF_PACKET as u16,
            sll_protocol: self.protocol.to_be(),
            sll_ifindex: self.index as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        f(
            ptr::from_ref(&address).cast(),
            size_of::<sockaddr_ll>() as SocketAddrLen,
        )
    }
}

/// The sender's address as the kernel reports it, if it is of the packet family.
pub(crate) fn link_address(address: &SocketAddrAny) -> Option<sockaddr_ll> {
    let is_link = address.address_family() == AddressFamily::PACKET
        // The kernel cuts the address to the length of the hardware address, which leaves out its
        // last bytes.
        && address.addr_len() as usize >= size_of::<sockaddr_ll>() - 8;
    // SAFETY: the storage behind `as_ptr` is that of a sockaddr_storage, longer than a
    // `sockaddr_ll` and aligned for it, and the kernel filled it up to `sll_addr` at least, by the
    // length above.
    is_link.then(|| unsafe { address.as_ptr().cast::<sockaddr_ll>().read() })
}
