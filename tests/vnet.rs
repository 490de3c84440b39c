//! What a vnet header asks for is done to the packet: checksums are filled in, large packets are cut.

mod data_path;
mod sending;

use packet_ring::packet::{
    FrameGeometry, PacketStatus, Rx, RxTx, Segmentation, Socket, Tx, VnetHeader,
};
use packet_ring::{Error, Unsent};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, Offload, OffloadState, frame, kernel, suite};

use data_path::{PROMPT, interface, receive_on, take};
use sending::{HEADER, PATIENCE, QUIET, Transmitting, Wire, drain};

/// 16 frames of 16 KiB.
const LARGE: FrameGeometry = FrameGeometry::new_assert(1 << 14, 1 << 16, 4);

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The protocol, and where its header has the checksum.
#[derive(Clone, Copy)]
struct Transport {
    protocol: u8,
    len: usize,
    checksum: usize,
}

const TRANSPORT_TCP: Transport = Transport {
    protocol: TCP,
    len: 20,
    checksum: 16,
};
const TRANSPORT_UDP: Transport = Transport {
    protocol: UDP,
    len: 8,
    checksum: 6,
};

/// The sum that checksums are made of (RFC 1071), not folded.
fn sum(bytes: &[u8]) -> u32 {
    let (pairs, rest) = bytes.as_chunks();
    let pairs: u32 = pairs
        .iter()
        .map(|&pair| u32::from(u16::from_be_bytes(pair)))
        .sum();
    pairs + rest.first().map_or(0, |&byte| u32::from(byte) << 8)
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[derive(Clone, Copy)]
enum Network {
    Ipv4,
    Ipv6,
}

impl Network {
    const fn len(self) -> usize {
        match self {
            Self::Ipv4 => 20,
            Self::Ipv6 => 40,
        }
    }

    /// Header with addresses, for `payload` bytes of a transport.
    fn header(self, protocol: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        match self {
            Self::Ipv4 => {
                bytes[0] = 0x45;
                bytes[2..4].copy_from_slice(&((20 + payload) as u16).to_be_bytes());
                bytes[8..10].copy_from_slice(&[64, protocol]);
                bytes[12..20].copy_from_slice(&[192, 0, 2, 1, 192, 0, 2, 2]);
                let checksum = !fold(sum(&bytes));
                bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
            }
            Self::Ipv6 => {
                bytes[0] = 0x60;
                bytes[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
                bytes[6..8].copy_from_slice(&[protocol, 64]);
                bytes[8..12].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
                bytes[23] = 1;
                bytes[24..28].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
                bytes[39] = 2;
            }
        }
        bytes
    }

    fn addresses(self, header: &[u8]) -> &[u8] {
        match self {
            Self::Ipv4 => &header[12..20],
            Self::Ipv6 => &header[8..40],
        }
    }

    fn ethertype(self) -> [u8; 2] {
        match self {
            Self::Ipv4 => [0x08, 0x00],
            Self::Ipv6 => [0x86, 0xdd],
        }
    }
}

/// The sum over the pseudo header of a packet whose transport header and payload have `len` bytes.
fn pseudo(network: Network, header: &[u8], protocol: u8, len: usize) -> u32 {
    sum(network.addresses(header)) + u32::from(protocol) + len as u32
}

/// A frame with this much payload whose checksum is left to others, its place holding the sum of the
/// pseudo header.
fn unfinished(network: Network, transport: Transport, payload: &[u8]) -> Vec<u8> {
    let len = transport.len + payload.len();
    let ip = network.header(transport.protocol, len);
    let mut header = vec![0; transport.len];
    header[..4].copy_from_slice(&[0x10, 0, 0x20, 0]);
    if transport.protocol == TCP {
        header[12..14].copy_from_slice(&[5 << 4, 0x10]);
    } else {
        header[4..6].copy_from_slice(&(len as u16).to_be_bytes());
    }
    let left = fold(pseudo(network, &ip, transport.protocol, len));
    header[transport.checksum..][..2].copy_from_slice(&left.to_be_bytes());
    let ethernet = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &network.ethertype()].concat();
    [&ethernet, &ip, &header, payload].concat()
}

/// Asserts that the checksum of a frame is right, and returns its transport header and payload.
fn checked(network: Network, transport: Transport, frame: &[u8]) -> (&[u8], &[u8]) {
    let (ip, rest) = frame[HEADER..].split_at(network.len());
    if let Network::Ipv4 = network {
        assert_eq!(fold(sum(ip)), 0xffff);
    }
    let all = pseudo(network, ip, transport.protocol, rest.len()) + sum(rest);
    assert_eq!(fold(all), 0xffff, "a wrong checksum");
    rest.split_at(transport.len)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place * 7 % 251) as u8).collect()
}

