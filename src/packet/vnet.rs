//! What a packet asks of the interface that sends it.

/// A `struct virtio_net_hdr`: checksum and segmentation that are left to the interface, or to the
/// kernel where the interface cannot.
///
/// ```
/// use packet_ring::packet::{Segmentation, VnetHeader};
///
/// // TCP over IPv4 in Ethernet, to be cut into segments of 1,448 bytes: the TCP header begins at 34,
/// // has its checksum 16 bytes further on, and ends at 66.
/// let header = VnetHeader::NONE
///     .checksum(34, 16)
///     .segments(Segmentation::TcpIpv4, 1448, 66);
/// ```
#[doc(alias = "virtio_net_hdr")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VnetHeader {
    flags: u8,
    segmentation: u8,
    header_len: u16,
    segment_size: u16,
    checksum_start: u16,
    checksum_offset: u16,
}

/// What a large packet is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segmentation {
    /// TCP over IPv4: `VIRTIO_NET_HDR_GSO_TCPV4`.
    TcpIpv4,
    /// TCP over IPv6: `VIRTIO_NET_HDR_GSO_TCPV6`.
    TcpIpv6,
    /// UDP datagrams: `VIRTIO_NET_HDR_GSO_UDP_L4`, Linux 6.2. To an older kernel such a packet is
    /// [`Unsent::Malformed`](crate::Unsent).
    Udp,
}

impl VnetHeader {
    /// `VIRTIO_NET_HDR_F_NEEDS_CSUM`.
    const NEEDS_CHECKSUM: u8 = 1;

    /// Bytes before each packet.
    pub const SIZE: u16 = 10;

    /// Asks for nothing: the packet is sent as it is.
    pub const NONE: Self = Self {
        flags: 0,
        segmentation: 0,
        header_len: 0,
        segment_size: 0,
        checksum_start: 0,
        checksum_offset: 0,
    };

    /// Asks for a checksum over the packet from byte `start` on, stored `offset` bytes behind that.
    ///
    /// The place of the checksum holds the sum of the pseudo header. `VIRTIO_NET_HDR_F_NEEDS_CSUM`.
    #[must_use]
    pub const fn checksum(mut self, start: u16, offset: u16) -> Self {
        self.flags |= Self::NEEDS_CHECKSUM;
        self.checksum_start = start;
        self.checksum_offset = offset;
        self
    }

    /// Has the kernel copy the first `len` bytes of the packet, and lend the interface only the rest.
    ///
    /// Copying is cheaper where the packet is short: all 64 bytes copied, a frame costs three quarters of
    /// what it costs lent, over veth. More than the packet has is [`Unsent::Malformed`](crate::Unsent).
    /// With [`segments`](Self::segments) it is the length of the headers.
    #[must_use]
    pub const fn copied(mut self, len: u16) -> Self {
        self.header_len = len;
        self
    }

    /// Has the packet cut into segments that carry at most `size` bytes behind the first `header_len`
    /// bytes, which each of them repeats. Needs [`checksum`](Self::checksum).
    #[must_use]
    pub const fn segments(mut self, kind: Segmentation, size: u16, header_len: u16) -> Self {
        self.segmentation = match kind {
            Segmentation::TcpIpv4 => 1,
            Segmentation::TcpIpv6 => 4,
            Segmentation::Udp => 5,
        };
        self.segment_size = size;
        self.header_len = header_len;
        self
    }

    /// The same for a packet that was made `bytes` longer in front of its transport header, as by a VLAN
    /// tag.
    #[must_use]
    pub const fn moved(mut self, bytes: u16) -> Self {
        if self.needs_checksum() {
            self.checksum_start = self.checksum_start.saturating_add(bytes);
        }
        if self.header_len != 0 {
            self.header_len = self.header_len.saturating_add(bytes);
        }
        self
    }

    /// Whether the packet's checksum is still to be made.
    #[must_use]
    pub const fn needs_checksum(&self) -> bool {
        self.flags & Self::NEEDS_CHECKSUM != 0
    }

    /// Whether the packet is to be cut into segments: it can then be longer than the MTU.
    #[must_use]
    pub const fn is_segmented(&self) -> bool {
        self.segmentation != 0
    }

    /// As the kernel writes it.
    pub(super) const fn from_bytes(bytes: [u8; Self::SIZE as usize]) -> Self {
        let [flags, segmentation, a, b, c, d, e, f, g, h] = bytes;
        Self {
            flags,
            segmentation,
            header_len: u16::from_ne_bytes([a, b]),
            segment_size: u16::from_ne_bytes([c, d]),
            checksum_start: u16::from_ne_bytes([e, f]),
            checksum_offset: u16::from_ne_bytes([g, h]),
        }
    }

    /// As the kernel reads it, in this machine's byte order.
    pub(super) fn bytes(self) -> [u8; Self::SIZE as usize] {
        let [a, b] = self.header_len.to_ne_bytes();
        let [c, d] = self.segment_size.to_ne_bytes();
        let [e, f] = self.checksum_start.to_ne_bytes();
        let [g, h] = self.checksum_offset.to_ne_bytes();
        [self.flags, self.segmentation, a, b, c, d, e, f, g, h]
    }
}
