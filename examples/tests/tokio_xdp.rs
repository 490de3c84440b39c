//! AF_XDP in tokio: every byte of the queue's packets, and what becomes of the link.

mod common;

use common::{Program, frames, told};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tokio_xdp");

/// Starts it; `None` where it may load no program, after a look at what it says to that.
fn start(pair: &VethPair) -> Result<Option<Program>, Stopped> {
    let arguments = [pair.far.name()];
    if !common::may_load()? {
        common::refuses(PROGRAM, &arguments, "CAP_BPF")?;
        return Ok(None);
    }
    let program = Program::start(PROGRAM, &arguments)?;
    // In the native mode veth takes a program up by going down and up.
    pair.wait_for_carrier()?;
    Ok(Some(program))
}

/// Its next line that is not about the link.
fn packet(program: &mut Program) -> Result<String, Stopped> {
    loop {
        let line = program.line()?.ok_or("it ended early")?;
        if !line.starts_with("link: ") {
            return Ok(line);
        }
    }
}

fn every_packet_is_printed() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let Some(mut program) = start(&pair)? else {
        return Ok(());
    };
    // More than the memory has chunks, in parts that the fill ring has room for.
    let frames = frames(2_000);
    let injector = Injector::on(&pair.near)?;
    for part in frames.chunks(100) {
        injector.send_batch(part)?;
        for frame in part {
            assert_eq!(packet(&mut program)?, told(frame));
        }
    }
    program.sleeps()
}

fn it_goes_on_when_the_link_does_and_ends_with_the_interface() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let Some(mut program) = start(&pair)? else {
        return Ok(());
    };
    program.sleeps()?;
    pair.far.set_down()?;
    while program.line()?.ok_or("it ended")? != "link: Down" {}
    program.sleeps()?;
    pair.set_up()?;
    pair.wait_for_carrier()?;
    while program.line()?.ok_or("it ended")? != "link: Running" {}
    let frame = frame::numbered_udp(1, 60);
    Injector::on(&pair.near)?.send(&frame)?;
    assert_eq!(packet(&mut program)?, told(&frame));
    pair.delete()?;
    while program.line()?.is_some() {}
    let why = program.failure()?;
    assert!(why.contains("the interface is gone"), "{why}");
    Ok(())
}

suite![
    every_packet_is_printed,
    it_goes_on_when_the_link_does_and_ends_with_the_interface,
];
