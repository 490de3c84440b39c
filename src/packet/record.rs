//! One captured packet, and every field of its header.

use core::fmt;
use core::time::Duration;

use super::block::Blocks;
use super::delivery::{Delivery, field};
use crate::abi::packet::{PacketStatus, link_address, record};

/// A packet in a block, or in a frame of its own: its header and its bytes, lent by the one or the
/// other.
///
/// Each method reads its field from the ring when it is called.
#[doc(alias = "tpacket3_hdr")]
#[doc(alias = "tpacket2_hdr")]
#[derive(Clone, Copy)]
pub struct Packet<'b, D: Delivery = Blocks> {
    header: &'b D::Header,
    word: D::Word,
    data: &'b [u8],
}

impl<'b, D: Delivery> Packet<'b, D> {
    #[inline(always)]
    pub(super) fn new(header: &'b D::Header, word: D::Word, data: &'b [u8]) -> Self {
        Self { header, word, data }
    }

    #[inline(always)]
    fn bytes<const N: usize>(&self, offset: usize) -> [u8; N] {
        field(self.header.as_ref(), offset)
    }

    #[inline(always)]
    fn u16(&self, offset: usize) -> u16 {
        u16::from_ne_bytes(self.bytes(offset))
    }

    #[inline(always)]
    fn u32(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(self.bytes(offset))
    }

    /// The bytes at `offset` of the `struct sockaddr_ll`.
    #[inline(always)]
    fn address<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.bytes(D::OFFSETS.link_address + offset)
    }

    /// The captured bytes, from the link-layer header on, or from the network header on with
    /// [`LinkHeader::Removed`](super::LinkHeader::Removed).
    #[inline(always)]
    #[must_use]
    pub fn data(&self) -> &'b [u8] {
        self.data
    }

    /// How many bytes were captured: at most the snap length.
    #[inline(always)]
    #[must_use]
    pub fn captured_len(&self) -> u32 {
        self.u32(D::OFFSETS.captured)
    }

    /// How many bytes the packet had on the wire, without a VLAN tag or a link-layer header that was
    /// taken out.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a packet has a length; it is no container"
    )]
    #[inline(always)]
    #[must_use]
    pub fn len(&self) -> u32 {
        self.u32(D::OFFSETS.length)
    }

    /// When the packet was received or sent, and who says so.
    #[inline]
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        let status = self.status();
        let source = if status.contains(PacketStatus::TIMESTAMP_HARDWARE) {
            TimestampSource::Hardware
        } else if status.contains(PacketStatus::TIMESTAMP_SOFTWARE) {
            TimestampSource::Software
        } else {
            TimestampSource::Ring
        };
        Timestamp {
            seconds: self.u32(D::OFFSETS.seconds),
            nanoseconds: self.u32(D::OFFSETS.nanoseconds),
            source,
        }
    }

    /// What the kernel says of the packet.
    #[inline]
    #[must_use]
    pub fn status(&self) -> PacketStatus {
        PacketStatus::from_bits_retain(D::status(self.header, self.word))
    }

    /// The VLAN tag that was taken out of the packet; `None` where there was none, or where it is
    /// still in the bytes.
    #[inline]
    #[must_use]
    pub fn vlan(&self) -> Option<Vlan> {
        const IEEE_802_1Q: u16 = 0x8100;
        let status = self.status();
        if !status.contains(PacketStatus::VLAN_VALID) {
            return None;
        }
        let tpid = if status.contains(PacketStatus::VLAN_TPID_VALID) {
            self.u16(D::OFFSETS.vlan_tpid)
        } else {
            IEEE_802_1Q
        };
        Some(Vlan {
            tci: self.u16(D::OFFSETS.vlan_tci),
            tpid,
        })
    }

    /// Where the network header begins in [`data`](Self::data), in bytes: 0 where the link-layer header
    /// was taken off. It can lie beyond what was captured.
    #[inline]
    #[must_use]
    pub fn network_offset(&self) -> usize {
        usize::from(
            self.u16(D::OFFSETS.net)
                .saturating_sub(self.u16(D::OFFSETS.mac)),
        )
    }

    /// The protocol of the network header: an EtherType, or one of the kernel's own below `0x0600`.
    #[inline]
    #[must_use]
    pub fn protocol(&self) -> u16 {
        u16::from_be_bytes(self.address(link_address::PROTOCOL))
    }

    /// Where the packet was going.
    #[inline]
    #[must_use]
    pub fn direction(&self) -> Direction {
        let [raw] = self.address(link_address::DIRECTION);
        Direction::from_raw(raw)
    }

    /// The link-layer address of the sender.
    #[inline]
    #[must_use]
    pub fn source(&self) -> LinkAddress {
        let [len] = self.address(link_address::ADDRESS_LENGTH);
        LinkAddress {
            hardware: u16::from_ne_bytes(self.address(link_address::HARDWARE)),
            len: len.min(8),
            bytes: self.address(link_address::ADDRESS),
        }
    }

    /// The index of the interface that the packet was seen on.
    #[inline]
    #[must_use]
    pub fn interface_index(&self) -> u32 {
        u32::from_ne_bytes(self.address(link_address::INTERFACE))
    }
}

