//! The recorder in async-io: what it has kept, byte for byte, and how it sleeps on it.

mod common;

use common::{Program, frames, told};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};

const PROGRAM: &str = env!("CARGO_BIN_EXE_async_io");

fn what_came_before_the_alarm_is_printed() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let injector = Injector::on(&pair.near)?;
    let mut program = Program::start(PROGRAM, &[pair.far.name()])?;
    // As many blocks as it keeps, and as many again: each is retired before the next packet comes.
    let mut frames = frames(24);
    for (number, frame) in frames.iter().enumerate() {
        injector.send(frame)?;
        let kept = (number + 1).min(12);
        assert_eq!(program.line()?, Some(format!("{kept} kept")));
    }
    let alarm = frame::numbered(24, 60);
    injector.send(&alarm)?;
    frames.push(alarm);
    let last: Vec<_> = frames[13..].iter().map(|frame| told(frame)).collect();
    assert_eq!(program.finish()?, last);
    assert_eq!(pair.far.counters()?.rx_packets, 25);
    Ok(())
}

fn it_sleeps_while_it_holds_the_newest_block() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut program = Program::start(PROGRAM, &[pair.far.name()])?;
    let injector = Injector::on(&pair.near)?;
    for kept in ["1 kept", "2 kept"] {
        injector.send(&frame::numbered_udp(0, 60))?;
        assert_eq!(program.line()?.as_deref(), Some(kept));
        program.sleeps()?;
    }
    Ok(())
}

fn a_link_that_goes_down_while_it_holds_a_block_ends_it() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut program = Program::start(PROGRAM, &[pair.far.name()])?;
    Injector::on(&pair.near)?.send(&frame::numbered_udp(0, 60))?;
    assert_eq!(program.line()?.as_deref(), Some("1 kept"));
    program.sleeps()?;
    pair.far.set_down()?;
    let why = program.failure()?;
    assert!(why.contains("the interface is down"), "{why}");
    Ok(())
}

suite![
    what_came_before_the_alarm_is_printed,
    it_sleeps_while_it_holds_the_newest_block,
    a_link_that_goes_down_while_it_holds_a_block_ends_it,
];
