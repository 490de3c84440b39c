//! The epoll example prints each packet, byte for byte.

mod common;

use packet_ring_lab::suite;
use packet_ring_lab::suite::TestResult;

fn every_packet_is_printed() -> TestResult {
    common::prints_every_packet(env!("CARGO_BIN_EXE_epoll"))
}

suite![every_packet_is_printed];
