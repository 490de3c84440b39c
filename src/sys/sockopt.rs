//! Socket options at `SOL_PACKET`.
//!
//! # Safety
//!
//! [`set_at`] hands the kernel a pointer to a whole value of a type without padding, which the kernel
//! only reads. [`get`] hands it a pointer to a value of the size that it is told, of a type whose every
//! bit pattern is a value.

use core::ffi::c_int;

use linux_raw_sys::if_packet as raw;
use linux_raw_sys::net::{SO_TXTIME, SOL_SOCKET, sock_txtime};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use syscalls::{Sysno, syscall};

pub(crate) use linux_raw_sys::if_packet::{
    packet_mreq as MembershipRequest, tpacket_req3 as RingRequest, tpacket_versions as Version,
};

pub(super) fn errno(error: syscalls::Errno) -> Errno {
    Errno::from_raw_os_error(error.into_raw())
}

/// Types without padding that the kernel reads as options.
pub(super) trait OptionValue {}
impl OptionValue for c_int {}
impl OptionValue for u32 {}
impl OptionValue for RingRequest {}
impl OptionValue for MembershipRequest {}
impl OptionValue for sock_txtime {}

/// `setsockopt(fd, SOL_PACKET, name, value)`.
pub(super) fn set<T: OptionValue>(fd: BorrowedFd<'_>, name: u32, value: &T) -> Result<(), Errno> {
    set_at(fd, linux_raw_sys::net::SOL_PACKET, name, value)
}

/// `setsockopt(fd, level, name, value)`.
pub(super) fn set_at<T: OptionValue>(
    fd: BorrowedFd<'_>,
    level: u32,
    name: u32,
    value: &T,
) -> Result<(), Errno> {
    // SAFETY: the kernel reads `size_of::<T>()` initialised bytes from `value` and writes nothing.
    let done = unsafe {
        syscall!(
            Sysno::setsockopt,
            fd.as_raw_fd(),
            level,
            name,
            core::ptr::from_ref(value),
            size_of::<T>()
        )
    };
    done.map(drop).map_err(errno)
}

/// Types of integers alone: what the kernel writes there is a value.
pub(super) trait Answer {}
impl Answer for c_int {}
impl Answer for u32 {}
impl Answer for raw::tpacket_stats_v3 {}

/// `getsockopt(fd, SOL_PACKET, name, value)`, which reads and writes `value`; what the kernel leaves out
/// stays.
pub(super) fn get<T: Answer>(fd: BorrowedFd<'_>, name: u32, value: T) -> Result<T, Errno> {
    get_at(fd, linux_raw_sys::net::SOL_PACKET, name, value).map(|(value, _)| value)
}

/// `getsockopt(fd, level, name, value)`, the same; and how many bytes the kernel has written.
pub(super) fn get_at<T: Answer>(
    fd: BorrowedFd<'_>,
    level: u32,
    name: u32,
    mut value: T,
) -> Result<(T, u32), Errno> {
    let mut len = size_of::<T>() as u32;
    // SAFETY: the kernel reads and writes at most `len` bytes of `value`, any of which make a value, and
    // the four of `len`.
    let done = unsafe {
        syscall!(
            Sysno::getsockopt,
            fd.as_raw_fd(),
            level,
            name,
            &raw mut value,
            &raw mut len
        )
    };
    done.map_err(errno)?;
    Ok((value, len))
}

/// `PACKET_VERSION`: which layout the rings have. Refused (EBUSY) once there is a ring.
pub(crate) fn set_version(fd: BorrowedFd<'_>, version: Version) -> Result<(), Errno> {
    set(fd, raw::PACKET_VERSION, &(version as c_int))
}

/// `PACKET_RESERVE`: bytes left free before each packet. Refused (EBUSY) once there is a ring.
pub(crate) fn set_reserve(fd: BorrowedFd<'_>, bytes: u32) -> Result<(), Errno> {
    set(fd, raw::PACKET_RESERVE, &bytes)
}

/// `PACKET_IGNORE_OUTGOING`: packets that this host sends are not received.
pub(crate) fn ignore_outgoing(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    set(fd, raw::PACKET_IGNORE_OUTGOING, &1_u32)
}

/// `PACKET_ORIGDEV`: packets name the interface that they first came in by.
pub(crate) fn origdev(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    set(fd, raw::PACKET_ORIGDEV, &1_u32)
}

/// `PACKET_RX_RING`: makes the ring, or frees it where `block_nr` is zero.
pub(crate) fn set_rx_ring(fd: BorrowedFd<'_>, request: &RingRequest) -> Result<(), Errno> {
    set(fd, raw::PACKET_RX_RING, request)
}

/// `PACKET_TX_RING`: makes the ring, or frees it where `block_nr` is zero.
pub(crate) fn set_tx_ring(fd: BorrowedFd<'_>, request: &RingRequest) -> Result<(), Errno> {
    set(fd, raw::PACKET_TX_RING, request)
}

/// `PACKET_LOSS`: frames that the kernel refuses are skipped. Refused (EBUSY) once there is a ring.
pub(crate) fn skip_refused_frames(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    set(fd, raw::PACKET_LOSS, &1_u32)
}

/// `PACKET_TX_HAS_OFF`: each frame says where its packet begins. Ignored once there is a ring.
pub(crate) fn frames_have_offsets(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    set(fd, raw::PACKET_TX_HAS_OFF, &1_u32)
}

/// `PACKET_VNET_HDR`: a `virtio_net_hdr` lies before each packet. Refused (EBUSY) once there is a ring.
pub(crate) fn packets_have_vnet_headers(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    set(fd, raw::PACKET_VNET_HDR, &1_u32)
}

/// `PACKET_QDISC_BYPASS`: packets go to the driver directly.
pub(crate) fn bypass_qdisc(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    set(fd, raw::PACKET_QDISC_BYPASS, &1_u32)
}

/// `SO_TXTIME`: each call that sends may say when, by this clock.
pub(crate) fn set_transmit_times(fd: BorrowedFd<'_>, clock: c_int) -> Result<(), Errno> {
    let value = sock_txtime {
        clockid: clock,
        flags: 0,
    };
    set_at(fd, SOL_SOCKET, SO_TXTIME, &value)
}

/// `PACKET_ADD_MEMBERSHIP`.
pub(crate) fn add_membership(fd: BorrowedFd<'_>, request: &MembershipRequest) -> Result<(), Errno> {
    set(fd, raw::PACKET_ADD_MEMBERSHIP, request)
}

/// `PACKET_DROP_MEMBERSHIP`.
pub(crate) fn drop_membership(
    fd: BorrowedFd<'_>,
    request: &MembershipRequest,
) -> Result<(), Errno> {
    set(fd, raw::PACKET_DROP_MEMBERSHIP, request)
}

/// `PACKET_STATISTICS`: counts since they were last read; reading clears them. With TPACKET_V2 the
/// kernel writes two of them alone, and `tp_freeze_q_cnt` stays zero.
pub(crate) fn statistics(fd: BorrowedFd<'_>) -> Result<raw::tpacket_stats_v3, Errno> {
    let none = raw::tpacket_stats_v3 {
        tp_packets: 0,
        tp_drops: 0,
        tp_freeze_q_cnt: 0,
    };
    get(fd, raw::PACKET_STATISTICS, none)
}
