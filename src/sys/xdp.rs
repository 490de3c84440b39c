//! AF_XDP sockets: their options, their rings' places, binding and kicking.
//!
//! # Safety
//!
//! [`Address`] is the kernel's `struct sockaddr_xdp`, 16 bytes without padding.

use linux_raw_sys::net::{
    SO_BUSY_POLL, SO_BUSY_POLL_BUDGET, SO_NETNS_COOKIE, SO_PREFER_BUSY_POLL, SOL_SOCKET,
};
use linux_raw_sys::xdp as raw;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socket_with};
use static_assertions::const_assert_eq;

use super::sockopt::{Answer, OptionValue, get_at, set_at};

pub(crate) use linux_raw_sys::xdp::{
    xdp_mmap_offsets as RingOffsets, xdp_ring_offset as RingOffset,
    xdp_statistics as XdpStatistics, xdp_umem_reg as UmemRegistration,
};

/// `SOL_XDP`.
const LEVEL: u32 = 283;

impl OptionValue for UmemRegistration {}
impl Answer for u64 {}
impl Answer for XdpStatistics {}
impl Answer for RingOffsets {}
impl Answer for raw::xdp_options {}

/// A `struct sockaddr_xdp` as an argument.
struct Address(raw::sockaddr_xdp);

const ADDRESS_SIZE: SocketAddrLen = 16;
const_assert_eq!(size_of::<raw::sockaddr_xdp>(), ADDRESS_SIZE as usize);
const_assert_eq!(size_of::<UmemRegistration>(), 32);

// SAFETY: the pointer and the length describe the whole structure, which is initialised.
unsafe impl SocketAddrArg for Address {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        f((&raw const self.0).cast(), ADDRESS_SIZE)
    }
}

/// `socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)`.
pub(crate) fn open_xdp() -> Result<OwnedFd, Errno> {
    let family = AddressFamily::XDP;
    socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, None)
}

/// One of a socket's four rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum XdpRing {
    Rx,
    Tx,
    Fill,
    Completion,
}

impl XdpRing {
    fn option(self) -> u32 {
        match self {
            Self::Rx => raw::XDP_RX_RING,
            Self::Tx => raw::XDP_TX_RING,
            Self::Fill => raw::XDP_UMEM_FILL_RING,
            Self::Completion => raw::XDP_UMEM_COMPLETION_RING,
        }
    }

    /// Where `mmap` finds it, in bytes.
    pub(crate) fn page_offset(self) -> u64 {
        match self {
            Self::Rx => raw::XDP_PGOFF_RX_RING.into(),
            Self::Tx => raw::XDP_PGOFF_TX_RING.into(),
            Self::Fill => raw::XDP_UMEM_PGOFF_FILL_RING,
            Self::Completion => raw::XDP_UMEM_PGOFF_COMPLETION_RING,
        }
    }

    pub(crate) fn offsets(self, all: &RingOffsets) -> RingOffset {
        match self {
            Self::Rx => all.rx,
            Self::Tx => all.tx,
            Self::Fill => all.fr,
            Self::Completion => all.cr,
        }
    }
}

/// `XDP_UMEM_REG`.
pub(crate) fn register_umem(fd: BorrowedFd<'_>, umem: &UmemRegistration) -> Result<(), Errno> {
    set_at(fd, LEVEL, raw::XDP_UMEM_REG, umem)
}

/// Makes a ring of so many slots.
pub(crate) fn make_xdp_ring(fd: BorrowedFd<'_>, ring: XdpRing, slots: u32) -> Result<(), Errno> {
    set_at(fd, LEVEL, ring.option(), &slots)
}

/// `XDP_MMAP_OFFSETS`: where in the rings their words and slots lie.
pub(crate) fn ring_offsets(fd: BorrowedFd<'_>) -> Result<RingOffsets, Errno> {
    let none = RingOffset {
        producer: 0,
        consumer: 0,
        desc: 0,
        flags: 0,
    };
    let offsets = RingOffsets {
        rx: none,
        tx: none,
        fr: none,
        cr: none,
    };
    let (offsets, len) = get_at(fd, LEVEL, raw::XDP_MMAP_OFFSETS, offsets)?;
    // Before Linux 5.4 there are three offsets a ring: they would be read as if there were four.
    if (len as usize) < size_of::<RingOffsets>() {
        return Err(Errno::OPNOTSUPP);
    }
    Ok(offsets)
}

/// `XDP_STATISTICS`, and whether the kernel knows the last three (Linux 5.9).
pub(crate) fn xdp_statistics(fd: BorrowedFd<'_>) -> Result<(XdpStatistics, bool), Errno> {
    let none = XdpStatistics {
        rx_dropped: 0,
        rx_invalid_descs: 0,
        tx_invalid_descs: 0,
        rx_ring_full: 0,
        rx_fill_ring_empty_descs: 0,
        tx_ring_empty_descs: 0,
    };
    let (statistics, len) = get_at(fd, LEVEL, raw::XDP_STATISTICS, none)?;
    Ok((statistics, len as usize >= size_of::<XdpStatistics>()))
}

