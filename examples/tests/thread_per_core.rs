//! A worker a processor: where they run, and what they print between them.

mod common;

use common::{Program, frames, told};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, VethOptions, VethPair, suite};
use rustix::thread::{CpuSet, sched_getaffinity};

const PROGRAM: &str = env!("CARGO_BIN_EXE_thread_per_core");

fn every_packet_is_printed_by_one_of_the_workers() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut frames = frames(200);
    for (port, frame) in frames.iter_mut().enumerate() {
        frame[34..36].copy_from_slice(&(port as u16).to_be_bytes()); // a flow each
    }
    let program = Program::start(PROGRAM, &[pair.far.name(), "200"])?;

    let processors = sched_getaffinity(None)?;
    let mut workers: Vec<_> = (0..CpuSet::MAX_CPU)
        .filter(|&processor| processors.is_set(processor))
        .map(|processor| (format!("worker {processor}"), processor.to_string()))
        .collect();
    workers.sort_unstable();
    program.sleeps()?; // each has its name by then
    let mut threads = program.threads()?;
    threads.retain(|(name, _)| name.starts_with("worker"));
    assert_eq!(threads, workers);

    Injector::on(&pair.near)?.send_batch(&frames)?;
    let mut printed = program.finish()?;
    let mut sent: Vec<_> = frames.iter().map(|frame| told(frame)).collect();
    printed.sort_unstable();
    sent.sort_unstable();
    assert_eq!(printed, sent);
    assert_eq!(pair.far.counters()?.rx_packets, 200);
    Ok(())
}

fn a_link_that_goes_down_ends_it() -> TestResult {
    common::ends_when_the_link_goes_down(PROGRAM, &["1"])
}

suite![
    every_packet_is_printed_by_one_of_the_workers,
    a_link_that_goes_down_ends_it,
];
