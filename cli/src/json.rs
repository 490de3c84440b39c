//! One JSON object a packet and a line, for programs. Fields that a packet does not have are absent.

use core::net::IpAddr;
use std::io::{self, Write};

use etherparse::{
    ArpPacketSlice, LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, LinkSlice, TransportSlice,
};
use serde::{Serialize, Serializer};

use crate::frame::{Frame, Tag};
use crate::interfaces::LinkType;
use crate::line::{Mac, TcpFlags};

/// Time as two integers: a nanosecond since 1970 is more than JavaScript's numbers hold.
#[derive(Debug, Default, Serialize)]
struct Object {
    seconds: u64,
    nanoseconds: u32,
    /// Bytes on the wire, and how many of them were captured; both without the tag of `vlan`.
    length: u32,
    captured: usize,
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vlan: Option<Vlan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_mac: Option<Text<Mac>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_mac: Option<Text<Mac>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ethertype: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<IpAddr>,
    /// The number that IP has for what it carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_flags: Option<Text<TcpFlags>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_code: Option<u8>,
    /// Whether a header was cut off or made no sense.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    malformed: bool,
}

#[derive(Debug, Serialize)]
struct Vlan {
    id: u16,
    priority: u16,
    tpid: u16,
}

impl From<Tag> for Vlan {
    fn from(tag: Tag) -> Self {
        Self {
            id: tag.vlan(),
            priority: tag.priority(),
            tpid: tag.protocol,
        }
    }
}

/// A value that JSON has as its text.
#[derive(Debug)]
struct Text<T>(T);

impl<T: core::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Writes the packet's line.
pub(crate) fn write(
    out: &mut impl Write,
    frame: &Frame<'_>,
    link_type: LinkType,
) -> io::Result<()> {
    let mut object = Object {
        seconds: frame.time.as_secs(),
        nanoseconds: frame.time.subsec_nanos(),
        length: frame.wire_len,
        captured: frame.data.len(),
        direction: frame.way.name(),
        vlan: frame.tag.map(Vlan::from),
        ..Object::default()
    };
    let packet = match link_type {
        LinkType::Ethernet => LaxSlicedPacket::from_ethernet(frame.data).ok(),
        LinkType::RawIp => LaxSlicedPacket::from_ip(frame.data).ok(),
    };
    match &packet {
        Some(packet) => describe(&mut object, packet),
        None => object.malformed = true,
    }
    serde_json::to_writer(&mut *out, &object)?;
    out.write_all(b"\n")
}

fn describe(object: &mut Object, packet: &LaxSlicedPacket<'_>) {
    object.malformed = packet.stop_err.is_some();
    if let Some(LinkSlice::Ethernet2(header)) = &packet.link {
        object.source_mac = Some(Text(Mac(header.source())));
        object.destination_mac = Some(Text(Mac(header.destination())));
        object.ethertype = Some(header.ether_type().0);
    }
    for ext in &packet.link_exts {
        if let LaxLinkExtSlice::Vlan(vlan) = ext {
            // The outermost tag is the packet's; what is behind the last one is its type.
            let outer = Vlan {
                id: vlan.vlan_identifier().value(),
                priority: vlan.priority_code_point().value().into(),
                tpid: object.ethertype.unwrap_or_default(),
            };
            object.vlan.get_or_insert(outer);
            object.ethertype = Some(vlan.ether_type().0);
        }
    }
    match &packet.net {
        Some(LaxNetSlice::Arp(arp)) => {
            object.network = Some("arp");
            object.source = address(arp, arp.sender_protocol_addr());
            object.destination = address(arp, arp.target_protocol_addr());
        }
        Some(LaxNetSlice::Ipv4(ip)) => {
            object.network = Some("ipv4");
            object.source = Some(ip.header().source_addr().into());
            object.destination = Some(ip.header().destination_addr().into());
            object.protocol = Some(ip.payload().ip_number.0);
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            object.network = Some("ipv6");
            object.source = Some(ip.header().source_addr().into());
            object.destination = Some(ip.header().destination_addr().into());
            object.protocol = Some(ip.payload().ip_number.0);
        }
        None => {}
    }
    match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            object.transport = Some("tcp");
            object.source_port = Some(tcp.source_port());
            object.destination_port = Some(tcp.destination_port());
            object.tcp_flags = Some(Text(TcpFlags::of(tcp)));
        }
        Some(TransportSlice::Udp(udp)) => {
            object.transport = Some("udp");
            object.source_port = Some(udp.source_port());
            object.destination_port = Some(udp.destination_port());
        }
        Some(TransportSlice::Icmpv4(icmp)) => {
            object.transport = Some("icmp");
            object.icmp_type = Some(icmp.type_u8());
            object.icmp_code = Some(icmp.code_u8());
        }
        Some(TransportSlice::Icmpv6(icmp)) => {
            object.transport = Some("icmp6");
            object.icmp_type = Some(icmp.type_u8());
            object.icmp_code = Some(icmp.code_u8());
        }
        Some(TransportSlice::Igmp(_)) => object.transport = Some("igmp"),
        None => {}
    }
}

/// An IPv4 address in an ARP packet that speaks of such.
fn address(arp: &ArpPacketSlice<'_>, bytes: &[u8]) -> Option<IpAddr> {
    let bytes = <[u8; 4]>::try_from(bytes).ok()?;
    (arp.proto_addr_type() == etherparse::EtherType::IPV4).then(|| bytes.into())
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use etherparse::PacketBuilder;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::frame::Way;

    fn object(data: &[u8], tag: Option<Tag>) -> Value {
        let frame = Frame {
            time: Duration::new(7, 9),
            data,
            wire_len: 100,
            tag,
            way: Way::Outgoing,
        };
        let mut out = Vec::new();
        write(&mut out, &frame, LinkType::Ethernet).unwrap();
        assert_eq!(out.pop(), Some(b'\n'));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_segment_has_all_its_fields() {
        let mut data = Vec::new();
        let builder = PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
            .tcp(1234, 80, 5, 6)
            .syn();
        builder.write(&mut data, &[]).unwrap();
        let tag = Some(Tag {
            protocol: 0x88a8,
            control: 0x6005,
        });
        assert_eq!(
            object(&data, tag),
            json!({
                "seconds": 7, "nanoseconds": 9, "length": 100, "captured": 54, "direction": "out",
                "vlan": { "id": 5, "priority": 3, "tpid": 0x88a8 },
                "source_mac": "01:01:01:01:01:01", "destination_mac": "02:02:02:02:02:02", "ethertype": 0x0800,
                "network": "ipv4", "source": "192.0.2.1", "destination": "192.0.2.2", "protocol": 6,
                "transport": "tcp", "source_port": 1234, "destination_port": 80, "tcp_flags": "S",
            })
        );
    }

    #[test]
    fn an_unknown_ethertype_is_a_number() {
        let mut data = [0; 60];
        data[12..14].copy_from_slice(&[0x88, 0xb5]);
        assert_eq!(object(&data, None)["ethertype"], 0x88b5);
    }

    proptest! {
        #[test]
        fn any_bytes_make_an_object(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            object(&data, None);
        }
    }
}
