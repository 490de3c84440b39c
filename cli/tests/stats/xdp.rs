//! `--xdp`: what AF_XDP sockets take, and the kernel's counters of them.

use core::time::Duration;
use std::process::Command;
use std::time::Instant;

use packet_ring_lab::suite::{Stopped, TestResult, skip};
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, XdpMode, frame};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Stats;
use crate::common::rights::{assert_refused, may_load};
use crate::common::{Capture, PATIENCE, has, run, send, tool, wire};

const QUIET: Duration = Duration::from_millis(200);
/// As the kernel's `xdp_statistics` has them.
const COUNTERS: [&str; 6] = [
    "rx_dropped",
    "rx_invalid_descs",
    "tx_invalid_descs",
    "rx_ring_full",
    "rx_fill_ring_empty_descs",
    "tx_ring_empty_descs",
];

impl Stats {
    /// Each of the first queue's counters, summed over all reports; fails where a report has another number of them.
    fn first_queue(&self) -> [u64; 6] {
        for report in &self.reports {
            let fields = report.pointer("/xdp/0").and_then(Value::as_object);
            assert_eq!(fields.map(|fields| fields.len()), Some(7), "{report}");
        }
        COUNTERS.map(|name| self.sum(&format!("/xdp/0/{name}")))
    }
}

pub(crate) fn xdp_takes_and_counts_every_packet_in_the_mode_asked_for() -> TestResult {
    for (flag, mode) in [
        ("--xdp=native", XdpMode::Driver),
        ("--xdp=generic", XdpMode::Generic),
        ("--xdp", XdpMode::Driver),
    ] {
        let (pair, injector) = wire()?;
        let far = pair.far.name();
        if !may_load(["stats", far, flag])? {
            return Ok(());
        }
        let stack = Witness::on(&pair.far, Sees::Incoming)?;
        let before = pair.far.counters()?;
        let mut stats = Stats::start(tool().args(["stats", far, flag]))?;
        assert_eq!(pair.far.xdp()?.map(|xdp| xdp.mode), Some(mode));
        // More than there are chunks, and never so many at once.
        for first in (0..3000).step_by(500) {
            send(&injector, first..first + 500, 100)?;
            stats.wait_for("/ring/packets", first + 500)?;
        }
        injector.send(&frame::numbered_vlan(5, 3000, 84))?;
        // What it sends, no AF_XDP socket sees.
        Injector::on(&pair.far)?.send(&frame::numbered(0, 60))?;
        // What it has at the end, it still counts.
        let pid = Pid::from_child(&stats.child);
        kill_process(pid, Signal::STOP)?;
        send(&injector, 3001..3501, 100)?;
        kill_process(pid, Signal::CONT)?;
        stats.interrupt()?;
        let counted = pair.far.counters()?.since(&before);
        assert_eq!((counted.rx_packets, counted.tx_packets), (3501, 1));
        assert_eq!(stats.sum("/received/packets"), 3501);
        assert_eq!(stats.sum("/sent/packets"), 1);
        assert_eq!(stats.sum("/ring/packets"), 3501);
        assert_eq!(stats.sum("/ring/bytes"), 3500 * 100 + 84);
        assert_eq!(stats.sum("/ring/drops"), 0);
        let udp = [
            ("network", "ipv4".into()),
            ("protocol", 17.into()),
            ("direction", "broadcast".into()),
        ];
        assert_eq!(stats.kind(&udp), (3500, 350_000));
        assert_eq!(stats.first_queue(), [0; 6]);

        assert_eq!(pair.far.xdp()?, None);
        assert_eq!(pair.far.facts()?.promiscuity, 0);
        // None went to the stack; what comes afterwards is the stack's again.
        send(&injector, 4000..4001, 60)?;
        assert_eq!(stack.numbers_until_quiet(QUIET)?, [4000]);
    }
    Ok(())
}

