//! The tokio example, which is the README's: it prints each packet, and ends when the link goes down.

mod common;

use common::{Program, frames, told};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, VethOptions, VethPair, suite};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tokio");

fn every_packet_is_printed() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let frames = frames(100);
    let mut program = Program::start(PROGRAM, &[pair.far.name()])?;
    // The second half comes to a program that has waited again.
    for half in frames.chunks(50) {
        Injector::on(&pair.near)?.send_batch(half)?;
        let sent: Vec<_> = half.iter().map(|frame| told(frame)).collect();
        assert_eq!(program.take(half.len())?, sent);
    }
    assert_eq!(pair.far.counters()?.rx_packets, frames.len() as u64);
    Ok(())
}

fn it_sleeps_where_nothing_comes() -> TestResult {
    common::sleeps_after_a_packet(PROGRAM, &[])
}

fn a_link_that_goes_down_ends_it() -> TestResult {
    common::ends_when_the_link_goes_down(PROGRAM, &[])
}

/// What a newcomer reads, builds and runs is this very program.
fn the_readme_has_it() -> TestResult {
    let program = include_str!("../tokio.rs");
    let (_, program) = program.split_once("\n\n").ok_or("no module docs")?;
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&format!("```rust,no_run\n{program}```\n")));
    assert!(program.lines().count() < 30);
    assert!(!program.contains("unsafe {"));
    Ok(())
}

suite![
    every_packet_is_printed,
    it_sleeps_where_nothing_comes,
    a_link_that_goes_down_ends_it,
    the_readme_has_it,
];
