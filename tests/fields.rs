//! Every field of a packet, compared with the frame that was sent and with a second raw socket.

mod data_path;
mod telling;

use std::net::UdpSocket;

use packet_ring::handoff::Slots;
use packet_ring::packet::{Block, Direction, Membership, Packet, PacketStatus, Rx, RxHash, Vlan};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Namespace, Sees, VethOptions, VethPair, Witness, frame, suite};

use data_path::{Bench, PATIENCE, PROMPT, Receiving, next, over_blocks, receive_on};
use telling::{
    IEEE_802_1Q, TAGS, destinations, has_its_tag_inside, has_its_tag_taken_out, is_what_was_sent,
    tagged, to,
};

/// The only packet of a block.
fn only<'b>(block: &'b Block<&Slots>) -> Result<Packet<'b>, Stopped> {
    assert_eq!(block.packet_count(), 1);
    Ok(block.packets().next().ok_or("no packet")?)
}

fn a_received_packet_tells_all_about_itself() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let witness = Witness::on(&bench.pair.far, Sees::Incoming)?;
    let sent = frame::numbered(7, 333);
    bench.injector.send(&sent)?;
    let seen = witness.receive(PATIENCE)?.ok_or("nothing came")?;
    let block = next(&mut bench.socket)?;
    let packet = only(&block)?;
    is_what_was_sent(&packet, &sent, &seen, bench.pair.far.index()?);
    assert_eq!(packet.rxhash(), 0);
    Ok(())
}

fn every_direction_is_told() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let socket = &bench.socket;
    let _promiscuous = Membership::Promiscuous.join(socket, socket.interface())?;
    let witness = Witness::on(&bench.pair.far, Sees::Incoming)?;
    let own = bench.pair.far.facts()?.address;
    for (address, direction, seen_as) in destinations(own) {
        bench.injector.send(&to(address, frame::numbered(7, 60)))?;
        let seen = witness.receive(PATIENCE)?.ok_or("nothing came")?;
        let block = next(&mut bench.socket)?;
        assert_eq!(only(&block)?.direction(), direction);
        assert_eq!(seen.packet_type, seen_as);
    }
    Ok(())
}

fn what_goes_out_is_seen_as_outgoing() -> TestResult {
    let bench = Bench::new(PROMPT)?;
    let mut near = receive_on(&bench.pair.near, Rx::new(PROMPT))?;
    let sent = frame::numbered(7, 333);
    bench.injector.send(&sent)?;
    let block = next(&mut near)?;
    let packet = only(&block)?;
    assert_eq!(packet.direction(), Direction::Outgoing);
    assert_eq!(packet.data(), sent);
    assert_eq!(packet.interface_index(), bench.pair.near.index()?);
    assert_eq!(packet.source().as_bytes(), &sent[6..12]);
    assert_eq!(bench.pair.near.counters()?.tx_packets, 1);
    Ok(())
}

fn the_tag_of_a_received_packet_is_in_its_header() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    for tag @ (tpid, tci) in TAGS {
        let sent = tagged(tpid, tci);
        bench.injector.send(&sent)?;
        has_its_tag_taken_out(&only(&next(&mut bench.socket)?)?, &sent, tag);
    }
    Ok(())
}

fn the_inner_of_two_tags_stays_in_the_bytes() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let inner = tagged(IEEE_802_1Q, 5);
    let sent = [&inner[..12], &[0x88, 0xa8, 0, 9], &inner[12..]].concat();
    bench.injector.send(&sent)?;
    let block = next(&mut bench.socket)?;
    let packet = only(&block)?;
    let outer = Vlan {
        tci: 9,
        tpid: 0x88a8,
    };
    assert_eq!(packet.vlan(), Some(outer));
    assert_eq!(packet.data(), inner);
    Ok(())
}

fn the_tag_of_a_sent_packet_is_in_its_bytes() -> TestResult {
    let bench = Bench::new(PROMPT)?;
    let mut near = receive_on(&bench.pair.near, Rx::new(PROMPT))?;
    let sent = tagged(IEEE_802_1Q, 5);
    bench.injector.send(&sent)?;
    let block = next(&mut near)?;
    has_its_tag_inside(&only(&block)?, &sent);
    Ok(())
}

fn flow_hashes_are_computed_only_when_asked_for() -> TestResult {
    let mut bench = Bench::with(
        Rx::new(PROMPT).rxhash(RxHash::Computed),
        &VethOptions::default(),
    )?;
    let mut without = receive_on(&bench.pair.far, Rx::new(PROMPT))?;
    let hash = |socket: &mut Receiving| -> Result<u32, Stopped> {
        let block = next(socket)?;
        Ok(only(&block)?.rxhash())
    };
    let mut other_flow = frame::numbered_udp(7, 100);
    // The source port, which the IPv4 checksum does not cover.
    other_flow[35] ^= 1;
    let mut hashes = Vec::new();
    for frame in [
        frame::numbered_udp(1, 100),
        frame::numbered_udp(2, 200),
        other_flow,
    ] {
        bench.injector.send(&frame)?;
        hashes.push(hash(&mut bench.socket)?);
        assert_eq!(hash(&mut without)?, 0);
    }
    assert_ne!(hashes[0], 0);
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[0], hashes[2]);
    Ok(())
}

fn checksums_that_nobody_computed_are_told() -> TestResult {
    let elsewhere = Namespace::new()?;
    let pair = VethPair::create(&VethOptions {
        far_namespace: Some(&elsewhere),
        ..Default::default()
    })?;
    pair.near.add_ipv4([192, 0, 2, 1].into(), 24)?;
    pair.far.add_ipv4([192, 0, 2, 2].into(), 24)?;
    const IPV4: u16 = 0x0800;
    let mut sent = receive_on(&pair.near, Rx::new(PROMPT))?;
    let mut received =
        elsewhere.run(|| receive_on(&pair.far, Rx::new(PROMPT).protocol(IPV4)))??;
    // Somebody listens there, or the far end would complain.
    let _listener = elsewhere.run(|| UdpSocket::bind("192.0.2.2:7"))??;
    UdpSocket::bind("192.0.2.1:0")?.send_to(b"hello", "192.0.2.2:7")?;

    let block = next(&mut received)?;
    let packet = only(&block)?;
    assert!(packet.data().ends_with(b"hello"));
    assert!(packet.status().contains(PacketStatus::CHECKSUM_NOT_READY));
    // ARP goes before, both ways.
    let mut directions = Vec::new();
    over_blocks(&mut sent, 3, |block| {
        for packet in block.packets() {
            let not_ready = packet.status().contains(PacketStatus::CHECKSUM_NOT_READY);
            assert_eq!(not_ready, packet.protocol() == IPV4);
            directions.push(packet.direction());
        }
        Ok(())
    })?;
    let (out, host) = (Direction::Outgoing, Direction::Host);
    assert_eq!(directions, [out, host, out]);
    Ok(())
}

suite![
    a_received_packet_tells_all_about_itself,
    every_direction_is_told,
    what_goes_out_is_seen_as_outgoing,
    the_tag_of_a_received_packet_is_in_its_header,
    the_inner_of_two_tags_stays_in_the_bytes,
    the_tag_of_a_sent_packet_is_in_its_bytes,
    flow_hashes_are_computed_only_when_asked_for,
    checksums_that_nobody_computed_are_told,
];
