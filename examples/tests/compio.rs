//! The compio example prints each packet, byte for byte, sleeps between them, and ends when the link goes down.

mod common;

use packet_ring_lab::suite;
use packet_ring_lab::suite::TestResult;

const PROGRAM: &str = env!("CARGO_BIN_EXE_compio");

fn every_packet_is_printed() -> TestResult {
    common::prints_every_packet(PROGRAM)
}

fn it_sleeps_where_nothing_comes() -> TestResult {
    common::sleeps_after_a_packet(PROGRAM, &["2"])
}

fn a_link_that_goes_down_ends_it() -> TestResult {
    common::ends_when_the_link_goes_down(PROGRAM, &["1"])
}

suite![
    every_packet_is_printed,
    it_sleeps_where_nothing_comes,
    a_link_that_goes_down_ends_it,
];
