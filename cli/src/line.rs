//! One line a packet, as tcpdump would have it. What is cut off or makes no sense is marked, never trusted.

mod net;
mod transport;

use std::io::{self, Write};

use etherparse::err::Layer;
use etherparse::{EtherType, LaxLinkExtSlice, LaxSlicedPacket, LinkSlice};

use crate::clock::{Clock, Style};
use crate::frame::{Frame, Tag};
use crate::interfaces::LinkType;

pub(crate) use transport::TcpFlags;

/// Below this the type field of an Ethernet header is a length (IEEE 802.3).
const FIRST_ETHERTYPE: u16 = 0x600;

/// Prints packets for people.
#[derive(Debug)]
pub(crate) struct Lines {
    clock: Clock,
    link_type: LinkType,
    link_level: LinkLevel,
}

/// Whether the Ethernet header is printed: `-e`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkLevel {
    Hidden,
    Shown,
}

impl Lines {
    pub(crate) fn new(style: Style, link_type: LinkType, link_level: LinkLevel) -> Self {
        Self {
            clock: Clock::new(style),
            link_type,
            link_level,
        }
    }

    /// Writes the packet's line.
    pub(crate) fn write(&mut self, out: &mut impl Write, frame: &Frame<'_>) -> io::Result<()> {
        self.clock.write(out, frame.time)?;
        match self.link_type {
            LinkType::Ethernet => match LaxSlicedPacket::from_ethernet(frame.data) {
                Ok(packet) => self.ethernet(out, frame, &packet),
                Err(_) => write!(out, "[|ether], length {}", frame.wire_len),
            },
            LinkType::RawIp => match LaxSlicedPacket::from_ip(frame.data) {
                Ok(packet) => net::write(out, &packet, frame.wire_len),
                Err(_) => write!(out, "[|ip], length {}", frame.wire_len),
            },
        }?;
        out.write_all(b"\n")
    }

    fn ethernet(
        &self,
        out: &mut impl Write,
        frame: &Frame<'_>,
        packet: &LaxSlicedPacket<'_>,
    ) -> io::Result<()> {
        let Some(LinkSlice::Ethernet2(header)) = &packet.link else {
            return write!(out, "length {}", frame.wire_len);
        };
        let ether_type = last_ether_type(packet).unwrap_or(header.ether_type());
        let known = packet.net.is_some();
        if self.link_level == LinkLevel::Shown || !known {
            write!(
                out,
                "{} > {}, ",
                Mac(header.source()),
                Mac(header.destination())
            )?;
            if ether_type.0 < FIRST_ETHERTYPE {
                write!(out, "802.3, length {}", frame.wire_len)?;
            } else {
                write!(
                    out,
                    "ethertype {}, length {}",
                    EtherTypeName(ether_type),
                    frame.wire_len
                )?;
            }
            if known {
                out.write_all(b": ")?;
            } else if has_tag(frame, packet) {
                out.write_all(b", ")?;
            }
        }
        tags(out, frame.tag, packet, if known { ", " } else { "" })?;
        let link_len = header.header_len()
            + packet
                .link_exts
                .iter()
                .map(|ext| ext.header_len())
                .sum::<usize>();
        match (&packet.net, &packet.stop_err) {
            (Some(_), _) => net::write(out, packet, frame.wire_len.saturating_sub(link_len as u32)),
            (None, Some((_, layer))) => write!(out, " [|{}]", layer_name(*layer)),
            (None, None) => Ok(()),
        }
    }
}

fn has_tag(frame: &Frame<'_>, packet: &LaxSlicedPacket<'_>) -> bool {
    frame.tag.is_some() || !packet.link_exts.is_empty()
}

/// The type behind the last VLAN tag.
pub(crate) fn last_ether_type(packet: &LaxSlicedPacket<'_>) -> Option<EtherType> {
    packet.link_exts.iter().rev().find_map(|ext| match ext {
        LaxLinkExtSlice::Vlan(vlan) => Some(vlan.ether_type()),
        LaxLinkExtSlice::Macsec(_) => None,
    })
}

/// The tag that the kernel took out, then those still in the packet.
fn tags(
    out: &mut impl Write,
    outer: Option<Tag>,
    packet: &LaxSlicedPacket<'_>,
    end: &str,
) -> io::Result<()> {
    let mut separator = "";
    if let Some(tag) = outer {
        write!(out, "vlan {}, p {}", tag.vlan(), tag.priority())?;
        separator = ", ";
    }
    for ext in &packet.link_exts {
        if let LaxLinkExtSlice::Vlan(vlan) = ext {
            let (vlan, priority) = (
                vlan.vlan_identifier().value(),
                vlan.priority_code_point().value(),
            );
            write!(out, "{separator}vlan {vlan}, p {priority}")?;
            separator = ", ";
        }
    }
    if separator.is_empty() {
        Ok(())
    } else {
        out.write_all(end.as_bytes())
    }
}

fn layer_name(layer: Layer) -> &'static str {
    match layer {
        Layer::Ethernet2Header | Layer::EtherPayload => "ether",
        Layer::VlanHeader => "vlan",
        Layer::MacsecHeader | Layer::MacsecPacket => "macsec",
        Layer::Arp => "arp",
        Layer::Ipv6Header | Layer::Ipv6Packet => "ip6",
        Layer::IpHeader | Layer::Ipv4Header | Layer::Ipv4Packet => "ip",
        Layer::UdpHeader | Layer::UdpPayload => "udp",
        Layer::TcpHeader => "tcp",
        Layer::Icmpv4 | Layer::Icmpv4Timestamp | Layer::Icmpv4TimestampReply => "icmp",
        Layer::Icmpv6 => "icmp6",
        _ => "header",
    }
}

/// A hardware address with colons.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mac(pub(crate) [u8; 6]);

impl core::fmt::Display for Mac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

struct EtherTypeName(EtherType);

impl core::fmt::Display for EtherTypeName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let number = self.0.0;
        let name = match self.0 {
            EtherType::IPV4 => "IPv4",
            EtherType::IPV6 => "IPv6",
            EtherType::ARP => "ARP",
            EtherType::VLAN_TAGGED_FRAME => "802.1Q",
            EtherType::PROVIDER_BRIDGING => "802.1Q-QinQ",
            _ => "Unknown",
        };
        write!(f, "{name} ({number:#06x})")
    }
}

#[cfg(test)]
mod tests;
