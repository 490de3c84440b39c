//! The host's own TCP stack talks to the smoltcp example, over either family, byte for byte.

mod common;

use common::tcp;
use packet_ring_lab::suite;
use packet_ring_lab::suite::TestResult;

const PROGRAM: &str = env!("CARGO_BIN_EXE_smoltcp_echo");

fn af_packet_echoes_100_mb() -> TestResult {
    tcp::echoes(PROGRAM, "packet", 100 << 20)
}

fn af_xdp_echoes_100_mb() -> TestResult {
    tcp::echoes(PROGRAM, "xdp", 100 << 20)
}

suite![; alone: af_packet_echoes_100_mb, af_xdp_echoes_100_mb];
