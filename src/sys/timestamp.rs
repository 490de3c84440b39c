//! Who stamps packets: `PACKET_TIMESTAMP`, and `SO_TIMESTAMPING`.

use linux_raw_sys::if_packet::PACKET_TIMESTAMP;
use linux_raw_sys::net::{
    SO_TIMESTAMPING_OLD, SOF_TIMESTAMPING_RAW_HARDWARE, SOF_TIMESTAMPING_RX_SOFTWARE,
    SOF_TIMESTAMPING_SOFTWARE, SOL_SOCKET,
};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use super::sockopt::{set, set_at};

/// Flags of `linux/net_tstamp.h`.
pub(crate) const SOFTWARE: u32 = SOF_TIMESTAMPING_SOFTWARE as u32;
pub(crate) const RAW_HARDWARE: u32 = SOF_TIMESTAMPING_RAW_HARDWARE as u32;
pub(crate) const RX_SOFTWARE: u32 = SOF_TIMESTAMPING_RX_SOFTWARE as u32;

/// `PACKET_TIMESTAMP`: which of the stamps that a packet has goes into the ring.
pub(crate) fn set_packet_timestamp(fd: BorrowedFd<'_>, flags: u32) -> Result<(), Errno> {
    set(fd, PACKET_TIMESTAMP, &flags)
}

/// `SO_TIMESTAMPING`: which stamps the kernel makes while this socket is open.
///
/// The old and the new option differ in what `recvmsg` returns, which is not called.
pub(crate) fn set_timestamping(fd: BorrowedFd<'_>, flags: u32) -> Result<(), Errno> {
    set_at(fd, SOL_SOCKET, SO_TIMESTAMPING_OLD, &flags)
}
