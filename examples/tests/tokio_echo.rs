//! The echo in tokio: each packet comes back, its addresses exchanged.

mod common;

use core::ops::ControlFlow;

use common::{PATIENCE, Program, frames};
use packet_ring::packet::{Geometry, Interface, Rx, Socket};
use packet_ring::{Deadline, OnSignal};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, frame, suite};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tokio_echo");

fn every_packet_comes_back() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    let injector = Injector::on(&pair.near)?;
    let _program = Program::start(PROGRAM, &[pair.far.name()])?;
    // More than the transmit ring has frames, in parts that the witness has room for.
    let frames = frames(1_000);
    for part in frames.chunks(50) {
        injector.send_batch(part)?;
        for frame in part {
            let seen = witness.receive(PATIENCE)?.ok_or("no echo")?;
            let echo = [&frame[6..12], &frame[..6], &frame[12..]].concat();
            assert_eq!(seen.bytes, echo);
        }
    }
    let counters = pair.far.counters()?;
    assert_eq!((counters.rx_packets, counters.tx_packets), (1_000, 1_000));
    Ok(())
}

/// More packets at once than there are frames to answer in: the task waits for some to come back.
fn a_burst_longer_than_the_ring_comes_back() -> TestResult {
    const COUNT: u64 = 2_000;
    let pair = VethPair::create(&VethOptions::default())?;
    let interface = Interface::by_name(pair.near.name())?;
    let mut socket = Socket::configure(Rx::new(Geometry::DEFAULT))?;
    socket.ignore_outgoing()?;
    let mut socket = socket.map()?.bind(interface)?;
    let _program = Program::start(PROGRAM, &[pair.far.name()])?;
    let template = frame::numbered(0, 60);
    assert_eq!(Injector::on(&pair.near)?.flood(&template, 0..COUNT), COUNT);
    let mut next = 0;
    let end = Deadline::after(PATIENCE);
    socket.for_each(end, OnSignal::Continue, |packet| {
        let mut sent = template.clone();
        frame::renumber(&mut sent, next);
        let echo = [&sent[6..12], &sent[..6], &sent[12..]].concat();
        assert_eq!(packet.data(), echo);
        next += 1;
        if next < COUNT {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    assert_eq!(next, COUNT);
    assert_eq!(pair.far.counters()?.tx_packets, COUNT);
    Ok(())
}

fn what_the_host_sends_there_is_not_echoed() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    let _program = Program::start(PROGRAM, &[pair.far.name()])?;
    let frames = frames(2);
    Injector::on(&pair.far)?.send(&frames[0])?;
    assert_eq!(
        witness.receive(PATIENCE)?.ok_or("nothing")?.bytes,
        frames[0]
    );
    Injector::on(&pair.near)?.send(&frames[1])?;
    // Echoes come in the order of what they echo.
    let echo = witness.receive(PATIENCE)?.ok_or("no echo")?;
    assert_eq!(echo.bytes[12..], frames[1][12..]);
    Ok(())
}

fn what_is_too_long_to_be_sent_is_passed_over() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    let _program = Program::start(PROGRAM, &[pair.far.name()])?;
    pair.near.set_mtu(9000)?;
    let injector = Injector::on(&pair.near)?;
    // The far end takes four bytes more than it sends: room for a VLAN tag, which this has not.
    injector.send(&frame::numbered(0, 1518))?;
    injector.send(&frame::numbered(1, 1514))?;
    let echo = witness.receive(PATIENCE)?.ok_or("no echo")?;
    assert_eq!(frame::number(&echo.bytes), Some(1));
    assert_eq!(pair.far.counters()?.rx_packets, 2);
    Ok(())
}

fn it_sleeps_where_nothing_comes() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let program = Program::start(PROGRAM, &[pair.far.name()])?;
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    Injector::on(&pair.near)?.send(&frames(1)[0])?;
    assert!(witness.receive(PATIENCE)?.is_some());
    program.sleeps()
}

fn a_link_that_goes_down_ends_it() -> TestResult {
    common::ends_when_the_link_goes_down(PROGRAM, &[])
}

suite![
    every_packet_comes_back,
    a_burst_longer_than_the_ring_comes_back,
    what_the_host_sends_there_is_not_echoed,
    what_is_too_long_to_be_sent_is_passed_over,
    it_sleeps_where_nothing_comes,
    a_link_that_goes_down_ends_it,
];
