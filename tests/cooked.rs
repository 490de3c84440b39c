//! Packets without their link-layer header (`SOCK_DGRAM`).

mod data_path;

use std::net::UdpSocket;

use packet_ring::bpf::Instruction;
use packet_ring::handoff::Slots;
use packet_ring::packet::{
    Block, Direction, Geometry, LinkHeader, Packet, PacketStatus, Rx, Socket, Vlan,
};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, Link, VethOptions, VethPair, frame, suite};

use data_path::{BLOCK_HEADER, Bench, PROMPT, interface, next, receive_on};

const IPV4: u16 = 0x0800;
/// Size of an Ethernet header in bytes.
const ETHERNET: usize = 14;
/// The same behind a tag.
const TAGGED: usize = 18;

/// A ring of these sizes for packets without their link-layer header.
const fn cooked(geometry: Geometry) -> Rx {
    Rx::new(geometry).link_header(LinkHeader::Removed)
}

fn bench(geometry: Geometry) -> Result<Bench, Stopped> {
    Bench::with(cooked(geometry), &VethOptions::default())
}

/// The only packet of a block.
fn only<'b>(block: &'b Block<&Slots>) -> Result<Packet<'b>, Stopped> {
    assert_eq!(block.packet_count(), 1);
    Ok(block.packets().next().ok_or("no packet")?)
}

fn a_packet_begins_with_its_network_header() -> TestResult {
    let mut bench = bench(PROMPT)?;
    // The second one fits its ring only if the record is where it is thought to be.
    for (sent, protocol) in [
        (frame::numbered(7, 333), frame::ETHERTYPE),
        (frame::numbered_udp(8, 1514), IPV4),
    ] {
        bench.injector.send(&sent)?;
        let block = next(&mut bench.socket)?;
        let packet = only(&block)?;
        let len = (sent.len() - ETHERNET) as u32;
        assert_eq!(packet.data(), &sent[ETHERNET..]);
        assert_eq!((packet.captured_len(), packet.len()), (len, len));
        assert_eq!(packet.network_offset(), 0);
        // What the header said is told beside the packet.
        assert_eq!(packet.protocol(), protocol);
        assert_eq!(packet.source().as_bytes(), &sent[6..12]);
        assert_eq!(packet.source().hardware, 1);
        assert_eq!(packet.direction(), Direction::Broadcast);
        assert_eq!(packet.interface_index(), bench.pair.far.index()?);
        // `mac` and `net` are 96, a record ends at a multiple of 8.
        let record = (96 + len).next_multiple_of(8);
        assert_eq!(block.used_bytes(), BLOCK_HEADER + record);
    }
    Ok(())
}

fn a_sent_packet_begins_with_its_network_header() -> TestResult {
    let bench = bench(PROMPT)?;
    let mut near = receive_on(&bench.pair.near, cooked(PROMPT))?;
    let sent = frame::numbered_udp(7, 333);
    bench.injector.send(&sent)?;
    let block = next(&mut near)?;
    let packet = only(&block)?;
    assert_eq!(packet.data(), &sent[ETHERNET..]);
    assert_eq!(packet.direction(), Direction::Outgoing);
    assert_eq!(packet.source().as_bytes(), &sent[6..12]);
    Ok(())
}

fn a_tag_is_told_beside_the_packet_both_ways() -> TestResult {
    let mut bench = bench(PROMPT)?;
    let mut near = receive_on(&bench.pair.near, cooked(PROMPT))?;
    let sent = frame::numbered_vlan(5, 7, 100);
    bench.injector.send(&sent)?;
    for socket in [&mut near, &mut bench.socket] {
        let block = next(socket)?;
        let packet = only(&block)?;
        let tag = Vlan {
            tci: 5,
            tpid: 0x8100,
        };
        assert_eq!(packet.vlan(), Some(tag), "{:?}", packet.direction());
        assert_eq!(packet.data(), &sent[TAGGED..]);
        assert_eq!(packet.network_offset(), 0);
        assert_eq!(packet.protocol(), frame::ETHERTYPE);
        assert!(packet.status().contains(PacketStatus::VLAN_VALID));
    }
    Ok(())
}

fn lengths_and_filters_count_from_the_network_header() -> TestResult {
    let sent = frame::numbered_udp(7, 1000);
    let mut short = bench(PROMPT.snap_length(64)?.reserve(100)?)?;
    short.injector.send(&sent)?;
    let block = next(&mut short.socket)?;
    let packet = only(&block)?;
    assert_eq!(packet.data(), &sent[ETHERNET..][..64]);
    assert_eq!(packet.len(), 1000 - ETHERNET as u32);

    // UDP: the byte at 9 of an IPv4 header is 17.
    let udp = [
        Instruction::new(0x30, 0, 0, 9),
        Instruction::new(0x15, 0, 1, 17),
        Instruction::keep(20),
        Instruction::keep(0),
    ];
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = Socket::configure(cooked(PROMPT))?;
    socket.attach_filter(&udp)?;
    let mut socket = socket.map()?.bind(interface(&pair.far)?)?;
    let injector = Injector::on(&pair.near)?;
    injector.send(&frame::numbered(6, 1000))?;
    injector.send(&sent)?;
    let block = next(&mut socket)?;
    assert_eq!(only(&block)?.data(), &sent[ETHERNET..][..20]);
    Ok(())
}

fn the_loopback_reads_the_same() -> TestResult {
    let lo = Link::named("lo")?;
    let mut socket = Socket::configure(cooked(PROMPT))?;
    socket.ignore_outgoing()?;
    let mut socket = socket.map()?.bind(interface(&lo)?)?;
    let listener = UdpSocket::bind("127.0.0.1:0")?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    sender.send_to(b"hello", listener.local_addr()?)?;
    let block = next(&mut socket)?;
    let packet = only(&block)?;
    // IPv4, no options, and all of it.
    assert_eq!((packet.data()[0], packet.data().len()), (0x45, 20 + 8 + 5));
    assert!(packet.data().ends_with(b"hello"));
    assert_eq!(packet.protocol(), IPV4);
    assert_eq!(packet.network_offset(), 0);
    assert_eq!(packet.direction(), Direction::Host);
    assert_eq!(packet.source().hardware, 772);
    Ok(())
}

suite![
    a_packet_begins_with_its_network_header,
    a_sent_packet_begins_with_its_network_header,
    a_tag_is_told_beside_the_packet_both_ways,
    lengths_and_filters_count_from_the_network_header,
    the_loopback_reads_the_same,
];
