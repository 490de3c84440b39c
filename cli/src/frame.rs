//! One captured packet, as every output sees it.

use core::time::Duration;

/// Bytes of an Ethernet header before its type: both addresses.
pub(crate) const ADDRESSES: usize = 12;
/// Bytes of one VLAN tag.
pub(crate) const TAG: usize = 4;

/// What the outputs need of a packet; borrows the ring's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    /// Since 1970, to the nanosecond.
    pub(crate) time: Duration,
    /// What was captured, without the tag that the kernel took out.
    pub(crate) data: &'a [u8],
    /// Bytes on the wire, without that tag.
    pub(crate) wire_len: u32,
    /// The outermost VLAN tag, which the kernel keeps beside the packet.
    pub(crate) tag: Option<Tag>,
    pub(crate) way: Way,
}

/// An 802.1Q or 802.1ad tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The tag's own ethertype.
    pub(crate) protocol: u16,
    /// Priority, drop eligibility and VLAN number.
    pub(crate) control: u16,
}

impl Tag {
    pub(crate) const fn vlan(self) -> u16 {
        self.control & 0x0fff
    }

    pub(crate) const fn priority(self) -> u16 {
        self.control >> 13
    }

    /// As it was on the wire.
    pub(crate) fn bytes(self) -> [u8; TAG] {
        let [p, q] = self.protocol.to_be_bytes();
        let [c, d] = self.control.to_be_bytes();
        [p, q, c, d]
    }
}

/// How the packet met the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    ToUs,
    Broadcast,
    Multicast,
    /// Seen only because the interface is promiscuous.
    ToOthers,
    Outgoing,
}

impl Way {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ToUs => "in",
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
            Self::ToOthers => "otherhost",
            Self::Outgoing => "out",
        }
    }
}

impl<'a> Frame<'a> {
    /// The packet as it was on the wire, in three pieces: addresses, the tag if there was one, the rest; cut at `snap_length`.
    ///
    /// The tag is put back only where the addresses are whole.
    pub(crate) fn on_wire(&self, snap_length: u32) -> Wire<'a> {
        let snap_length = usize::try_from(snap_length).unwrap_or(usize::MAX);
        match (self.tag, self.data.split_at_checked(ADDRESSES)) {
            (Some(tag), Some((addresses, rest))) => {
                let room = snap_length.saturating_sub(ADDRESSES + TAG);
                Wire {
                    addresses,
                    tag: Some(tag.bytes()),
                    rest: rest.get(..room).unwrap_or(rest),
                    wire_len: self.wire_len.saturating_add(TAG as u32),
                }
            }
            _ => Wire {
                addresses: &[],
                tag: None,
                rest: self.data,
                wire_len: self.wire_len,
            },
        }
    }
}

/// See [`Frame::on_wire`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire<'a> {
    pub(crate) addresses: &'a [u8],
    pub(crate) tag: Option<[u8; TAG]>,
    pub(crate) rest: &'a [u8],
    pub(crate) wire_len: u32,
}

impl Wire<'_> {
    /// Bytes held here.
    pub(crate) fn len(&self) -> usize {
        self.addresses.len() + self.tag.map_or(0, |tag| tag.len()) + self.rest.len()
    }
}