/// Sends more than there is room for to a tool that has been stopped, and has it go on. Returns how many
/// arrived: a veth's own queue may be full, too.
fn overflow(
    pair: &VethPair,
    injector: &Injector,
    signal: impl Fn(Signal) -> TestResult,
) -> Result<u64, Stopped> {
    let frames: Vec<_> = (0..5000)
        .map(|number| frame::numbered_udp(number, 60))
        .collect();
    let (near, far) = (pair.near.counters()?, pair.far.counters()?);
    signal(Signal::STOP)?;
    injector.send_batch(&frames)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let lost = pair.near.counters()?.since(&near).tx_dropped;
        let arrived = pair.far.counters()?.since(&far).rx_packets;
        if arrived + lost == 5000 {
            signal(Signal::CONT)?;
            return Ok(arrived);
        }
        assert!(
            Instant::now() < deadline,
            "{arrived} arrived, {lost} did not"
        );
    }
}

pub(crate) fn xdp_counts_what_the_kernel_dropped_as_the_kernel_does() -> TestResult {
    for flag in ["--xdp=native", "--xdp=generic"] {
        let (pair, injector) = wire()?;
        let far = pair.far.name();
        if !may_load(["stats", far, flag])? {
            return Ok(());
        }
        let mut stats = Stats::start(tool().args(["stats", far, flag]))?;
        let pid = Pid::from_child(&stats.child);
        let arrived = overflow(&pair, &injector, |signal| Ok(kill_process(pid, signal)?))?;
        stats.wait_for("/received/packets", arrived)?;
        stats.interrupt()?;
        let lost = arrived - stats.sum("/ring/packets");
        assert!(lost > 1000, "{lost} of {arrived}");
        // Each was dropped because the fill ring had no frame for it.
        assert_eq!(stats.first_queue(), [lost, 0, 0, 0, lost, 0]);
        assert_eq!(stats.sum("/ring/drops"), lost);
    }
    Ok(())
}

pub(crate) fn xdp_counters_stand_below_the_table() -> TestResult {
    let (pair, injector) = wire()?;
    let far = pair.far.name();
    if !may_load(["stats", far, "--xdp"])? {
        return Ok(());
    }
    let mut stats = Capture::spawn(tool().args(["stats", far, "--xdp", "--interval", "100"]));
    stats.wait_for("packets are taken from the network stack");
    stats.wait_for("counting on ");
    overflow(&pair, &injector, |signal| {
        stats.signal(signal);
        Ok(())
    })?;
    let ended = stats.interrupt();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let words = |beginning: &str| -> Vec<&str> {
        let mut lines = ended.stdout.lines();
        let line = lines.find(|line| line.starts_with(beginning));
        let line = line.unwrap_or_else(|| panic!("{beginning}: {}", ended.stdout));
        line.split_whitespace().collect()
    };
    assert_eq!(words("            rx_dropped"), COUNTERS);
    let taken = words("taken by AF_XDP");
    let lost = taken.last().ok_or("no drops")?;
    assert!(lost.parse::<u64>()? > 1000, "{}", ended.stdout);
    let row = ["queue", "0", lost, "0", "0", "0", lost, "0"];
    assert_eq!(words("queue 0"), row, "{}", ended.stdout);
    Ok(())
}

/// As a rule the kernel has not let go of the queue by then.
pub(crate) fn xdp_can_be_started_again_at_once() -> TestResult {
    let (pair, _injector) = wire()?;
    let far = pair.far.name();
    let arguments = ["stats", far, "--xdp=generic"];
    if !may_load(arguments)? {
        return Ok(());
    }
    for _ in 0..20 {
        Stats::start(tool().args(arguments))?.interrupt()?;
    }
    Ok(())
}