/// Sends one packet with this header.
fn send(socket: &mut Transmitting, bytes: &[u8], header: VnetHeader) -> Result<(), Error> {
    let mut transmitter = socket.transmitter();
    let mut frame = transmitter.reserve().expect("a frame is free");
    frame.data_mut()[..bytes.len()].copy_from_slice(bytes);
    frame.set_vnet_header(header);
    frame.send(bytes.len())?;
    transmitter.kick().map(drop)
}

/// A wire whose near end computes nothing, so that the kernel does it in software.
fn plain_wire() -> Result<Wire, Stopped> {
    let wire = Wire::new()?;
    for offload in [Offload::Segmentation, Offload::TransmitChecksum] {
        wire.pair.near.set_offload(offload, OffloadState::Off)?;
    }
    Ok(wire)
}

fn a_checksum_is_filled_in_where_the_interface_cannot() -> TestResult {
    let wire = plain_wire()?;
    let mut socket = wire.transmit(Tx::new(LARGE).vnet_headers())?;
    for (network, transport) in [
        (Network::Ipv4, TRANSPORT_UDP),
        (Network::Ipv4, TRANSPORT_TCP),
        (Network::Ipv6, TRANSPORT_UDP),
        (Network::Ipv6, TRANSPORT_TCP),
    ] {
        let payload = pattern(333);
        let bytes = unfinished(network, transport, &payload);
        let start = (HEADER + network.len()) as u16;
        let header = VnetHeader::NONE.checksum(start, transport.checksum as u16);
        send(&mut socket, &bytes, header)?;
        let seen = wire.witness.receive(PATIENCE)?.ok_or("nothing came")?;
        let (_, came) = checked(network, transport, &seen.bytes);
        assert!(came == payload);
        // Without the header's word nobody touches it.
        send(&mut socket, &bytes, VnetHeader::NONE)?;
        wire.assert_arrive(&[bytes])?;
    }
    drain(&mut socket.transmitter())
}

fn a_checksum_is_left_to_an_interface_that_offers_it() -> TestResult {
    let wire = Wire::new()?;
    let mut receiving = receive_on(&wire.pair.far, Rx::new(PROMPT))?;
    let mut socket = wire.transmit(Tx::new(LARGE).vnet_headers())?;
    let bytes = unfinished(Network::Ipv4, TRANSPORT_UDP, &pattern(100));
    for (header, not_ready) in [
        (VnetHeader::NONE.checksum(34, 6), true),
        (VnetHeader::NONE, false),
    ] {
        send(&mut socket, &bytes, header)?;
        let mut receiver = receiving.receiver();
        let block = take(&mut receiver)?;
        let packet = block.packets().next().ok_or("no packet")?;
        assert!(packet.data() == bytes);
        let status = packet.status();
        assert_eq!(status.contains(PacketStatus::CHECKSUM_NOT_READY), not_ready);
    }
    Ok(())
}

