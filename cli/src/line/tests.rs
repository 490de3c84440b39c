//! Lines of whole, cut and broken packets.

use core::time::Duration;

use etherparse::{ArpEthIpv4Packet, PacketBuilder, TcpOptionElement};
use proptest::prelude::*;

use super::*;
use crate::frame::Way;

fn line(data: &[u8], tag: Option<Tag>, link_type: LinkType, link_level: LinkLevel) -> String {
    let frame = Frame {
        time: Duration::new(7, 9000),
        data,
        wire_len: data.len() as u32,
        tag,
        way: Way::ToUs,
    };
    let mut out = Vec::new();
    Lines::new(Style::Seconds, link_type, link_level)
        .write(&mut out, &frame)
        .unwrap();
    String::from_utf8(out).unwrap()
}

fn plain(data: &[u8]) -> String {
    line(data, None, LinkType::Ethernet, LinkLevel::Hidden)
}

fn udp(payload: usize) -> Vec<u8> {
    let mut data = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6])
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .udp(53, 4321);
    builder.write(&mut data, &vec![0; payload]).unwrap();
    data
}

#[test]
fn udp_over_ipv4() {
    assert_eq!(
        plain(&udp(20)),
        "7.000009 IP 192.0.2.1.53 > 192.0.2.2.4321: UDP, length 20\n"
    );
}

#[test]
fn tcp_with_options() {
    let mut data = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6])
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .tcp(1234, 80, 5, 512)
        .syn();
    let options = [
        TcpOptionElement::MaximumSegmentSize(1460),
        TcpOptionElement::SelectiveAcknowledgementPermitted,
        TcpOptionElement::WindowScale(7),
    ];
    builder
        .options(&options)
        .unwrap()
        .write(&mut data, &[])
        .unwrap();
    assert!(plain(&data).starts_with("7.000009 IP 192.0.2.1.1234 > 192.0.2.2.80: Flags [S], seq 5, win 512, options [mss 1460,sackOK,wscale 7"));
    assert!(plain(&data).ends_with("], length 0\n"));
}

#[test]
fn a_segment_with_data_says_from_where_to_where() {
    let mut data = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6])
        .ipv6([0xfe; 16], [0xfd; 16], 64)
        .tcp(1234, 80, u32::MAX, 512)
        .psh()
        .ack(9);
    builder.write(&mut data, &[0; 3]).unwrap();
    assert!(plain(&data).ends_with(": Flags [P.], seq 4294967295:2, ack 9, win 512, length 3\n"));
}

#[test]
fn a_cut_packet_has_its_true_length() {
    assert_eq!(
        plain(&udp(200)[..60]),
        "7.000009 IP 192.0.2.1.53 > 192.0.2.2.4321: UDP, length 200\n"
    );
    assert!(
        plain(&udp(200)[..36]).contains("[|udp]"),
        "{}",
        plain(&udp(200)[..36])
    );
    assert!(
        plain(&udp(200)[..20]).contains("[|ip]"),
        "{}",
        plain(&udp(200)[..20])
    );
    assert_eq!(plain(&[0; 13]), "7.000009 [|ether], length 13\n");
}

#[test]
fn echo_requests() {
    let mut data = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6])
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .icmpv4_echo_request(3, 4);
    builder.write(&mut data, &[0; 56]).unwrap();
    assert_eq!(
        plain(&data),
        "7.000009 IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 3, seq 4, length 64\n"
    );
}

#[test]
fn address_resolution() {
    let mut data = vec![0xff; 6];
    data.extend([2, 2, 2, 2, 2, 2, 0x08, 0x06]);
    let request = ArpEthIpv4Packet {
        operation: etherparse::ArpOperation::REQUEST,
        sender_mac: [2; 6],
        sender_ipv4: [192, 0, 2, 1],
        target_mac: [0; 6],
        target_ipv4: [192, 0, 2, 2],
    };
    data.extend(request.to_bytes());
    assert_eq!(
        plain(&data),
        "7.000009 ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28\n"
    );
}

#[test]
fn an_unknown_ethertype_is_printed_in_hex() {
    let mut data = [2; 60];
    data[12..14].copy_from_slice(&[0x88, 0xb5]);
    assert_eq!(
        plain(&data),
        "7.000009 02:02:02:02:02:02 > 02:02:02:02:02:02, ethertype Unknown (0x88b5), length 60\n"
    );
}

#[test]
fn a_tag_that_the_kernel_took_out_is_shown() {
    let tag = Some(Tag {
        protocol: 0x8100,
        control: 0x6005,
    });
    assert_eq!(
        line(&udp(20), tag, LinkType::Ethernet, LinkLevel::Hidden),
        "7.000009 vlan 5, p 3, IP 192.0.2.1.53 > 192.0.2.2.4321: UDP, length 20\n"
    );
}

#[test]
fn a_tag_within_the_packet_is_shown() {
    let mut data = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6])
        .single_vlan(9.try_into().unwrap())
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .udp(1, 2);
    builder.write(&mut data, &[0; 30]).unwrap();
    assert_eq!(
        line(&data, None, LinkType::Ethernet, LinkLevel::Shown),
        "7.000009 01:01:01:01:01:01 > 02:02:02:02:02:02, ethertype IPv4 (0x0800), length 76: vlan 9, p 0, IP 192.0.2.1.1 > 192.0.2.2.2: UDP, length 30\n"
    );
}

#[test]
fn a_tun_interface_has_no_ethernet_header() {
    assert_eq!(
        line(&udp(20)[14..], None, LinkType::RawIp, LinkLevel::Hidden),
        "7.000009 IP 192.0.2.1.53 > 192.0.2.2.4321: UDP, length 20\n"
    );
}

proptest! {
    #[test]
    fn any_bytes_make_one_line(
        data in proptest::collection::vec(any::<u8>(), 0..200),
        kind in 0usize..8,
        shown in any::<bool>(),
    ) {
        // Types that etherparse goes into, so that chance finds their headers.
        const TYPES: [[u8; 2]; 8] = [[8, 0], [0x86, 0xdd], [8, 6], [0x81, 0], [0x88, 0xa8], [0x88, 0xe5], [0, 3], [0x88, 0xb5]];
        let mut data = data;
        if let Some(place) = data.get_mut(12..14) {
            place.copy_from_slice(&TYPES[kind]);
        }
        if let Some(version) = data.get_mut(14) {
            *version = match kind { 0 => 0x40 | (*version & 0xf), 1 => 0x60, _ => *version };
        }
        let link_level = if shown { LinkLevel::Shown } else { LinkLevel::Hidden };
        for link_type in [LinkType::Ethernet, LinkType::RawIp] {
            let line = line(&data, Some(Tag { protocol: 0x8100, control: 1 }), link_type, link_level);
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert!(line.is_ascii());
        }
    }
}
