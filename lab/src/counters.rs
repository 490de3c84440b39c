//! An interface's own counters.

use netlink_packet_route::link::Stats64;

/// What the interface itself counted since it was made (`IFLA_STATS64`).
///
/// A frame that nobody wants is in `rx_packets` and in `rx_dropped`: a packet socket on the
/// interface counts as somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "IFLA_STATS64")]
pub struct Counters {
    /// Frames received.
    pub rx_packets: u64,
    /// Frames transmitted.
    pub tx_packets: u64,
    /// Bytes received, Ethernet headers included.
    pub rx_bytes: u64,
    /// Bytes transmitted, Ethernet headers included.
    pub tx_bytes: u64,
    /// Frames received that went nowhere.
    pub rx_dropped: u64,
    /// Frames that were to be transmitted and were not; on a veth, those that the other end had no
    /// room for.
    pub tx_dropped: u64,
}

impl Counters {
    /// What was counted between `earlier` and now.
    ///
    /// # Panics
    /// When a counter has gone back: the interface was recreated in between.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let between = |now: u64, then: u64| {
            now.checked_sub(then)
                .expect("counters of one and the same interface")
        };
        Self {
            rx_packets: between(self.rx_packets, earlier.rx_packets),
            tx_packets: between(self.tx_packets, earlier.tx_packets),
            rx_bytes: between(self.rx_bytes, earlier.rx_bytes),
            tx_bytes: between(self.tx_bytes, earlier.tx_bytes),
            rx_dropped: between(self.rx_dropped, earlier.rx_dropped),
            tx_dropped: between(self.tx_dropped, earlier.tx_dropped),
        }
    }
}

impl From<&Stats64> for Counters {
    fn from(stats: &Stats64) -> Self {
        Self {
            rx_packets: stats.rx_packets,
            tx_packets: stats.tx_packets,
            rx_bytes: stats.rx_bytes,
            tx_bytes: stats.tx_bytes,
            rx_dropped: stats.rx_dropped,
            tx_dropped: stats.tx_dropped,
        }
    }
}
