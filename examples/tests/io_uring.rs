//! The io_uring example prints each packet, byte for byte, sleeps between them, and ends when the link goes down.

mod common;

use common::{Program, told};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};

const PROGRAM: &str = env!("CARGO_BIN_EXE_io_uring");

fn every_packet_is_printed() -> TestResult {
    common::prints_every_packet(PROGRAM)
}

fn it_sleeps_where_nothing_comes() -> TestResult {
    common::sleeps_after_a_packet(PROGRAM, &["2"])
}

fn a_link_that_goes_down_ends_it() -> TestResult {
    common::ends_when_the_link_goes_down(PROGRAM, &["1"])
}

fn one_poll_serves_all_events() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut program = Program::start(PROGRAM, &[pair.far.name(), "100"])?;
    let injector = Injector::on(&pair.near)?;
    for number in 0..10 {
        let frame = frame::numbered_udp(number, 60);
        injector.send(&frame)?;
        assert_eq!(program.line()?, Some(told(&frame)));
        program.sleeps()?;
    }
    // What was submitted, as the kernel counts it.
    assert_eq!(program.fd_info("SqTail:")?, ["1"]);
    Ok(())
}

suite![
    every_packet_is_printed,
    one_poll_serves_all_events,
    it_sleeps_where_nothing_comes,
    a_link_that_goes_down_ends_it,
];
