//! Who stamps packets: `PACKET_TIMESTAMP`, and `SO_TIMESTAMPING`.

use linux_raw_sys::if_packet::PACKET_TIMESTAMP;
use linux_raw_sys::net::{
    SO_TIMESTAMPING_OLD, SOF_TIMESTAMPING_RAW_HARDWARE, SOF_TIMESTAMPING_RX_SOFTWARE,
    SOF_TIMESTAMPING_SOFTWARE, SOF_TIMESTAMPING_TX_HARDWARE, SOL_SOCKET,
};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::sockopt::{set, set_at};

/// Flags of `linux/net_tstamp.h`.
pub(crate) const SOFTWARE: u32 = SOF_TIMESTAMPING_SOFTWARE as u32;
pub(crate) const RAW_HARDWARE: u32 = SOF_TIMESTAMPING_RAW_HARDWARE as u32;
pub(crate) const RX_SOFTWARE: u32 = SOF_TIMESTAMPING_RX_SOFTWARE as u32;
pub(crate) const TX_HARDWARE: u32 = SOF_TIMESTAMPING_TX_HARDWARE as u32;

/// `PACKET_TIMESTAMP`: which of the stamps that a packet has goes into the ring.
pub(crate) fn set_packet_timestamp(fd: BorrowedFd<'_>, flags: u32) -> Result<(), Errno> {
    set(fd, PACKET_TIMESTAMP, &flags)
}

/// Throws away what lies in the socket's error queue, where the kernel puts a copy of each sent packet
/// that it was asked to stamp; says whether there was anything. `recv` with `MSG_ERRQUEUE`.
pub(crate) fn empty_error_queue(fd: BorrowedFd<'_>) -> bool {
    /// More than fit into any queue of the usual size.
    const AT_MOST: usize = 1 << 16;
    let flags = RecvFlags::ERRQUEUE | RecvFlags::DONTWAIT | RecvFlags::TRUNC;
    let taken = (0..AT_MOST).take_while(|_| recv(fd, &mut [0; 0][..], flags).is_ok());
    taken.count() > 0
}

/// `SO_TIMESTAMPING`: which stamps the kernel makes while this socket is open.
///
/// The old and the new option differ in what `recvmsg` returns, which is not called.
pub(crate) fn set_timestamping(fd: BorrowedFd<'_>, flags: u32) -> Result<(), Errno> {
    set_at(fd, SOL_SOCKET, SO_TIMESTAMPING_OLD, &flags)
}
