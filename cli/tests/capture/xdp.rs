//! `--xdp`: packets by AF_XDP, taken from the network stack.

use core::time::Duration;

use packet_ring_lab::suite::{TestResult, skip};
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, XdpMode, frame};
use rustix::process::Signal;

use crate::common::rights::may_load;
use crate::common::{Capture, Directory, has, run, send, wire};
use crate::seen::{assert_summary, numbers, packets, pcap_packets};

const QUIET: Duration = Duration::from_millis(200);
const MODES: [(&str, XdpMode); 3] = [
    ("--xdp=native", XdpMode::Driver),
    ("--xdp=generic", XdpMode::Generic),
    ("--xdp", XdpMode::Driver),
];

fn count_without_counters(stderr: &str) -> usize {
    stderr.matches("rx_ring_full 0").count()
}

/// A sender that is never ahead loses nothing.
fn wait_until_captured(capture: &mut Capture, count: u64) {
    loop {
        capture.signal(Signal::USR1);
        let line = capture.wait_for(" captured, ");
        if line.starts_with(&format!("{count} packets")) {
            return;
        }
    }
}

pub(crate) fn xdp_takes_every_packet_in_the_mode_asked_for() -> TestResult {
    for (flag, mode) in MODES {
        let directory = Directory::new("xdp-modes");
        let file = directory.join("x.pcapng");
        let (pair, injector) = wire()?;
        if !may_load(["capture", "-i", pair.far.name(), flag])? {
            return Ok(());
        }
        let stack = Witness::on(&pair.far, Sees::Incoming)?;
        // Each of 256 chunks is needed several times.
        let mut capture = Capture::into_file(&pair.far, &file, [flag, "-B", "1"]);
        assert_eq!(pair.far.xdp()?.map(|xdp| xdp.mode), Some(mode));
        for first in (0..2000).step_by(50) {
            let frames: Vec<_> = (first..first + 50)
                .map(|number| frame::numbered(number, 60 + number as usize % 1455))
                .collect();
            injector.send_batch(&frames)?;
            wait_until_captured(&mut capture, first + 50);
        }
        let ended = capture.interrupt();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert_summary(&ended, 2000, 2000, 0);
        assert_eq!(count_without_counters(&ended.stderr), 1, "{}", ended.stderr);
        assert_eq!(numbers(&file), Vec::from_iter(0..2000));
        let written = packets(&file);
        assert!(written.iter().all(|packet| frame::is_intact(&packet.data)));
        assert!(written.is_sorted_by_key(|packet| packet.timestamp));
        assert_eq!(stack.receive_until_quiet(QUIET)?.len(), 0);
        assert_eq!(pair.far.counters()?.rx_packets, 2000);
        assert_eq!(pair.far.xdp()?, None);
        // What comes afterwards is the stack's again.
        injector.send(&frame::numbered(2000, 60))?;
        assert_eq!(stack.numbers_until_quiet(QUIET)?, [2000]);
    }
    Ok(())
}

pub(crate) fn xdp_leaves_to_the_stack_what_the_filter_rejects() -> TestResult {
    if !has("tcpdump") {
        return skip("tcpdump, and libpcap with it, is not installed");
    }
    for flag in ["--xdp=native", "--xdp=generic"] {
        let directory = Directory::new("xdp-filter");
        let file = directory.join("x.pcap");
        let (pair, injector) = wire()?;
        if !may_load(["capture", "-i", pair.far.name(), flag])? {
            return Ok(());
        }
        let stack = Witness::on(&pair.far, Sees::Incoming)?;
        let more = [flag, "-P", "udp", "port", "34997"];
        let capture = Capture::into_file(&pair.far, &file, more);
        for number in 0..20 {
            injector.send(&frame::numbered(number, 60))?;
            send(&injector, number + 100..number + 101, 60)?;
        }
        assert_eq!(stack.numbers_until_quiet(QUIET)?, Vec::from_iter(0..20));
        let ended = capture.interrupt();
        assert_summary(&ended, 20, 20, 0);
        let written = pcap_packets(&file);
        let numbers: Vec<_> = written
            .iter()
            .map(|packet| frame::number(&packet.data))
            .collect();
        assert_eq!(numbers, Vec::from_iter((100..120).map(Some)));
    }
    Ok(())
}

