//! The host's own TCP stack talks to the embassy-net example, over either family, byte for byte.

mod common;

use common::tcp;
use packet_ring_lab::suite;
use packet_ring_lab::suite::TestResult;

const ECHO: &str = env!("CARGO_BIN_EXE_embassy_net");

/// Sixteen megabytes each way.
const MUCH: u64 = 16 << 20;

fn af_packet_echoes() -> TestResult {
    tcp::echoes(ECHO, "packet", MUCH)
}

fn af_xdp_echoes() -> TestResult {
    if !common::may_load()? {
        return tcp::is_refused(ECHO);
    }
    tcp::echoes(ECHO, "xdp", MUCH)
}

suite![af_packet_echoes, af_xdp_echoes];
