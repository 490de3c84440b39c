//! The network layer's part of a line: ARP, IPv4, IPv6.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use std::io::{self, Write};

use etherparse::{
    ArpOperation, ArpPacketSlice, EtherType, IpNumber, LaxIpPayloadSlice, LaxNetSlice,
    LaxSlicedPacket,
};

use super::{Mac, layer_name, transport};

/// Writes what follows the link layer; `len` is what the wire had of it.
pub(super) fn write(
    out: &mut impl Write,
    packet: &LaxSlicedPacket<'_>,
    len: u32,
) -> io::Result<()> {
    match &packet.net {
        Some(LaxNetSlice::Arp(arp)) => {
            out.write_all(b"ARP, ")?;
            address_resolution(out, arp)?;
            write!(out, ", length {len}")
        }
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            out.write_all(b"IP ")?;
            let datagram = Datagram {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                len: payload_len(usize::from(header.total_len()), header.slice().len(), len),
                offset: header.fragments_offset().byte_offset(),
            };
            internet(out, packet, &datagram, ip.payload())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let total = match usize::from(header.payload_length()) {
                0 => 0,
                payload => payload + header.slice().len(),
            };
            out.write_all(b"IP6 ")?;
            let datagram = Datagram {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                len: payload_len(
                    total,
                    header.slice().len() + ip.extensions().slice().len(),
                    len,
                ),
                offset: fragment_offset(ip.extensions()),
            };
            internet(out, packet, &datagram, ip.payload())
        }
        None => write!(out, "[|ip], length {len}"),
    }
}

/// What the IP header says.
pub(super) struct Datagram {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// Bytes behind the IP headers, captured or not.
    pub(super) len: usize,
    /// Where this fragment's payload begins in the whole datagram.
    offset: u16,
}

/// An address with a port, as tcpdump joins them.
pub(super) struct Endpoint(pub(super) IpAddr, pub(super) u16);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A total length of 0 means that the sender's hardware cuts the packet up later: then the wire's length is all there is.
fn payload_len(total: usize, headers: usize, wire: u32) -> usize {
    let total = if total == 0 {
        usize::try_from(wire).unwrap_or(usize::MAX)
    } else {
        total
    };
    total.saturating_sub(headers)
}

fn fragment_offset(extensions: &etherparse::Ipv6ExtensionsSlice<'_>) -> u16 {
    let fragment = extensions
        .clone()
        .into_iter()
        .find_map(|extension| match extension {
            etherparse::Ipv6ExtensionSlice::Fragment(fragment) => {
                Some(fragment.fragment_offset().byte_offset())
            }
            _ => None,
        });
    fragment.unwrap_or(0)
}

fn internet(
    out: &mut impl Write,
    packet: &LaxSlicedPacket<'_>,
    ip: &Datagram,
    payload: &LaxIpPayloadSlice<'_>,
) -> io::Result<()> {
    if let Some(transport) = &packet.transport {
        return transport::write(out, transport, ip);
    }
    write!(out, "{} > {}: ", ip.source, ip.destination)?;
    match payload.ip_number {
        IpNumber::TCP => out.write_all(b"tcp"),
        IpNumber::UDP => out.write_all(b"udp"),
        IpNumber::ICMP => out.write_all(b"icmp"),
        IpNumber::IPV6_ICMP => out.write_all(b"icmp6"),
        number => write!(out, "ip-proto-{}", number.0),
    }?;
    if payload.fragmented {
        write!(out, ", fragment at {}", ip.offset)?;
    }
    if let Some((_, layer)) = &packet.stop_err {
        write!(out, " [|{}]", layer_name(*layer))?;
    }
    write!(out, ", length {}", ip.len)
}

fn address_resolution(out: &mut impl Write, arp: &ArpPacketSlice<'_>) -> io::Result<()> {
    let addresses = (
        <[u8; 6]>::try_from(arp.sender_hw_addr()),
        <[u8; 4]>::try_from(arp.sender_protocol_addr()),
        <[u8; 4]>::try_from(arp.target_protocol_addr()),
    );
    let (Ok(hardware), Ok(sender), Ok(target), EtherType::IPV4) =
        (addresses.0, addresses.1, addresses.2, arp.proto_addr_type())
    else {
        return write!(
            out,
            "Unknown Hardware ({}) Unknown Protocol ({:#06x})",
            arp.hw_addr_type().0,
            arp.proto_addr_type().0
        );
    };
    let (sender, target) = (Ipv4Addr::from(sender), Ipv4Addr::from(target));
    match arp.operation() {
        ArpOperation::REQUEST => write!(out, "Request who-has {target} tell {sender}"),
        ArpOperation::REPLY => write!(out, "Reply {sender} is-at {}", Mac(hardware)),
        ArpOperation(other) => write!(out, "operation {other}"),
    }
}
