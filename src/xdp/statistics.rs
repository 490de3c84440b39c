//! What the kernel counts of a socket.

use rustix::fd::BorrowedFd;

use crate::error::{Error, Operation};
use crate::sys;

/// What the kernel has counted since the socket was made.
#[doc(alias = "xdp_statistics")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Received packets that were dropped for other reasons than the two below (before Linux 5.9: for a full
    /// receive ring too), as for their length.
    pub rx_dropped: u64,
    /// Descriptors of the fill ring that were invalid. The kernel passes over most such without counting.
    pub rx_invalid_descriptors: u64,
    /// Descriptors of the transmit ring that were invalid.
    pub tx_invalid_descriptors: u64,
    /// What Linux 5.9 and later count beside.
    pub more: Option<MoreStatistics>,
}

/// What Linux 5.9 and later count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoreStatistics {
    /// Packets that were dropped because the receive ring was full.
    pub rx_ring_full: u64,
    /// How often the kernel wanted a frame and the fill ring had none.
    pub fill_ring_empty: u64,
    /// How often the kernel looked for a packet and the transmit ring had none.
    pub tx_ring_empty: u64,
}

impl Statistics {
    pub(super) fn read(fd: BorrowedFd<'_>) -> Result<Self, Error> {
        let (raw, whole) =
            sys::xdp_statistics(fd).map_err(Error::system(Operation::ReadXdpStatistics))?;
        Ok(Self {
            rx_dropped: raw.rx_dropped,
            rx_invalid_descriptors: raw.rx_invalid_descs,
            tx_invalid_descriptors: raw.tx_invalid_descs,
            more: whole.then_some(MoreStatistics {
                rx_ring_full: raw.rx_ring_full,
                fill_ring_empty: raw.rx_fill_ring_empty_descs,
                tx_ring_empty: raw.tx_ring_empty_descs,
            }),
        })
    }
}
