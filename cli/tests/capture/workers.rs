//! `--workers`: each packet once, those of one flow together.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeSet;
use std::process::Command;

use packet_ring_lab::suite::{TestResult, skip};
use packet_ring_lab::{Injector, frame};
use rustix::process::Signal;

use crate::common::{Capture, Directory, Ended, has, run, send, tcpdump, wire};
use crate::seen::{assert_summary, numbers};

const WORKERS: usize = 4;

/// A frame of this flow: its UDP source port is the only difference, and the checksum, which IPv4 need not have.
fn of_flow(flow: u16, number: u64) -> Vec<u8> {
    let mut frame = frame::numbered_udp(number, 80);
    let ports = 14 + 20;
    frame[ports..ports + 2].copy_from_slice(&(2000 + flow).to_be_bytes());
    frame[ports + 6..ports + 8].fill(0);
    frame
}

fn send_flows(injector: &Injector, flows: u16, numbers: core::ops::Range<u64>) -> TestResult {
    for number in numbers {
        injector.send(&of_flow((number % u64::from(flows)) as u16, number))?;
    }
    Ok(())
}

/// What the worker said of itself at the end.
fn captured(ended: &Ended, worker: usize) -> Option<usize> {
    let begin = format!("worker {worker}: ");
    let mut lines = ended.stderr.lines().rev();
    let line = lines.find_map(|line| line.strip_prefix(&begin))?;
    line.split(' ').next()?.parse().ok()
}

pub(crate) fn workers_have_each_packet_once_and_keep_flows_together() -> TestResult {
    // No multiple of the workers: taken in turn, the frames of a flow would be spread.
    const FLOWS: u16 = 61;
    let directory = Directory::new("workers");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let capture = Capture::start(["-i", pair.far.name(), "--workers", "4", "-w", path, "udp"]);
    assert_eq!(pair.far.facts()?.promiscuity, 1);
    injector.send(&frame::numbered(9999, 60))?;
    send_flows(&injector, FLOWS, 0..2000)?;
    let ended = capture.interrupt();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_summary(&ended, 2000, 2000, 0);

    let names = ["x_w1.pcapng", "x_w2.pcapng", "x_w3.pcapng", "x_w4.pcapng"];
    assert_eq!(directory.names(), names);
    let (mut all, mut sharing, mut flows) = (Vec::new(), 0, BTreeSet::new());
    for (worker, name) in (1..).zip(names) {
        let held = numbers(&directory.join(name));
        assert!(held.is_sorted(), "{name}: {held:?}");
        assert_eq!(
            captured(&ended, worker),
            Some(held.len()),
            "{}",
            ended.stderr
        );
        let here: BTreeSet<_> = held
            .iter()
            .map(|number| number % u64::from(FLOWS))
            .collect();
        sharing += usize::from(!here.is_empty());
        for flow in here {
            assert!(
                flows.insert(flow),
                "flow {flow} is in {name} and in one before"
            );
        }
        all.extend(held);
    }
    all.sort_unstable();
    assert_eq!(all, Vec::from_iter(0..2000));
    assert!(sharing > 1, "of {WORKERS} workers {sharing} had packets");
    Ok(())
}

pub(crate) fn workers_that_begin_under_a_flood_repeat_and_lose_nothing() -> TestResult {
    const AFTER: u64 = 5_000;
    if !has("strace") {
        return skip("strace is not installed");
    }
    let directory = Directory::new("workers-flood");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let (sent, end) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let (began, ended) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while number < end.load(Ordering::SeqCst) {
                number += 1;
                injector
                    .send(&of_flow((number % 64) as u16, number))
                    .expect("the pair is up");
                sent.store(number, Ordering::SeqCst);
            }
        });
        // strace makes each join late. With -D the tool is this process's child, and not strace's.
        let mut capture = Capture::spawn(
            Command::new("strace")
                .args([
                    "-D",
                    "-f",
                    "-qq",
                    "-o",
                    "/dev/null",
                    "-e",
                    "trace=setsockopt",
                ])
                .args(["-e", "inject=setsockopt:delay_enter=20000"])
                .args([env!("CARGO_BIN_EXE_packet-ring"), "capture", "-w", path])
                .args(["-i", pair.far.name(), "--workers", "3"]),
        );
        capture.wait_for("listening on");
        let began = sent.load(Ordering::SeqCst);
        end.store(began + AFTER, Ordering::SeqCst);
        while sent.load(Ordering::SeqCst) < began + AFTER {
            std::thread::yield_now();
        }
        (began, capture.interrupt())
    });
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(began > 0, "the flood did not begin before the workers");
    let mut all = BTreeSet::new();
    for name in directory.names() {
        for number in numbers(&directory.join(&name)) {
            assert!(all.insert(number), "{number} came twice, now in {name}");
        }
    }
    // Of what came before it listened, workers that were there already may have some; and one frame may have been on its
    // way when the number was read.
    let mut after = began + 2..=began + AFTER;
    let missing = after.find(|number| !all.contains(number));
    assert_eq!(missing, None, "began after {began}: {}", ended.stderr);
    let held = all.len() as u64;
    assert_summary(&ended, held, held, 0);
    Ok(())
}

