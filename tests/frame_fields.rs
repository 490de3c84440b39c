//! Every field of a packet in a frame of its own, compared with what was sent and with a second raw
//! socket; and how much of it the frame holds.

mod frame_path;
mod telling;

use std::time::{Instant, SystemTime};

use linux_raw_sys::if_packet::{PACKET_VERSION, tpacket_versions};
use linux_raw_sys::net::SOL_PACKET;
use packet_ring::InvalidGeometry;
use packet_ring::handoff::Slots;
use packet_ring::packet::{
    Delivery, Direction, Frame, FrameGeometry, Geometry, LinkHeader, Membership, Packet,
    PacketStatus, Rx, RxV2, Socket, TimestampSource, Vlan,
};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, frame, option, suite};
use rustix::fd::{AsFd, BorrowedFd};

use frame_path::{
    Bench, EIGHT, PATIENCE, Receiving, interface, next_number, receive_on, settled, take,
};
use telling::{
    ETHERNET, TAGS, destinations, has_its_tag_inside, has_its_tag_taken_out, is_what_was_sent,
    tagged, to,
};

/// Where an Ethernet header lies in its frame, and where any other packet does, in bytes.
const MAC: u32 = 66;
const COOKED_MAC: u32 = 80;

fn next(socket: &mut Receiving) -> Result<Frame<&Slots>, Stopped> {
    take(&mut socket.receiver())
}

fn a_received_packet_tells_all_about_itself() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let witness = Witness::on(&bench.pair.far, Sees::Incoming)?;
    let index = bench.pair.far.index()?;
    // Twice around: what an earlier packet left in a frame tells nothing of the next.
    for number in 0..16 {
        let sent = match number % 3 {
            0 => frame::numbered(number, 333),
            1 => frame::numbered_udp(number, 60),
            _ => frame::numbered(number, 1514),
        };
        bench.injector.send(&sent)?;
        let seen = witness.receive(PATIENCE)?.ok_or("nothing came")?;
        let taken = next(&mut bench.socket)?;
        is_what_was_sent(&taken.packet(), &sent, &seen, index);
    }
    Ok(())
}

fn every_direction_is_told() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut near = receive_on(&bench.pair.near, RxV2::new(EIGHT))?;
    let far = interface(&bench.pair.far)?;
    let _promiscuous = Membership::Promiscuous.join(&bench.socket, far)?;
    let witness = Witness::on(&bench.pair.far, Sees::Incoming)?;
    let own = bench.pair.far.facts()?.address;
    for (address, direction, seen_as) in destinations(own) {
        let sent = to(address, frame::numbered(7, 60));
        bench.injector.send(&sent)?;
        let seen = witness.receive(PATIENCE)?.ok_or("nothing came")?;
        assert_eq!(next(&mut bench.socket)?.packet().direction(), direction);
        assert_eq!(seen.packet_type, seen_as);
        let outgoing = next(&mut near)?;
        assert_eq!(outgoing.packet().direction(), Direction::Outgoing);
        assert_eq!(outgoing.packet().data(), sent);
    }
    Ok(())
}

fn tags_are_in_the_header_of_what_is_received_and_in_the_bytes_of_what_is_sent() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut near = receive_on(&bench.pair.near, RxV2::new(EIGHT))?;
    for tag @ (tpid, tci) in TAGS {
        let sent = tagged(tpid, tci);
        bench.injector.send(&sent)?;
        has_its_tag_taken_out(&next(&mut bench.socket)?.packet(), &sent, tag);
        has_its_tag_inside(&next(&mut near)?.packet(), &sent);
    }
    // The frames come round with packets that have no tag.
    for number in 0..8 {
        bench.injector.send(&frame::numbered(number, 60))?;
        assert_eq!(next(&mut bench.socket)?.packet().vlan(), None);
    }
    Ok(())
}

