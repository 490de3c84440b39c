//! Blocks that tokio's tasks own: their bytes, and the ring's task while they are out.

mod common;

use common::{Program, frames, told};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, VethOptions, VethPair, suite};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tokio_blocks");

/// Several megabytes through a ring of four, in blocks that are printed and released in whichever order.
fn every_packet_is_printed_whoever_has_its_block() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let frames = frames(9_000);
    let mut program = Program::start(PROGRAM, &[pair.far.name(), &frames.len().to_string()])?;
    let mut printed = Vec::new();
    for part in frames.chunks(1_000) {
        Injector::on(&pair.near)?.send_batch(part)?;
        printed.extend(program.take(part.len())?);
    }
    assert_eq!(program.finish()?, [""; 0]);
    let mut sent: Vec<_> = frames.iter().map(|frame| told(frame)).collect();
    // Within a block in order; the blocks as they were done with.
    printed.sort_unstable();
    sent.sort_unstable();
    assert!(printed == sent);
    assert_eq!(pair.far.counters()?.rx_packets, frames.len() as u64);
    Ok(())
}

fn it_sleeps_while_the_newest_block_is_out() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let injector = Injector::on(&pair.near)?;
    let frames = frames(101);
    let program = Program::start(PROGRAM, &[pair.far.name(), "101"])?;
    // More text than the pipe to us takes: whoever prints is stuck, and has the output to itself.
    injector.send_batch(&frames[..100])?;
    program.sleeps()?;
    // So whoever gets this block keeps it.
    injector.send(&frames[100])?;
    program.sleeps()?;
    let mut printed = program.finish()?;
    let mut sent: Vec<_> = frames.iter().map(|frame| told(frame)).collect();
    printed.sort_unstable();
    sent.sort_unstable();
    assert_eq!(printed, sent);
    Ok(())
}

fn a_link_that_goes_down_ends_it() -> TestResult {
    common::ends_when_the_link_goes_down(PROGRAM, &["1"])
}

suite![
    every_packet_is_printed_whoever_has_its_block,
    it_sleeps_while_the_newest_block_is_out,
    a_link_that_goes_down_ends_it,
];
