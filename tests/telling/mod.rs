//! What a packet must tell of itself, delivered in a block or in a frame of its own.

use packet_ring::packet::{Delivery, Direction, Packet, PacketStatus, Vlan};
use packet_ring_lab::{PacketType, Seen, frame};

pub(crate) const IEEE_802_1Q: u16 = 0x8100;
const IEEE_802_1AD: u16 = 0x88a8;

/// Size of an Ethernet header in bytes.
pub(crate) const ETHERNET: usize = 14;

/// Tags of every kind: protocol and control information.
pub(crate) const TAGS: [(u16, u16); 4] = [
    (IEEE_802_1Q, 5),
    (IEEE_802_1Q, 0xbfff),
    (IEEE_802_1Q, 0),
    (IEEE_802_1AD, 0x2007),
];

/// Addresses that a frame can be sent to, where `own` is the receiver's, and what they make of it.
pub(crate) fn destinations(own: [u8; 6]) -> [([u8; 6], Direction, PacketType); 4] {
    let (group, other) = ([0x01, 0, 0x5e, 0, 0, 9], [0x02, 0, 0, 0, 0, 0x99]);
    [
        (own, Direction::Host, PacketType::Host),
        ([0xff; 6], Direction::Broadcast, PacketType::Broadcast),
        (group, Direction::Multicast, PacketType::Multicast),
        (other, Direction::OtherHost, PacketType::OtherHost),
    ]
}

/// A frame like `frame`, to another address.
pub(crate) fn to(address: [u8; 6], mut frame: Vec<u8>) -> Vec<u8> {
    frame[..6].copy_from_slice(&address);
    frame
}

/// A frame with this tag.
pub(crate) fn tagged(tpid: u16, tci: u16) -> Vec<u8> {
    let mut frame = frame::numbered_vlan(0, 7, 100);
    frame[12..14].copy_from_slice(&tpid.to_be_bytes());
    frame[14..16].copy_from_slice(&tci.to_be_bytes());
    frame
}

/// The packet is the whole broadcast frame that was sent, untagged, as a second raw socket saw it.
pub(crate) fn is_what_was_sent(
    packet: &Packet<'_, impl Delivery>,
    sent: &[u8],
    seen: &Seen,
    interface: u32,
) {
    assert_eq!(packet.data(), seen.bytes);
    assert_eq!(packet.data(), sent);
    let len = sent.len() as u32;
    assert_eq!((packet.captured_len(), packet.len()), (len, len));
    assert_eq!(packet.protocol(), seen.protocol);
    assert_eq!(packet.network_offset(), ETHERNET);
    assert_eq!(packet.interface_index(), interface);
    assert_eq!(packet.source().hardware, 1);
    assert_eq!(packet.source().as_bytes(), &sent[6..12]);
    assert_eq!(packet.direction(), Direction::Broadcast);
    assert_eq!(packet.vlan(), None);
    assert!(packet.status().contains(PacketStatus::USER));
    assert!(!packet.status().intersects(
        PacketStatus::VLAN_VALID | PacketStatus::LOSING | PacketStatus::CHECKSUM_NOT_READY
    ));
    assert!(format!("{packet:?}").contains(&format!("captured_len: {len}")));
}

/// The packet has its tag in the header, and not in the bytes.
pub(crate) fn has_its_tag_taken_out(
    packet: &Packet<'_, impl Delivery>,
    sent: &[u8],
    (tpid, tci): (u16, u16),
) {
    assert_eq!(packet.vlan(), Some(Vlan { tci, tpid }));
    assert_eq!(packet.data(), [&sent[..12], &sent[16..]].concat());
    assert_eq!((packet.captured_len(), packet.len()), (96, 96));
    assert_eq!(packet.protocol(), frame::ETHERTYPE);
    assert_eq!(packet.network_offset(), ETHERNET);
    let valid = PacketStatus::VLAN_VALID | PacketStatus::VLAN_TPID_VALID;
    assert!(packet.status().contains(valid));
}

/// The packet, which this host sends, has its tag in the bytes, where the network header lies behind it.
pub(crate) fn has_its_tag_inside(packet: &Packet<'_, impl Delivery>, sent: &[u8]) {
    assert_eq!(packet.direction(), Direction::Outgoing);
    assert_eq!(packet.vlan(), None);
    assert_eq!(packet.data(), sent);
    assert_eq!(packet.len(), 100);
    assert_eq!(packet.network_offset(), 18);
}