impl Packet<'_> {
    /// The flow hash; zero unless [`RxHash::Computed`](super::RxHash::Computed) was asked for. Frames
    /// of TPACKET_V2 have no place for one.
    #[inline]
    #[must_use]
    pub fn rxhash(&self) -> u32 {
        self.u32(record::RXHASH)
    }
}

impl<D: Delivery> fmt::Debug for Packet<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("captured_len", &self.captured_len())
            .field("len", &self.len())
            .field("timestamp", &self.timestamp())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// When a packet was seen: seconds and nanoseconds since 1970, UTC where the clock is. Becomes a
/// [`Duration`], and with `std` a `SystemTime`.
///
/// The kernel keeps 32 bits of the seconds, which last until 2106.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: u32,
    /// And nanoseconds, below 1,000,000,000.
    pub nanoseconds: u32,
    /// Whose clock it was, and when it was read.
    pub source: TimestampSource,
}

impl From<Timestamp> for Duration {
    /// The time since 1970.
    fn from(time: Timestamp) -> Self {
        Self::new(time.seconds.into(), time.nanoseconds)
    }
}

#[cfg(feature = "std")]
mod with_std {
    extern crate std;

    use core::time::Duration;
    use std::time::SystemTime;

    use super::Timestamp;

    impl From<Timestamp> for SystemTime {
        /// The stamp as a time of the system clock, which it is unless the interface's clock
        /// ([`TimestampSource::Hardware`](super::TimestampSource::Hardware)) shows another.
        fn from(time: Timestamp) -> Self {
            Self::UNIX_EPOCH + Duration::from(time)
        }
    }
}

/// Who stamped a packet.
///
/// `TP_STATUS_TS_SYS_HARDWARE`, an interface's stamp converted to the system clock, is not among them: the
/// kernel has given it up, and never sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampSource {
    /// Nobody before: the system clock was read when the packet was copied into the ring.
    Ring,
    /// The kernel, from the system clock, when the packet entered or left its network stack.
    Software,
    /// The interface, from its own clock.
    Hardware,
}

/// A VLAN tag that was taken out of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// Priority (3 bits), drop eligibility (1) and VLAN identifier (12).
    pub tci: u16,
    /// The tag's protocol: `0x8100`, or `0x88a8` for a service tag.
    pub tpid: u16,
}

/// Where a packet was going: `sll_pkttype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// To this host: `PACKET_HOST`.
    Host,
    /// To everybody on the link: `PACKET_BROADCAST`.
    Broadcast,
    /// To a group: `PACKET_MULTICAST`.
    Multicast,
    /// To another host, and seen because the interface is promiscuous: `PACKET_OTHERHOST`.
    OtherHost,
    /// Sent by this host: `PACKET_OUTGOING`. On the loopback each packet is seen going out and coming
    /// in; `ignore_outgoing` leaves one.
    Outgoing,
    /// A value that the kernel keeps for itself.
    Other(u8),
}

impl Direction {
    fn from_raw(raw: u8) -> Self {
        match raw {
            0 => Self::Host,
            1 => Self::Broadcast,
            2 => Self::Multicast,
            3 => Self::OtherHost,
            4 => Self::Outgoing,
            other => Self::Other(other),
        }
    }
}

/// A link-layer address of up to eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkAddress {
    /// The kind of link: `ARPHRD_ETHER` (1), `ARPHRD_LOOPBACK` (772) and so on.
    pub hardware: u16,
    len: u8,
    bytes: [u8; 8],
}

impl LinkAddress {
    /// The address: six bytes on Ethernet.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}
