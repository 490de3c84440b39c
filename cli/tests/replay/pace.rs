//! When packets go: never before they are due. How long after, the machine decides.

use core::time::Duration;
use std::time::Instant;

use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{VethOptions, VethPair, frame};

use crate::common::Directory;
use crate::written::{counts, plain, replay};

/// How long a replay of frames of 125 bytes takes that lie so far apart.
fn takes(
    spacing: Duration,
    count: u32,
    flags: &[&str],
) -> Result<Duration, Box<dyn core::error::Error>> {
    let directory = Directory::new(&format!("pace-{}", flags.join("")));
    let pair = VethPair::create(&VethOptions::default())?;
    let packets = (0..count).map(|number| (spacing * number, frame::numbered(number.into(), 125)));
    let file = plain(&directory, packets)?;
    let began = Instant::now();
    let ended = replay(pair.near.name(), flags, &file);
    let took = began.elapsed();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let sent = counts(&ended)[0];
    assert_eq!(pair.far.counters()?.rx_packets, sent);
    Ok(took)
}

const MILLISECOND: Duration = Duration::from_millis(1);

pub(crate) fn original_times_are_kept() -> TestResult {
    assert!(takes(20 * MILLISECOND, 11, &[])? >= 200 * MILLISECOND);
    Ok(())
}

pub(crate) fn a_lap_begins_when_the_one_before_is_over() -> TestResult {
    assert!(takes(20 * MILLISECOND, 6, &["-l", "3"])? >= 300 * MILLISECOND);
    Ok(())
}

pub(crate) fn packets_a_second_are_not_exceeded() -> TestResult {
    assert!(takes(Duration::ZERO, 20, &["--pps", "100"])? >= 190 * MILLISECOND);
    Ok(())
}

pub(crate) fn bits_a_second_are_not_exceeded() -> TestResult {
    // A thousand bits a packet: one every 10 ms.
    assert!(takes(Duration::ZERO, 21, &["--rate", "100k"])? >= 200 * MILLISECOND);
    Ok(())
}
