//! The host's own TCP stack talks to the smoltcp example, over either family, byte for byte.

mod common;

use core::time::Duration;
use std::thread;

use common::tcp;
use packet_ring_lab::suite;
use packet_ring_lab::suite::TestResult;

const ECHO: &str = env!("CARGO_BIN_EXE_smoltcp_echo");

/// A hundred megabytes each way.
const MUCH: u64 = 100 << 20;

fn af_packet_echoes_100_mb() -> TestResult {
    tcp::echoes(ECHO, "packet", MUCH)
}

fn af_xdp_echoes_100_mb() -> TestResult {
    if !common::may_load()? {
        return tcp::is_refused(ECHO);
    }
    tcp::echoes(ECHO, "xdp", MUCH)
}

/// Takes the link down and up while bytes cross it.
fn survives_a_link_that_comes_and_goes(family: &str) -> TestResult {
    let (pair, mut program) = tcp::serve(ECHO, family)?;
    thread::scope(|scope| {
        let echoing = scope.spawn(|| tcp::echo(&tcp::connect()?, MUCH / 4));
        for turn in 1..=3 {
            // Once bytes cross it.
            let before = pair.far.counters()?.tx_bytes;
            while pair.far.counters()?.tx_bytes < before + (1 << 20) {
                assert!(!echoing.is_finished(), "it was over before turn {turn}");
                thread::sleep(Duration::from_millis(1));
            }
            pair.far.set_down()?;
            assert_eq!(program.line()?.as_deref(), Some("the link is down"));
            pair.set_up()?;
        }
        echoing.join().map_err(|_| "the client panicked")?
    })
}

fn af_packet_goes_on_when_the_link_is_back() -> TestResult {
    survives_a_link_that_comes_and_goes("packet")
}

fn af_xdp_goes_on_when_the_link_is_back() -> TestResult {
    if !common::may_load()? {
        return tcp::is_refused(ECHO);
    }
    survives_a_link_that_comes_and_goes("xdp")
}

suite![
    af_packet_echoes_100_mb,
    af_xdp_echoes_100_mb,
    af_packet_goes_on_when_the_link_is_back,
    af_xdp_goes_on_when_the_link_is_back,
];