pub(crate) fn workers_write_classic_pcap_and_rings_of_files() -> TestResult {
    if !has("tcpdump") || !has("unshare") {
        return skip("tcpdump or unshare is not installed");
    }
    let directory = Directory::new("workers-files");
    let (pair, injector) = wire()?;
    let path = directory.join("x.pcap");
    let path = path.to_str().ok_or("a path in UTF-8")?;
    let far = pair.far.name();
    let capture = Capture::start([
        "-i",
        far,
        "--workers",
        "2",
        "-P",
        "-w",
        path,
        "-b",
        "packets:10",
    ]);
    send_flows(&injector, 64, 0..100)?;
    let ended = capture.interrupt();
    assert_summary(&ended, 100, 100, 0);
    let names = directory.names();
    let lines: usize = names
        .iter()
        .map(|name| tcpdump(&[], &directory.join(name)).lines().count())
        .sum();
    assert_eq!(lines, 100);
    for worker in [1, 2] {
        let files = names
            .iter()
            .filter(|name| name.starts_with(&format!("x_w{worker}_0")));
        let wanted = captured(&ended, worker).map(|packets| packets.div_ceil(10).max(1));
        assert_eq!(Some(files.count()), wanted, "{names:?}");
    }
    Ok(())
}

pub(crate) fn workers_end_together() -> TestResult {
    let directory = Directory::new("workers-end");
    let file = directory.join("x.pcapng");
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let (pair, injector) = wire()?;
    let far = pair.far.name();
    let mut capture = Capture::start(["-i", far, "--workers", "2", "-w", path]);
    send(&injector, 0..3, 60)?;
    std::thread::sleep(core::time::Duration::from_millis(100));
    capture.signal(Signal::USR1);
    capture.wait_for("worker ");
    capture.wait_for("worker ");
    pair.delete()?;
    let ended = capture.end();
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
    assert_eq!(
        ended.stderr.matches("went away").count(),
        1,
        "{}",
        ended.stderr
    );
    assert_summary_before_the_message(&ended, 3);
    let held: usize = directory
        .names()
        .iter()
        .map(|name| numbers(&directory.join(name)).len())
        .sum();
    assert_eq!(held, 3);

    // A worker that cannot write ends them all.
    let (pair, _injector) = wire()?;
    std::os::unix::fs::symlink("/dev/full", directory.join("full_w2.pcapng"))?;
    let full = directory.join("full.pcapng");
    let full = full.to_str().ok_or("a path in UTF-8")?;
    let full = Capture::start(["-i", pair.far.name(), "--workers", "3", "-w", full]).end();
    assert_eq!(full.status.code(), Some(1), "{}", full.stderr);
    assert!(full.stderr.contains("cannot write"), "{}", full.stderr);

    let timed = Capture::start([
        "-i",
        pair.far.name(),
        "--workers",
        "2",
        "-w",
        path,
        "-a",
        "duration:0.2",
    ]);
    assert_eq!(timed.end().status.code(), Some(0));
    Ok(())
}

/// The summary stands before the reason why it ended.
fn assert_summary_before_the_message(ended: &Ended, count: u64) {
    let wanted = format!("\n{count} packets captured\n{count} packets received by filter\n");
    assert!(ended.stderr.contains(&wanted), "{}", ended.stderr);
}

pub(crate) fn workers_refuse_what_they_cannot_do() -> TestResult {
    let (pair, _injector) = wire()?;
    let far = pair.far.name();
    let cases: [(&[&str], &str); 5] = [
        (&[], "-w <FILE>"),
        (&["-w", "-"], "standard output is only one"),
        (&["-w", "x", "-c", "5"], "cannot be used with"),
        (
            &["-w", "x", "-a", "packets:5"],
            "-a takes duration:SECONDS only",
        ),
        (
            &["-w", "x", "-b", "packets:5", "-a", "files:5"],
            "-a takes duration:SECONDS only",
        ),
    ];
    for (arguments, text) in cases {
        let ended = run(["capture", "-i", far, "--workers", "2"]
            .iter()
            .chain(arguments));
        assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
    }
    Ok(())
}
