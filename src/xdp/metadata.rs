//! What the transmission of a packet can be asked to do: `struct xsk_tx_metadata`.

use linux_raw_sys::xdp::{
    XDP_TXMD_FLAGS_CHECKSUM, XDP_TXMD_FLAGS_LAUNCH_TIME, XDP_TXMD_FLAGS_TIMESTAMP, xsk_tx_metadata,
};
use static_assertions::const_assert_eq;

use super::geometry::TX_METADATA;

const_assert_eq!(size_of::<xsk_tx_metadata>(), TX_METADATA as usize);

/// What the transmission of a packet is asked to do. Linux 6.8.
///
/// What a driver cannot do, it does not do, and says nothing; in copy mode software does the first two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxRequest {
    timestamp: bool,
    checksum: Option<(u16, u16)>,
    launch_time: Option<u64>,
}

impl TxRequest {
    /// Nothing.
    pub const NONE: Self = Self {
        timestamp: false,
        checksum: None,
        launch_time: None,
    };

    /// Tells when the packet was sent: [`Frame::sent_at`](super::Frame::sent_at).
    /// `XDP_TXMD_FLAGS_TIMESTAMP`.
    #[doc(alias = "XDP_TXMD_FLAGS_TIMESTAMP")]
    #[must_use]
    pub const fn timestamp(mut self) -> Self {
        self.timestamp = true;
        self
    }

    /// Fills in the checksum of the bytes from `start` of the packet on, `offset` bytes behind `start`, where
    /// that of the pseudo-header lies. `XDP_TXMD_FLAGS_CHECKSUM`.
    #[doc(alias = "XDP_TXMD_FLAGS_CHECKSUM")]
    #[must_use]
    pub const fn checksum(mut self, start: u16, offset: u16) -> Self {
        self.checksum = Some((start, offset));
        self
    }

    /// Sends at this time, in nanoseconds of the card's clock. `XDP_TXMD_FLAGS_LAUNCH_TIME`, Linux 6.15: an older
    /// kernel, in copy mode, never gets past the packet.
    #[doc(alias = "XDP_TXMD_FLAGS_LAUNCH_TIME")]
    #[must_use]
    pub const fn launch_time(mut self, nanoseconds: u64) -> Self {
        self.launch_time = Some(nanoseconds);
        self
    }

    /// How many bytes of the packet it takes to fill in the checksum.
    pub(super) fn covers(self) -> usize {
        self.checksum.map_or(0, |(start, offset)| {
            usize::from(start) + usize::from(offset) + size_of::<u16>()
        })
    }

    /// As the kernel reads it.
    pub(super) fn to_bytes(self) -> [u8; TX_METADATA as usize] {
        let flag = |set: bool, flag: u32| if set { u64::from(flag) } else { 0 };
        let flags = flag(self.timestamp, XDP_TXMD_FLAGS_TIMESTAMP)
            | flag(self.checksum.is_some(), XDP_TXMD_FLAGS_CHECKSUM)
            | flag(self.launch_time.is_some(), XDP_TXMD_FLAGS_LAUNCH_TIME);
        let (start, offset) = self.checksum.unwrap_or_default();
        let mut bytes = [0; TX_METADATA as usize];
        bytes[..8].copy_from_slice(&flags.to_ne_bytes());
        bytes[8..10].copy_from_slice(&start.to_ne_bytes());
        bytes[10..12].copy_from_slice(&offset.to_ne_bytes());
        bytes[16..].copy_from_slice(&self.launch_time.unwrap_or_default().to_ne_bytes());
        bytes
    }

    /// The timestamp that the kernel has left there, where one was asked for.
    pub(super) fn timestamp_in(metadata: &[u8]) -> Option<u64> {
        let word = |at: usize| {
            metadata
                .get(at..at + 8)?
                .try_into()
                .ok()
                .map(u64::from_ne_bytes)
        };
        let asked = word(0)? & u64::from(XDP_TXMD_FLAGS_TIMESTAMP) != 0;
        if asked { word(8) } else { None }
    }
}
