//! Counts that only grow.

use rustix::fd::BorrowedFd;

use crate::error::{Error, Operation};
use crate::sys;

/// What a bound socket has counted since it was bound.
///
/// The kernel's own counts are 32 bits wide and start again whenever they are read; these are their
/// sums.
#[doc(alias = "tpacket_stats_v3")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that passed the filter, dropped ones among them: the kernel's `tp_packets`.
    pub packets: u64,
    /// Packets that passed the filter and found no room in the ring, or that no vnet header can describe
    /// ([`Tx::vnet_headers`](super::Tx::vnet_headers)): the kernel's `tp_drops`.
    pub drops: u64,
    /// How often the ring was full and receiving stopped: the kernel's `tp_freeze_q_cnt`.
    pub freezes: u64,
    /// Blocks that are out now, and such as were forgotten while a receiver lives. Counting looks at
    /// every block's status word.
    pub held: u32,
    /// Blocks that were forgotten and taken back.
    pub taken_back: u64,
}

/// The sums of what the kernel has reported.
#[derive(Debug, Default)]
pub(super) struct Sums {
    packets: u64,
    drops: u64,
    freezes: u64,
}

impl Sums {
    /// How many packets the kernel had put into the ring when the counts were last read, modulo 2^32:
    /// its own counts go no further.
    pub(super) fn in_ring(&self) -> u32 {
        self.packets.wrapping_sub(self.drops) as u32
    }

    /// Reads the kernel's counts, which clears them, and adds them up.
    pub(super) fn read(
        &mut self,
        fd: BorrowedFd<'_>,
        held: u32,
        taken_back: u64,
    ) -> Result<Statistics, Error> {
        let counts = sys::statistics(fd).map_err(Error::system(Operation::ReadStatistics))?;
        self.packets += u64::from(counts.tp_packets);
        self.drops += u64::from(counts.tp_drops);
        self.freezes += u64::from(counts.tp_freeze_q_cnt);
        Ok(Statistics {
            packets: self.packets,
            drops: self.drops,
            freezes: self.freezes,
            held,
            taken_back,
        })
    }
}