/// One packet of 5,300 bytes of payload becomes six.
fn cut(network: Network, transport: Transport, kind: Segmentation) -> TestResult {
    const SIZE: usize = 1000;
    let wire = plain_wire()?;
    let mut socket = wire.transmit(Tx::new(LARGE).vnet_headers())?;
    let payload = pattern(5 * SIZE + 300);
    let bytes = unfinished(network, transport, &payload);
    let start = HEADER + network.len();
    let header = VnetHeader::NONE
        .checksum(start as u16, transport.checksum as u16)
        .segments(kind, SIZE as u16, (start + transport.len) as u16);
    let sent = send(&mut socket, &bytes, header);
    if kind == Segmentation::Udp && !kernel::is_since(6, 2) {
        let frame = 0;
        let why = Unsent::Malformed;
        assert_eq!(sent, Err(Error::Unsent { frame, why }));
        println!("BEFORE LINUX 6.2: that UDP is not cut was tested, and no more");
        return Ok(());
    }
    sent?;
    let seen = wire.witness.receive_until_quiet(QUIET)?;
    let mut came = Vec::new();
    for segment in &seen {
        let (head, part) = checked(network, transport, &segment.bytes);
        if transport.protocol == TCP {
            let sequence = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
            assert_eq!(sequence as usize, came.len());
        }
        came.extend_from_slice(part);
    }
    assert_eq!(seen.len(), 6);
    assert!(came == payload);
    assert_eq!(wire.pair.near.counters()?.tx_packets, 6);
    // For the ring it was one frame.
    drain(&mut socket.transmitter())?;
    assert_eq!(socket.transmitter().completed(), 1);
    Ok(())
}

fn tcp_over_ipv4_is_cut_into_segments() -> TestResult {
    cut(Network::Ipv4, TRANSPORT_TCP, Segmentation::TcpIpv4)
}

fn tcp_over_ipv6_is_cut_into_segments() -> TestResult {
    cut(Network::Ipv6, TRANSPORT_TCP, Segmentation::TcpIpv6)
}

fn udp_over_ipv4_is_cut_into_datagrams() -> TestResult {
    cut(Network::Ipv4, TRANSPORT_UDP, Segmentation::Udp)
}

fn udp_over_ipv6_is_cut_into_datagrams() -> TestResult {
    cut(Network::Ipv6, TRANSPORT_UDP, Segmentation::Udp)
}

fn a_header_that_makes_no_sense_is_refused_and_can_be_mended() -> TestResult {
    let wire = Wire::new()?;
    let mut socket = wire.transmit(Tx::new(LARGE).vnet_headers())?;
    let bytes = frame::numbered(1, 100);
    let refused = Err(Error::Unsent {
        frame: 0,
        why: Unsent::Malformed,
    });
    // A checksum beyond the packet.
    assert_eq!(
        send(&mut socket, &bytes, VnetHeader::NONE.checksum(2000, 6)),
        refused
    );
    let mut transmitter = socket.transmitter();
    let mended = transmitter.refused().ok_or("the refused frame")?;
    mended.send(bytes.len())?;
    drain(&mut transmitter)?;
    wire.assert_arrive(&[bytes])
}

/// The option is the socket's: received packets have the header before them, too.
fn the_receive_ring_of_the_same_socket_still_tells_where_packets_begin() -> TestResult {
    let wire = Wire::new()?;
    let rings = RxTx::new(Rx::new(PROMPT), Tx::new(LARGE).vnet_headers());
    let mut socket = Socket::configure(rings)?
        .map()?
        .bind(interface(&wire.pair.far)?)?;
    Injector::on(&wire.pair.near)?.send(&frame::numbered(7, 200))?;
    let (mut receiver, mut transmitter) = socket.split();
    let block = take(&mut receiver)?;
    let packet = block.packets().next().ok_or("no packet")?;
    assert!(packet.data() == frame::numbered(7, 200));
    sending::put(&mut transmitter, packet.data())?;
    drain(&mut transmitter)?;
    assert_eq!(wire.pair.far.counters()?.tx_packets, 1);
    Ok(())
}

suite![
    a_checksum_is_filled_in_where_the_interface_cannot,
    a_checksum_is_left_to_an_interface_that_offers_it,
    tcp_over_ipv4_is_cut_into_segments,
    tcp_over_ipv6_is_cut_into_segments,
    udp_over_ipv4_is_cut_into_datagrams,
    udp_over_ipv6_is_cut_into_datagrams,
    a_header_that_makes_no_sense_is_refused_and_can_be_mended,
    the_receive_ring_of_the_same_socket_still_tells_where_packets_begin,
];
