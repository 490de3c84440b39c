//! The transport layer's part of a line: TCP, UDP, ICMP, ICMPv6.

use core::fmt::{self, Write as _};
use core::net::Ipv6Addr;
use std::io::{self, Write};

use etherparse::icmpv4::{DestUnreachableHeader, TimeExceededCode};
use etherparse::{
    Icmpv4Slice, Icmpv4Type, Icmpv6Slice, Icmpv6Type, TcpOptionElement, TcpSlice, TransportSlice,
};

use super::net::{Datagram, Endpoint};

const UDP_HEADER: usize = 8;

pub(super) fn write(
    out: &mut impl Write,
    transport: &TransportSlice<'_>,
    ip: &Datagram,
) -> io::Result<()> {
    match transport {
        TransportSlice::Tcp(tcp) => {
            write!(
                out,
                "{} > {}: ",
                Endpoint(ip.source, tcp.source_port()),
                Endpoint(ip.destination, tcp.destination_port())
            )?;
            segment(out, tcp, ip.len)
        }
        TransportSlice::Udp(udp) => {
            let len = match usize::from(udp.length()) {
                0 => ip.len,
                len => len,
            };
            let (source, destination) = (
                Endpoint(ip.source, udp.source_port()),
                Endpoint(ip.destination, udp.destination_port()),
            );
            write!(
                out,
                "{source} > {destination}: UDP, length {}",
                len.saturating_sub(UDP_HEADER)
            )
        }
        TransportSlice::Icmpv4(icmp) => {
            write!(out, "{} > {}: ICMP ", ip.source, ip.destination)?;
            icmpv4(out, icmp)?;
            write!(out, ", length {}", ip.len)
        }
        TransportSlice::Icmpv6(icmp) => {
            write!(out, "{} > {}: ICMP6, ", ip.source, ip.destination)?;
            icmpv6(out, icmp)?;
            write!(out, ", length {}", ip.len)
        }
        TransportSlice::Igmp(_) => write!(
            out,
            "{} > {}: igmp, length {}",
            ip.source, ip.destination, ip.len
        ),
    }
}

/// TCP's flags in tcpdump's letters; no flag at all is `none`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpFlags(u8);

impl TcpFlags {
    /// Where the flags lie in a TCP header.
    const PLACE: usize = 13;
    /// From the lowest bit up: FIN, SYN, RST, PSH, ACK, URG, ECE, CWR.
    const LETTERS: [char; 8] = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W'];

    pub(crate) fn of(tcp: &TcpSlice<'_>) -> Self {
        Self(tcp.header_slice().get(Self::PLACE).copied().unwrap_or(0))
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        let set = (0..8).filter(|bit| self.0 >> bit & 1 == 1);
        set.map(|bit| Self::LETTERS[bit])
            .try_for_each(|letter| f.write_char(letter))
    }
}

fn segment(out: &mut impl Write, tcp: &TcpSlice<'_>, len: usize) -> io::Result<()> {
    let len = len.saturating_sub(tcp.header_slice().len());
    write!(out, "Flags [{}]", TcpFlags::of(tcp))?;
    let first = tcp.sequence_number();
    if len > 0 {
        write!(out, ", seq {first}:{}", first.wrapping_add(len as u32))?;
    } else if tcp.syn() || tcp.fin() || tcp.rst() {
        write!(out, ", seq {first}")?;
    }
    if tcp.ack() {
        write!(out, ", ack {}", tcp.acknowledgment_number())?;
    }
    write!(out, ", win {}", tcp.window_size())?;
    if tcp.urg() {
        write!(out, ", urg {}", tcp.urgent_pointer())?;
    }
    options(out, tcp)?;
    write!(out, ", length {len}")
}