pub(crate) fn xdp_has_a_row_of_counters_for_each_queue() -> TestResult {
    const QUEUES: u32 = 14;
    let pair = VethPair::create(&VethOptions {
        queues: QUEUES,
        ..VethOptions::default()
    })?;
    let far = pair.far.name();
    if !may_load(["stats", far, "--xdp"])? {
        return Ok(());
    }
    let injector = Injector::on(&pair.near)?;
    let one = [QUEUES - 1];
    for (queues, more) in [
        (Vec::from_iter(0..QUEUES), &[][..]),
        (one.to_vec(), &["--queue", "13"]),
    ] {
        let mut stats = Stats::start(tool().args(["stats", far, "--xdp"]).args(more))?;
        send(&injector, 0..200, 60)?;
        stats.wait_for("/received/packets", 200)?;
        stats.interrupt()?;
        for report in &stats.reports {
            let rows = report["xdp"].as_array().ok_or("no rows")?;
            let shown: Vec<_> = rows.iter().map(|row| row["queue"].as_u64()).collect();
            let queues = queues.iter().map(|&queue| Some(u64::from(queue)));
            assert_eq!(shown, Vec::from_iter(queues));
        }
        if more.is_empty() {
            let taken = stats.sum("/ring/packets") + stats.sum("/ring/drops");
            assert_eq!(taken, 200);
        }
    }
    // People get a row for those that a table has no room for.
    let text = run(["stats", far, "--xdp", "-c", "1", "--interval", "0.01"]);
    let rows = |beginning: &str| {
        let lines = text.stdout.lines();
        lines.filter(|line| line.starts_with(beginning)).count()
    };
    assert_eq!(
        (rows("queue "), rows("others ")),
        (12, 1),
        "{}",
        text.stdout
    );
    Ok(())
}

pub(crate) fn xdp_without_permission_says_what_it_takes() -> TestResult {
    if !has("unshare") {
        return skip("unshare (util-linux) is not installed");
    }
    let (pair, _injector) = wire()?;
    let tool = env!("CARGO_BIN_EXE_packet-ring");
    let arguments = ["--user", tool, "stats", pair.far.name(), "--xdp"];
    let ended = Capture::spawn(Command::new("unshare").args(arguments)).end();
    assert_refused(&ended);
    assert_eq!(ended.stdout, "");
    Ok(())
}

pub(crate) fn xdp_tells_a_link_that_goes_down_and_ends_with_one_that_goes() -> TestResult {
    let (pair, injector) = wire()?;
    let far = pair.far.name();
    if !may_load(["stats", far, "--xdp"])? {
        return Ok(());
    }
    let mut stats = Stats::start(tool().args(["stats", far, "--xdp"]))?;
    let last_is = |up: bool| {
        move |stats: &Stats| {
            stats
                .reports
                .last()
                .is_some_and(|report| report["up"] == up)
        }
    };
    pair.far.set_down()?;
    stats.wait_until(last_is(false))?;
    pair.set_up()?;
    send(&injector, 0..5, 60)?;
    stats.wait_for("/ring/packets", 5)?;
    stats.wait_until(last_is(true))?;
    stats.interrupt()?;

    let mut stats = Capture::spawn(tool().args(["stats", far, "--xdp"]));
    stats.wait_for("counting on");
    pair.delete()?;
    let ended = stats.end();
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("went away"), "{}", ended.stderr);
    Ok(())
}

pub(crate) fn a_program_that_is_there_already_is_told() -> TestResult {
    let (pair, _injector) = wire()?;
    let far = pair.far.name();
    if !may_load(["stats", far, "--xdp"])? {
        return Ok(());
    }
    let _capture = Capture::start(["-i", far, "--xdp=generic", "-w", "/dev/null"]);
    let program = pair.far.xdp()?.and_then(|xdp| xdp.program).ok_or("none")?;
    let mut stats = Capture::spawn(tool().args(["stats", far, "-c", "1", "--interval", "0.01"]));
    let told = format!("XDP program {program} (packet_ring) in generic mode on {far}: ");
    stats.wait_for(&told);
    assert_eq!(stats.end().status.code(), Some(0));
    _capture.interrupt();
    Ok(())
}