pub(crate) fn xdp_counts_cuts_and_rotates_as_without() -> TestResult {
    let directory = Directory::new("xdp-limits");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    if !may_load(["capture", "-i", pair.far.name(), "--xdp"])? {
        return Ok(());
    }
    let more = ["--xdp", "-s", "64", "-c", "25", "-b", "packets:10"];
    let capture = Capture::into_file(&pair.far, &file, more);
    let frames: Vec<_> = (0..40).map(|number| frame::numbered(number, 200)).collect();
    injector.send_batch(&frames)?;
    let ended = capture.end();
    assert_summary(&ended, 25, 25, 0);
    let names = directory.names();
    assert_eq!(names.len(), 3, "{names:?}");
    let mut seen = Vec::new();
    for (name, count) in names.iter().zip([10, 10, 5]) {
        let written = packets(&directory.join(name));
        assert_eq!(written.len(), count);
        for packet in &written {
            assert_eq!((packet.data.len(), packet.original_len), (64, 200));
        }
        seen.extend(numbers(&directory.join(name)));
    }
    assert_eq!(seen, Vec::from_iter(0..25));
    Ok(())
}

pub(crate) fn xdp_takes_large_packets_whole() -> TestResult {
    for flag in ["--xdp=native", "--xdp=generic"] {
        let directory = Directory::new("xdp-large");
        let file = directory.join("x.pcapng");
        let pair = VethPair::create(&VethOptions {
            mtu: 9000,
            ..VethOptions::default()
        })?;
        if !may_load(["capture", "-i", pair.far.name(), flag])? {
            return Ok(());
        }
        let injector = Injector::on(&pair.near)?;
        let capture = Capture::into_file(&pair.far, &file, [flag]);
        let lengths = [60, 3840, 3841, 9014];
        for (number, len) in (0..).zip(lengths) {
            injector.send(&frame::numbered(number, len))?;
        }
        assert_summary(&capture.interrupt(), 4, 4, 0);
        for (packet, len) in packets(&file).iter().zip(lengths) {
            assert_eq!(packet.data.len(), len);
            assert!(frame::is_intact(&packet.data));
        }
    }
    Ok(())
}

pub(crate) fn xdp_receives_from_all_queues_or_from_one() -> TestResult {
    let pair = VethPair::create(&VethOptions {
        queues: 4,
        ..VethOptions::default()
    })?;
    let far = pair.far.name();
    if !may_load(["capture", "-i", far, "--xdp"])? {
        return Ok(());
    }
    let injector = Injector::on(&pair.near)?;
    let capture = Capture::start(["-i", far, "--xdp", "-w", "/dev/null"]);
    for number in 0..200 {
        injector.send(&frame::numbered_udp(number, 60))?;
    }
    let ended = capture.interrupt();
    assert_summary(&ended, 200, 200, 0);
    assert_eq!(count_without_counters(&ended.stderr), 4, "{}", ended.stderr);

    let stack = Witness::on(&pair.far, Sees::Incoming)?;
    let one = Capture::start(["-i", far, "--xdp", "--queue", "3", "-w", "/dev/null"]);
    injector.send(&frame::numbered(7, 60))?;
    let ended = one.interrupt();
    assert!(ended.stderr.contains("queue 3: "), "{}", ended.stderr);
    // A raw socket of one processor sends by the first queue, or by that processor's.
    let seen = stack.numbers_until_quiet(QUIET)?;
    assert!(
        seen == [7] || ended.stderr.contains("1 packet captured"),
        "{}",
        ended.stderr
    );

    let none = run(["capture", "-i", far, "--xdp", "--queue", "4"]);
    assert_eq!(none.status.code(), Some(2), "{}", none.stderr);
    assert!(
        none.stderr.contains("no queue 4: they are 0 to 3"),
        "{}",
        none.stderr
    );
    Ok(())
}

pub(crate) fn xdp_refuses_what_it_cannot_do() -> TestResult {
    let (pair, _injector) = wire()?;
    let far = pair.far.name();
    let cases: [(&[&str], &str); 4] = [
        (&["--queue", "1"], "--xdp"),
        (&["--xdp", "-Q", "out"], "there is no -Q out"),
        (&["--xdp=fast"], "invalid value 'fast'"),
        (&["--xdp", "-w", "x", "--workers", "2"], "--workers"),
    ];
    for (arguments, text) in cases {
        let ended = run(["capture", "-i", far].iter().chain(arguments));
        let stderr = &ended.stderr;
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
    }
    if !may_load(["capture", "-i", far, "--xdp"])? {
        return Ok(());
    }
    // A program that is there already is not pushed aside.
    let _first = Capture::start(["-i", far, "--xdp", "-c", "1"]);
    let second = run(["capture", "-i", far, "--xdp"]);
    assert_eq!(second.status.code(), Some(1), "{}", second.stderr);
    assert!(second.stderr.contains("native"), "{}", second.stderr);
    Injector::on(&pair.near)?.send(&frame::numbered(0, 60))?;
    _first.end();
    Ok(())
}
