//! Transmitting through the ring, judged by a raw socket at the other end of the wire.

mod sending;

use packet_ring::packet::{FrameGeometry, Refusal, Tx};
use packet_ring::{Deadline, Error, OnSignal, Unsent};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, VethOptions, VethPair, Witness, frame, suite};

use sending::{HEADER, QUIET, drain, number as send, transmitting};

/// Ten laps of the ring, a few frames short of full at each kick, with lengths that vary.
fn ten_laps(geometry: FrameGeometry) -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let mut socket = transmitting(Tx::new(geometry), &pair.near)?;
    let mut transmitter = socket.transmitter();
    let count = u64::from(geometry.frame_count().get());
    let longest = (geometry.capacity() as usize).min(1514);
    let len = |number: u64| 60 + (number as usize * 37) % (longest - 59);
    let batch = count.div_ceil(3);
    let mut sent = 0;
    let mut seen = Vec::new();
    while sent < 10 * count {
        for _ in 0..batch {
            assert_eq!(send(&mut transmitter, sent, len(sent))?, sent);
            sent += 1;
        }
        drain(&mut transmitter)?;
        assert_eq!(transmitter.completed(), sent);
        while seen.len() < sent as usize {
            seen.push(witness.receive(QUIET)?.ok_or("a frame is missing")?.bytes);
        }
    }
    for (number, bytes) in (0..).zip(&seen) {
        assert_eq!(*bytes, frame::numbered(number, len(number)));
    }
    assert_eq!(witness.receive(QUIET)?, None);
    assert_eq!(pair.near.counters()?.tx_packets, sent);
    Ok(())
}

fn ten_laps_arrive_in_order_byte_for_byte() -> TestResult {
    ten_laps(FrameGeometry::new(2048, 1 << 16, 1)?)
}

fn frames_that_leave_a_gap_in_each_block_arrive_too() -> TestResult {
    ten_laps(FrameGeometry::new(1504, 4096, 8)?)
}

fn a_ring_of_one_frame_works() -> TestResult {
    ten_laps(FrameGeometry::new(4096, 4096, 1)?)
}

fn a_refused_frame_is_named_and_can_be_mended() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let mut socket = transmitting(Tx::new(FrameGeometry::DEFAULT), &pair.near)?;
    let mut transmitter = socket.transmitter();
    for (len, why) in [(HEADER - 4, Unsent::Malformed), (1600, Unsent::TooLong)] {
        let first = send(&mut transmitter, 0, 60)?;
        let mut wrong = transmitter.reserve().ok_or("no frame")?;
        wrong.data_mut()[..60].copy_from_slice(&frame::numbered(1, 60));
        let wrong = wrong.send(len)?;
        send(&mut transmitter, 2, 60)?;
        let refused = Err(Error::Unsent { frame: wrong, why });
        assert_eq!(transmitter.kick(), refused);
        // It stays so, and costs nothing to ask.
        assert_eq!(transmitter.kick(), refused);
        assert_eq!(wrong, first + 1);
        assert_eq!(transmitter.queued(), 2);
        let mended = transmitter.refused().ok_or("the refused frame")?;
        assert_eq!(mended.number(), wrong);
        mended.send(60)?;
        drain(&mut transmitter)?;
        assert_eq!(witness.numbers_until_quiet(QUIET)?, [0, 1, 2]);
    }
    Ok(())
}

fn a_recalled_frame_leaves_no_hole() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let mut socket = transmitting(Tx::new(FrameGeometry::DEFAULT), &pair.near)?;
    let mut transmitter = socket.transmitter();
    send(&mut transmitter, 0, 60)?;
    send(&mut transmitter, 1, 1600)?;
    send(&mut transmitter, 2, 60)?;
    assert!(transmitter.kick().is_err());
    assert_eq!(transmitter.recall(), 2);
    assert_eq!(send(&mut transmitter, 3, 60)?, 1);
    drain(&mut transmitter)?;
    assert_eq!(witness.numbers_until_quiet(QUIET)?, [0, 3]);
    Ok(())
}

fn an_abandoned_frame_is_handed_out_again() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let mut socket = transmitting(Tx::new(FrameGeometry::DEFAULT), &pair.near)?;
    let mut transmitter = socket.transmitter();
    assert!(transmitter.reserve().is_some());
    let frame = transmitter.reserve().ok_or("no frame")?;
    let room = frame.data().len();
    let too_small = Error::FrameTooSmall {
        room: room as u64,
        len: room as u64 + 1,
    };
    assert_eq!(frame.send(room + 1), Err(too_small));
    assert_eq!(transmitter.kick(), Ok(0));
    assert_eq!(send(&mut transmitter, 7, 60)?, 0);
    drain(&mut transmitter)?;
    assert_eq!(witness.numbers_until_quiet(QUIET)?, [7]);
    Ok(())
}

fn frames_wait_while_the_link_is_down() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = transmitting(Tx::new(FrameGeometry::DEFAULT), &pair.near)?;
    let mut transmitter = socket.transmitter();
    pair.near.set_down()?;
    let frame = send(&mut transmitter, 0, 60)?;
    let why = Unsent::LinkDown;
    let waited = transmitter.drain(Deadline::NEVER, OnSignal::Continue);
    assert_eq!(waited, Err(Error::Unsent { frame, why }));
    assert_eq!(transmitter.queued(), 1);
    pair.near.set_up()?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    drain(&mut transmitter)?;
    assert!(witness.numbers_until_quiet(QUIET)?.contains(&0));
    Ok(())
}

fn a_skipped_frame_stops_nothing() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let rings = Tx::new(FrameGeometry::DEFAULT).refusal(Refusal::Skip);
    let mut socket = transmitting(rings, &pair.near)?;
    let mut transmitter = socket.transmitter();
    for (number, len) in [(0, 60), (1, 1600), (2, 60)] {
        send(&mut transmitter, number, len)?;
    }
    drain(&mut transmitter)?;
    assert_eq!(witness.numbers_until_quiet(QUIET)?, [0, 2]);
    Ok(())
}

suite![
    ten_laps_arrive_in_order_byte_for_byte,
    frames_that_leave_a_gap_in_each_block_arrive_too,
    a_ring_of_one_frame_works,
    a_refused_frame_is_named_and_can_be_mended,
    a_recalled_frame_leaves_no_hole,
    an_abandoned_frame_is_handed_out_again,
    frames_wait_while_the_link_is_down,
    a_skipped_frame_stops_nothing,
];