fn timestamps_are_of_the_present_and_say_who_made_them() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let injector = Injector::on(&pair.near)?;
    let mut socket = Socket::configure(RxV2::new(EIGHT))?;
    socket.timestamp(TimestampSource::Software)?;
    let mut socket = socket.map()?.bind(interface(&pair.far)?)?;
    let end = Instant::now() + PATIENCE;
    // The kernel begins to stamp soon after it was asked to.
    loop {
        let before = SystemTime::now();
        injector.send(&frame::numbered(1, 60))?;
        let taken = next(&mut socket)?;
        let stamp = taken.packet().timestamp();
        let time = SystemTime::from(stamp);
        assert!(before <= time && time <= SystemTime::now(), "{stamp:?}");
        assert!(stamp.nanoseconds < 1_000_000_000);
        let says_software = taken
            .packet()
            .status()
            .contains(PacketStatus::TIMESTAMP_SOFTWARE);
        assert_eq!(stamp.source == TimestampSource::Software, says_software);
        if says_software {
            return Ok(());
        }
        assert!(Instant::now() < end, "never stamped on entry");
    }
}

fn packets_say_losing_until_the_statistics_are_read() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let losing = |socket: &mut Receiving| -> Result<bool, Stopped> {
        let taken = next(socket)?;
        Ok(taken.packet().status().contains(PacketStatus::LOSING))
    };
    let last = |socket: &mut Receiving, packets| settled(packets, &mut socket.receiver());
    // Bound first: the kernel shows it each packet last.
    let mut witness = receive_on(&bench.pair.far, RxV2::new(FrameGeometry::DEFAULT))?;
    bench.socket = receive_on(&bench.pair.far, RxV2::new(EIGHT))?;
    bench.flood(0..20);
    last(&mut witness, 20)?;
    for _ in 0..8 {
        assert!(!losing(&mut bench.socket)?);
    }
    bench.flood(20..24);
    for _ in 0..4 {
        assert!(losing(&mut bench.socket)?);
    }
    assert_eq!(bench.socket.statistics()?.drops, 12);
    bench.flood(24..26);
    assert!(!losing(&mut bench.socket)?);
    assert!(!losing(&mut bench.socket)?);
    assert_eq!(bench.socket.statistics()?.drops, 12);
    Ok(())
}

fn a_packet_without_its_link_header_begins_with_the_network_header() -> TestResult {
    let mut bench = Bench::with(RxV2::new(EIGHT).link_header(LinkHeader::Removed))?;
    for sent in [frame::numbered_udp(7, 1514), frame::numbered(8, 60)] {
        bench.injector.send(&sent)?;
        let taken = next(&mut bench.socket)?;
        let packet = taken.packet();
        assert_eq!(packet.data(), &sent[ETHERNET..]);
        assert_eq!(packet.network_offset(), 0);
        assert_eq!(packet.source().as_bytes(), &sent[6..12]);
    }
    Ok(())
}

fn one_protocol_alone_is_received() -> TestResult {
    let mut bench = Bench::with(RxV2::new(EIGHT).protocol(0x0800))?;
    bench.injector.send(&frame::numbered(1, 60))?;
    bench.injector.send(&frame::numbered_udp(2, 60))?;
    assert_eq!(next_number(&mut bench.socket.receiver())?, 2);
    Ok(())
}

fn a_frame_holds_what_its_size_says_and_the_rest_is_cut() -> TestResult {
    for (frame_size, reserve, link_header, mac) in [
        (80, 0, LinkHeader::Kept, MAC),
        (80, 0, LinkHeader::Removed, COOKED_MAC),
        (96, 16, LinkHeader::Kept, MAC),
        (96, 16, LinkHeader::Removed, COOKED_MAC),
        (512, 0, LinkHeader::Kept, MAC),
        (1504, 100, LinkHeader::Removed, COOKED_MAC),
        (1504, 1, LinkHeader::Kept, MAC),
    ] {
        let ring = FrameGeometry::new(frame_size, 4096, 1)?;
        let mut bench = Bench::with(RxV2::new(ring).reserve(reserve)?.link_header(link_header))?;
        let sent = frame::numbered(7, 1514);
        let skipped = if mac == MAC { 0 } else { ETHERNET };
        // One packet more than there are frames.
        for _ in 0..=ring.frame_count().get() {
            bench.injector.send(&sent)?;
            let taken = next(&mut bench.socket)?;
            let packet = taken.packet();
            let room = (frame_size - mac - reserve) as usize;
            assert_eq!(packet.captured_len(), room as u32, "{frame_size}");
            assert_eq!(packet.data(), &sent[skipped..skipped + room]);
            assert_eq!(packet.len(), 1514 - skipped as u32);
        }
    }
    Ok(())
}