/// `XDP_OPTIONS`: whether the socket transfers packets without copying them. Linux 5.3.
pub(crate) fn is_zero_copy(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    let none = raw::xdp_options { flags: 0 };
    let (options, _) = get_at(fd, LEVEL, raw::XDP_OPTIONS, none)?;
    Ok(options.flags & raw::XDP_OPTIONS_ZEROCOPY != 0)
}

/// `XDP_MAX_TX_SKB_BUDGET`: how many frames one kick sends in copy mode.
pub(crate) fn set_tx_budget(fd: BorrowedFd<'_>, frames: u32) -> Result<(), Errno> {
    set_at(fd, LEVEL, raw::XDP_MAX_TX_SKB_BUDGET, &frames)
}

/// `SO_PREFER_BUSY_POLL`.
pub(crate) fn prefer_busy_poll(fd: BorrowedFd<'_>, prefer: bool) -> Result<(), Errno> {
    set_at(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &u32::from(prefer))
}

/// `SO_BUSY_POLL`: for how long, in microseconds.
pub(crate) fn set_busy_poll(fd: BorrowedFd<'_>, microseconds: u32) -> Result<(), Errno> {
    set_at(fd, SOL_SOCKET, SO_BUSY_POLL, &microseconds)
}

/// `SO_BUSY_POLL_BUDGET`: how many packets at a time.
pub(crate) fn set_busy_poll_budget(fd: BorrowedFd<'_>, packets: u32) -> Result<(), Errno> {
    set_at(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &packets)
}

/// `SO_NETNS_COOKIE`: a number that no other network namespace has, nor had. Linux 5.14.
pub(crate) fn namespace_cookie(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    get_at(fd, SOL_SOCKET, SO_NETNS_COOKIE, 0_u64).map(|(cookie, _)| cookie)
}

/// How a socket is bound to a queue: the flags of `sockaddr_xdp`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BindFlags {
    pub(crate) copy: bool,
    pub(crate) zero_copy: bool,
    pub(crate) need_wakeup: bool,
    pub(crate) multi_buffer: bool,
}

impl BindFlags {
    fn bits(self) -> u16 {
        let bit = |set: bool, bit: u32| if set { bit as u16 } else { 0 };
        bit(self.copy, raw::XDP_COPY)
            | bit(self.zero_copy, raw::XDP_ZEROCOPY)
            | bit(self.need_wakeup, raw::XDP_USE_NEED_WAKEUP)
            | bit(self.multi_buffer, raw::XDP_USE_SG)
    }
}

/// Binds to a queue of an interface.
pub(crate) fn bind_xdp(
    fd: BorrowedFd<'_>,
    interface: u32,
    queue: u32,
    flags: BindFlags,
) -> Result<(), Errno> {
    // The kernel would take its lower 16 bits for the number, and the queue of that number from everybody.
    if queue > u16::MAX.into() {
        return Err(Errno::INVAL);
    }
    bind_at(fd, interface, queue, flags.bits(), 0)
}

/// Binds to the queue that another socket is bound to, and shares its UMEM, fill and completion ring.
pub(crate) fn bind_sibling(
    fd: BorrowedFd<'_>,
    interface: u32,
    queue: u32,
    bound: BorrowedFd<'_>,
) -> Result<(), Errno> {
    use rustix::fd::AsRawFd;
    let bound = bound.as_raw_fd().cast_unsigned();
    bind_at(fd, interface, queue, raw::XDP_SHARED_UMEM as u16, bound)
}

fn bind_at(
    fd: BorrowedFd<'_>,
    interface: u32,
    queue: u32,
    flags: u16,
    shared: u32,
) -> Result<(), Errno> {
    let address = raw::sockaddr_xdp {
        sxdp_family: AddressFamily::XDP.as_raw(),
        sxdp_flags: flags,
        sxdp_ifindex: interface,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: shared,
    };
    rustix::net::bind(fd, &Address(address))
}

/// `recvfrom` without bytes: the driver looks at the fill ring again. ENETDOWN where the link is down,
/// ENXIO where the interface is gone.
pub(crate) fn wake_xdp(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    match recv(fd, &mut [0_u8; 0][..], RecvFlags::DONTWAIT) {
        // ENOBUFS where there is no receive ring: the link was looked at before that.
        Ok(_) | Err(Errno::NOBUFS | Errno::AGAIN) => Ok(()),
        Err(errno) => Err(errno),
    }
}
