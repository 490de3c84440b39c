//! What kind of packet it is: the innermost of its headers that says what follows.

use core::fmt;

use etherparse::{IpNumber, LaxNetSlice, LaxSlicedPacket, LinkSlice};
use serde::Serialize;

use crate::interfaces::LinkType;
use crate::line::last_ether_type;

/// Smaller values are not types but lengths, of IEEE 802.3 frames.
const LEAST_ETHERTYPE: u16 = 0x600;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "Fields")]
pub(super) enum Kind {
    Ipv4(u8),
    Ipv6(u8),
    Ethertype(u16),
    /// An IEEE 802.3 frame, or one whose headers are cut off.
    Other,
}

impl Kind {
    pub(super) fn of(data: &[u8], link_type: LinkType) -> Self {
        let packet = match link_type {
            LinkType::Ethernet => LaxSlicedPacket::from_ethernet(data).ok(),
            LinkType::RawIp => LaxSlicedPacket::from_ip(data).ok(),
        };
        let Some(packet) = packet else {
            return Self::Other;
        };
        let ethertype = || match &packet.link {
            Some(LinkSlice::Ethernet2(header)) => {
                Some(last_ether_type(&packet).unwrap_or(header.ether_type()).0)
            }
            _ => None,
        };
        match &packet.net {
            Some(LaxNetSlice::Ipv4(ip)) => Self::Ipv4(ip.payload().ip_number.0),
            Some(LaxNetSlice::Ipv6(ip)) => Self::Ipv6(ip.payload().ip_number.0),
            _ => ethertype()
                .filter(|&ethertype| ethertype >= LEAST_ETHERTYPE)
                .map_or(Self::Other, Self::Ethertype),
        }
    }
}

/// A kind as JSON has it, with the names that it has for single packets.
#[derive(Default, Serialize)]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    ethertype: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<u8>,
}

impl From<Kind> for Fields {
    fn from(kind: Kind) -> Self {
        let ip = |network, protocol| Self {
            network: Some(network),
            protocol: Some(protocol),
            ..Self::default()
        };
        match kind {
            Kind::Ipv4(protocol) => ip("ipv4", protocol),
            Kind::Ipv6(protocol) => ip("ipv6", protocol),
            Kind::Ethertype(ethertype) => Self {
                ethertype: Some(ethertype),
                ..Self::default()
            },
            Kind::Other => Self::default(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ip = |version, number| match IpNumber(number).keyword_str() {
            Some(name) => write!(f, "{version} {name}"),
            None => write!(f, "{version} protocol {number}"),
        };
        match *self {
            Self::Ipv4(number) => ip("IPv4", number),
            Self::Ipv6(number) => ip("IPv6", number),
            Self::Ethertype(0x0806) => f.write_str("ARP"),
            Self::Ethertype(number) => write!(f, "ethertype {number:#06x}"),
            Self::Other => f.write_str("other"),
        }
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{PacketBuilder, icmpv6, ip_number};
    use serde_json::{json, to_value};

    use super::*;

    fn kind(data: &[u8]) -> Kind {
        Kind::of(data, LinkType::Ethernet)
    }

    #[test]
    fn behind_tags_and_extension_headers_is_what_counts() {
        let mut data = Vec::new();
        PacketBuilder::ethernet2([1; 6], [2; 6])
            .single_vlan(5.try_into().unwrap())
            .ipv6([1; 16], [2; 16], 64)
            .udp(1, 2)
            .write(&mut data, &[])
            .unwrap();
        assert_eq!(kind(&data), Kind::Ipv6(17));
        // Multicast listener discovery: a hop-by-hop header stands before ICMPv6.
        let mut discovery = data[..12].to_owned();
        discovery.extend([0x86, 0xdd]);
        discovery.extend([0x60, 0, 0, 0, 0, 16, ip_number::IPV6_HOP_BY_HOP.0, 1]);
        discovery.extend([0; 32]);
        discovery.extend([ip_number::IPV6_ICMP.0, 0, 5, 2, 0, 0, 1, 0]);
        discovery.extend([icmpv6::TYPE_MULTICAST_LISTENER_QUERY, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(kind(&discovery), Kind::Ipv6(58));
        assert_eq!(Kind::of(&discovery[14..], LinkType::RawIp), Kind::Ipv6(58));
    }

    #[test]
    fn a_length_is_no_ethertype() {
        let mut data = [0; 60];
        data[12..14].copy_from_slice(&[0x05, 0xff]);
        assert_eq!(kind(&data), Kind::Other);
        data[12..14].copy_from_slice(&[0x06, 0x00]);
        assert_eq!(kind(&data), Kind::Ethertype(0x0600));
        assert_eq!(kind(&data[..13]), Kind::Other);
    }

    #[test]
    fn names_for_people_and_for_programs() {
        for (kind, text, fields) in [
            (
                Kind::Ipv4(6),
                "IPv4 TCP",
                json!({"network": "ipv4", "protocol": 6}),
            ),
            (
                Kind::Ipv6(58),
                "IPv6 IPv6-ICMP",
                json!({"network": "ipv6", "protocol": 58}),
            ),
            (
                Kind::Ipv4(254),
                "IPv4 protocol 254",
                json!({"network": "ipv4", "protocol": 254}),
            ),
            (Kind::Ethertype(0x0806), "ARP", json!({"ethertype": 0x0806})),
            (
                Kind::Ethertype(0x88cc),
                "ethertype 0x88cc",
                json!({"ethertype": 0x88cc}),
            ),
            (Kind::Other, "other", json!({})),
        ] {
            assert_eq!(kind.to_string(), text);
            assert_eq!(to_value(kind).unwrap(), fields);
        }
    }
}