fn a_snap_length_keeps_so_much_of_each_packet() -> TestResult {
    let ring = FrameGeometry::new(256, 4096, 1)?;
    for snap_length in [1, 60, 176] {
        let mut bench = Bench::with(RxV2::new(ring).snap_length(snap_length)?)?;
        for len in [60, 200] {
            let sent = frame::numbered(7, len);
            bench.injector.send(&sent)?;
            let taken = next(&mut bench.socket)?;
            let kept = (snap_length as usize).min(len);
            assert_eq!(taken.packet().data(), &sent[..kept]);
            assert_eq!(taken.packet().len(), len as u32);
        }
    }
    Ok(())
}

fn sizes_that_hold_no_packet_are_refused() -> TestResult {
    const SMALL: RxV2 = RxV2::new(FrameGeometry::new_assert(256, 4096, 1));
    const LARGE: RxV2 = RxV2::new(FrameGeometry::new_assert(1 << 17, 1 << 17, 1));
    for (why, refused, taken) in [
        (
            InvalidGeometry::FrameTooSmall,
            SMALL.snap_length(177),
            SMALL.snap_length(176),
        ),
        (
            InvalidGeometry::FrameTooSmall,
            SMALL.reserve(177),
            SMALL.reserve(176),
        ),
        (
            InvalidGeometry::FrameTooSmall,
            SMALL.reserve(16)?.snap_length(161),
            SMALL.reserve(16)?.snap_length(160),
        ),
        (
            InvalidGeometry::SnapLengthZero,
            SMALL.snap_length(0),
            SMALL.snap_length(1),
        ),
        (
            InvalidGeometry::ReserveTooLarge,
            LARGE.reserve(65_456),
            LARGE.reserve(65_455),
        ),
        (
            InvalidGeometry::ReserveTooLarge,
            LARGE.reserve(u32::MAX),
            LARGE.reserve(0),
        ),
    ] {
        assert_eq!(refused, Err(why));
        // The kernel takes the neighbour, and packets come through it.
        let mut bench = Bench::with(taken?)?;
        bench.injector.send(&frame::numbered(7, 60))?;
        assert_eq!(next(&mut bench.socket)?.packet().len(), 60);
    }
    Ok(())
}

fn each_kind_of_ring_has_its_own_layout() -> TestResult {
    // The version of the rings that the kernel has heard of.
    let version = |socket: BorrowedFd<'_>| option(socket, SOL_PACKET, PACKET_VERSION);
    let frames = Socket::configure(RxV2::new(EIGHT))?;
    assert_eq!(
        version(frames.as_fd())?,
        tpacket_versions::TPACKET_V2 as u32
    );
    let blocks = Socket::configure(Rx::new(Geometry::DEFAULT))?;
    assert_eq!(
        version(blocks.as_fd())?,
        tpacket_versions::TPACKET_V3 as u32
    );
    Ok(())
}

/// Packets of both kinds of ring go through one function.
#[expect(dead_code, reason = "it compiles")]
fn either(packet: Packet<'_, impl Delivery>) -> (u32, Option<Vlan>) {
    (packet.len(), packet.vlan())
}

suite![
    a_received_packet_tells_all_about_itself,
    every_direction_is_told,
    tags_are_in_the_header_of_what_is_received_and_in_the_bytes_of_what_is_sent,
    timestamps_are_of_the_present_and_say_who_made_them,
    packets_say_losing_until_the_statistics_are_read,
    a_packet_without_its_link_header_begins_with_the_network_header,
    one_protocol_alone_is_received,
    a_frame_holds_what_its_size_says_and_the_rest_is_cut,
    a_snap_length_keeps_so_much_of_each_packet,
    sizes_that_hold_no_packet_are_refused,
    each_kind_of_ring_has_its_own_layout,
];
