//! What does not go, and how it ends.

use core::time::Duration;
use std::time::Instant;

use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Link, Sees, VethOptions, VethPair, Witness, frame};

use crate::arrival::QUIET;
use crate::common::{Directory, PATIENCE};
use crate::written::{Packet, counts, plain, replay, start};

fn at_once(data: Vec<u8>) -> Packet {
    (Duration::ZERO, data)
}

/// Waits until the interface has received so many.
fn wait_for_packets(link: &Link, count: u64) -> TestResult {
    let began = Instant::now();
    while link.counters()?.rx_packets < count {
        assert!(began.elapsed() < PATIENCE, "no packets come");
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

pub(crate) fn frames_that_cannot_go_are_counted_and_passed_over() -> TestResult {
    let directory = Directory::new("failed");
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    // 1514 bytes go, and with a tag 1518. The kernel refuses the 13 bytes that are no header.
    let frames = [
        frame::numbered(0, 1514),
        frame::numbered(1, 1515),
        frame::numbered(2, 60),
        frame::numbered_vlan(5, 3, 1518),
        frame::numbered_vlan(5, 4, 1519),
        vec![0xff; 13],
        frame::numbered(6, 60),
        frame::numbered(7, 9000),
        Vec::new(),
    ];
    let file = plain(&directory, frames.into_iter().map(at_once))?;
    for flags in [&["--loop", "2"][..], &["--loop", "2", "--xdp"]] {
        let ended = replay(pair.near.name(), flags, &file);
        assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
        assert_eq!(counts(&ended), [8, 8, 10], "{}", ended.stderr);
        for text in [
            "    6 longer than the MTU of 1500 allows",
            "    4 that the kernel refused",
            "10 of 18 packets could not be sent",
        ] {
            assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
        }
        let seen = witness.receive_until_quiet(QUIET)?;
        assert_eq!(seen.len(), 8);
        assert_eq!(seen[0].bytes, frame::numbered(0, 1514));
        assert_eq!(seen[7].bytes, frame::numbered(6, 60));
    }
    Ok(())
}

pub(crate) fn an_interface_that_is_down_is_waited_for() -> TestResult {
    for flags in [&[][..], &["--xdp"]] {
        let directory = Directory::new("down");
        let pair = VethPair::create(&VethOptions::default())?;
        pair.near.set_down()?;
        let frames = (0..5).map(|number| at_once(frame::numbered(number, 60)));
        let file = plain(&directory, frames)?;
        let mut replay = start(pair.near.name(), flags, &file);
        replay.wait_for("is down: waiting until it is up");
        pair.set_up()?;
        let ended = replay.end();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert_eq!(counts(&ended), [5, 5, 0], "{}", ended.stderr);
    }
    Ok(())
}

pub(crate) fn a_signal_ends_it_and_its_counts_hold() -> TestResult {
    let directory = Directory::new("signal");
    for flags in [
        &["-t", "-l", "0"][..],
        &["-l", "0", "-p", "1000"],
        &[],
        &["-t", "-l", "0", "--xdp"],
        &["--xdp"],
    ] {
        let pair = VethPair::create(&VethOptions::default())?;
        let hour = Duration::from_secs(3600);
        let frames = [
            at_once(frame::numbered(0, 60)),
            (hour, frame::numbered(1, 60)),
        ];
        let file = plain(&directory, frames)?;
        let replay = start(pair.near.name(), flags, &file);
        wait_for_packets(&pair.far, 1)?;
        let ended = replay.interrupt();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        let [sent, counted, failed] = counts(&ended);
        assert_eq!((counted, failed), (sent, 0), "{}", ended.stderr);
        assert_eq!(pair.far.counters()?.rx_packets, sent);
    }
    Ok(())
}

pub(crate) fn an_interface_that_goes_away_is_an_error() -> TestResult {
    for flags in [
        &["-l", "0", "-p", "1000"][..],
        &["-l", "0", "-p", "1000", "--xdp"],
    ] {
        let directory = Directory::new("gone");
        let pair = VethPair::create(&VethOptions::default())?;
        let file = plain(&directory, [at_once(frame::numbered(0, 60))])?;
        let replay = start(pair.near.name(), flags, &file);
        wait_for_packets(&pair.far, 1)?;
        pair.delete()?;
        let ended = replay.end();
        assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
        assert!(ended.stderr.contains("went away"), "{}", ended.stderr);
    }
    Ok(())
}

pub(crate) fn a_file_that_ends_in_a_packet_is_sent_as_far_as_it_goes() -> TestResult {
    let directory = Directory::new("ends");
    let pair = VethPair::create(&VethOptions::default())?;
    let frames = (0..5).map(|number| at_once(frame::numbered(number, 60)));
    let file = plain(&directory, frames)?;
    let bytes = std::fs::read(&file)?;
    std::fs::write(&file, &bytes[..bytes.len() - 10])?;
    let ended = replay(pair.near.name(), &[], &file);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("the file ends within a packet"),
        "{}",
        ended.stderr
    );
    assert_eq!(counts(&ended), [4, 4, 0], "{}", ended.stderr);
    assert_eq!(pair.far.counters()?.rx_packets, 4);
    Ok(())
}
