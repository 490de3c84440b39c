//! A worker a processor: where they run, and what they print between them.

mod common;

use std::collections::{HashMap, HashSet};

use common::{Program, frames, told};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, VethOptions, VethPair, suite};
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_getaffinity};

const PROGRAM: &str = env!("CARGO_BIN_EXE_thread_per_core");

/// The numbers of the processors that a program may run on.
fn processors() -> Result<Vec<usize>, Errno> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&processor| allowed.is_set(processor))
        .collect())
}

fn each_worker_has_its_processor() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let program = Program::start(PROGRAM, &[pair.far.name(), "1"])?;
    program.sleeps()?; // each has its name by then
    let mut threads = program.threads()?;
    threads.retain(|(name, _)| name.starts_with("worker"));
    let mut workers: Vec<_> = processors()?
        .into_iter()
        .map(|processor| (format!("worker {processor}"), processor.to_string()))
        .collect();
    workers.sort_unstable();
    assert_eq!(threads, workers);
    Ok(())
}

fn every_packet_is_printed_by_the_worker_of_its_flow() -> TestResult {
    const FLOWS: u16 = 97; // a prime: no deal in turn brings a flow to one worker
    let pair = VethPair::create(&VethOptions::default())?;
    let mut frames = frames(500);
    for (frame, port) in frames.iter_mut().zip((0..FLOWS).cycle()) {
        frame[34..36].copy_from_slice(&port.to_be_bytes()); // the UDP source port
    }
    let program = Program::start(PROGRAM, &[pair.far.name(), "500"])?;
    Injector::on(&pair.near)?.send_batch(&frames)?;

    let mut workers = HashMap::new();
    for line in program.finish()? {
        let (worker, packet) = line.split_once(": ").ok_or("no worker")?;
        let seen = workers.insert(packet.to_owned(), worker.to_owned());
        assert_eq!(seen, None);
    }
    assert_eq!(workers.len(), frames.len());
    let worker_of = |frame: &Vec<u8>| workers.get(&told(frame));
    for (number, frame) in frames.iter().enumerate() {
        let first = &frames[number % usize::from(FLOWS)];
        assert!(worker_of(frame).is_some());
        assert_eq!(worker_of(frame), worker_of(first));
    }
    // So many flows do not all come to one of several.
    let busy: HashSet<_> = workers.values().collect();
    assert_eq!(busy.len() > 1, processors()?.len() > 1);
    assert_eq!(pair.far.counters()?.rx_packets, 500);
    Ok(())
}

fn a_link_that_goes_down_ends_it() -> TestResult {
    common::ends_when_the_link_goes_down(PROGRAM, &["1"])
}

suite![
    each_worker_has_its_processor,
    every_packet_is_printed_by_the_worker_of_its_flow,
    a_link_that_goes_down_ends_it,
];