fn options(out: &mut impl Write, tcp: &TcpSlice<'_>) -> io::Result<()> {
    if tcp.options().is_empty() {
        return Ok(());
    }
    out.write_all(b", options [")?;
    for (index, option) in tcp.options_iterator().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        match option {
            Ok(TcpOptionElement::Noop) => out.write_all(b"nop"),
            Ok(TcpOptionElement::MaximumSegmentSize(size)) => write!(out, "mss {size}"),
            Ok(TcpOptionElement::WindowScale(shift)) => write!(out, "wscale {shift}"),
            Ok(TcpOptionElement::SelectiveAcknowledgementPermitted) => out.write_all(b"sackOK"),
            Ok(TcpOptionElement::SelectiveAcknowledgement(first, more)) => {
                let blocks = core::iter::once(first).chain(more.into_iter().flatten());
                write!(out, "sack {} ", blocks.clone().count())?;
                blocks
                    .into_iter()
                    .try_for_each(|(left, right)| write!(out, "{{{left}:{right}}}"))
            }
            Ok(TcpOptionElement::Timestamp(value, echo)) => {
                write!(out, "TS val {value} ecr {echo}")
            }
            Err(_) => out.write_all(b"?"),
        }?;
    }
    out.write_all(b"]")
}

fn icmpv4(out: &mut impl Write, icmp: &Icmpv4Slice<'_>) -> io::Result<()> {
    match icmp.icmp_type() {
        Icmpv4Type::EchoRequest(echo) => {
            write!(out, "echo request, id {}, seq {}", echo.id, echo.seq)
        }
        Icmpv4Type::EchoReply(echo) => write!(out, "echo reply, id {}, seq {}", echo.id, echo.seq),
        Icmpv4Type::DestinationUnreachable(header) => match header {
            DestUnreachableHeader::Network => out.write_all(b"net unreachable"),
            DestUnreachableHeader::Host => out.write_all(b"host unreachable"),
            DestUnreachableHeader::Protocol => out.write_all(b"protocol unreachable"),
            DestUnreachableHeader::Port => out.write_all(b"port unreachable"),
            DestUnreachableHeader::FragmentationNeeded { next_hop_mtu } => {
                write!(out, "unreachable - need to frag (mtu {next_hop_mtu})")
            }
            other => write!(out, "unreachable, code {}", other.code_u8()),
        },
        Icmpv4Type::TimeExceeded(TimeExceededCode::TtlExceededInTransit) => {
            out.write_all(b"time exceeded in-transit")
        }
        Icmpv4Type::TimeExceeded(_) => out.write_all(b"ip reassembly time exceeded"),
        _ => write!(out, "type {}, code {}", icmp.type_u8(), icmp.code_u8()),
    }
}

fn icmpv6(out: &mut impl Write, icmp: &Icmpv6Slice<'_>) -> io::Result<()> {
    match icmp.icmp_type() {
        Icmpv6Type::EchoRequest(echo) => {
            write!(out, "echo request, id {}, seq {}", echo.id, echo.seq)
        }
        Icmpv6Type::EchoReply(echo) => write!(out, "echo reply, id {}, seq {}", echo.id, echo.seq),
        Icmpv6Type::RouterSolicitation => out.write_all(b"router solicitation"),
        Icmpv6Type::RouterAdvertisement(_) => out.write_all(b"router advertisement"),
        Icmpv6Type::NeighborSolicitation => {
            out.write_all(b"neighbor solicitation")?;
            target(out, icmp, ", who has ")
        }
        Icmpv6Type::NeighborAdvertisement(_) => {
            out.write_all(b"neighbor advertisement")?;
            target(out, icmp, ", tgt is ")
        }
        Icmpv6Type::DestinationUnreachable(code) => {
            write!(out, "destination unreachable, code {}", code.code_u8())
        }
        Icmpv6Type::PacketTooBig { mtu } => write!(out, "packet too big, mtu {mtu}"),
        Icmpv6Type::TimeExceeded(_) => out.write_all(b"time exceeded in-transit"),
        _ => write!(out, "type {}, code {}", icmp.type_u8(), icmp.code_u8()),
    }
}

/// The address that neighbour discovery speaks of, where it was captured.
fn target(out: &mut impl Write, icmp: &Icmpv6Slice<'_>, what: &str) -> io::Result<()> {
    match icmp.payload().first_chunk::<16>() {
        Some(address) => write!(out, "{what}{}", Ipv6Addr::from(*address)),
        None => out.write_all(b" [|icmp6]"),
    }
}
