//! How long a lone packet waits in a block that does not fill.

mod data_path;

use core::time::Duration;
use std::time::Instant;

use packet_ring::packet::BlockStatus;
use packet_ring_lab::suite;
use packet_ring_lab::suite::{Stopped, TestResult};

use data_path::{Bench, SMALL, next, numbers};

/// What a loaded machine may add to any wait.
const SLACK: Duration = Duration::from_millis(500);

/// How long each of some lone packets took to arrive with this retire timeout.
fn waits(retire_timeout: Duration) -> Result<Vec<Duration>, Stopped> {
    let mut bench = Bench::new(SMALL.retire_timeout(retire_timeout)?)?;
    (0..8)
        .map(|number| {
            let sent = Instant::now();
            bench.send(number);
            let block = next(&mut bench.socket)?;
            let waited = sent.elapsed();
            assert_eq!(numbers(&block), [number]);
            assert!(block.status().contains(BlockStatus::TIMED_OUT));
            Ok(waited)
        })
        .collect()
}

fn a_lone_packet_arrives_when_its_block_is_retired() -> TestResult {
    let mut means = Vec::new();
    for ms in [1, 10, 100] {
        let timeout = Duration::from_millis(ms);
        let waits = waits(timeout)?;
        let bound = 3 * timeout + SLACK;
        assert!(waits.iter().all(|&wait| wait < bound), "{ms} ms: {waits:?}");
        means.push(waits.iter().sum::<Duration>() / waits.len() as u32);
    }
    assert!(means[0] < means[2] && means[1] < means[2], "{means:?}");
    Ok(())
}

fn the_kernel_can_choose_the_retire_timeout() -> TestResult {
    let waits = waits(Duration::ZERO)?;
    assert!(waits.iter().all(|&wait| wait < SLACK), "{waits:?}");
    Ok(())
}

fn a_full_block_does_not_wait() -> TestResult {
    let mut bench = Bench::new(SMALL)?;
    let sent = Instant::now();
    bench.flood(0..data_path::FULL + 1);
    let block = next(&mut bench.socket)?;
    assert!(!block.status().contains(BlockStatus::TIMED_OUT));
    drop(block);
    // The rest is still in a block that the kernel keeps open.
    assert!(data_path::is_quiet(&mut bench.socket.receiver())?);
    assert!(sent.elapsed() < data_path::NEVER / 2);
    Ok(())
}

suite![
    the_kernel_can_choose_the_retire_timeout,
    a_full_block_does_not_wait;
    alone: a_lone_packet_arrives_when_its_block_is_retired,
];
