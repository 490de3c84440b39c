//! `packet-ring stats` on a veth pair: its sums are what the interface counted.

#[path = "../common/mod.rs"]
mod common;

mod xdp;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use common::screen::Screen;
use common::{Capture, PATIENCE, has, run, send, tool, wire};
use packet_ring_lab::suite::{TestResult, skip};
use packet_ring_lab::{Counters, Injector, Link, frame};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use xdp::*;

/// `stats --json` under way.
struct Stats {
    child: Child,
    lines: Receiver<String>,
    reports: Vec<Value>,
}

impl Stats {
    /// Starts the command and waits until it counts.
    fn start(command: &mut Command) -> Result<Self, Box<dyn core::error::Error>> {
        let mut child = command
            .args(["--json", "--interval", "0.05"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = BufReader::new(child.stderr.take().ok_or("piped")?);
        let counting = |line: &std::io::Result<String>| {
            line.as_ref()
                .is_ok_and(|line| line.starts_with("counting on "))
        };
        stderr.lines().find(counting).ok_or("it does not count")??;
        let stdout = child.stdout.take().ok_or("piped")?;
        Ok(Self {
            child,
            lines: lines(stdout),
            reports: Vec::new(),
        })
    }

    fn on(link: &Link) -> Result<Self, Box<dyn core::error::Error>> {
        Self::start(tool().args(["stats", link.name()]))
    }

    /// Reads on until this is so.
    fn wait_until(&mut self, is_so: impl Fn(&Self) -> bool) -> TestResult {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.map_err(|error| format!("{error}: {:?}", self.reports))?;
            self.reports.push(serde_json::from_str(&line)?);
        }
        Ok(())
    }

    /// Reads on until the reports' sum at `path` is `sum`.
    fn wait_for(&mut self, path: &str, sum: u64) -> TestResult {
        self.wait_until(|stats| stats.sum(path) >= sum)
    }

    /// Ends it as Ctrl-C does, and reads what it says last.
    fn interrupt(&mut self) -> TestResult {
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        for line in &self.lines {
            self.reports.push(serde_json::from_str(&line)?);
        }
        assert_eq!(self.child.wait()?.code(), Some(0));
        Ok(())
    }

    /// The sum of a number over all reports.
    fn sum(&self, path: &str) -> u64 {
        let numbers = self.reports.iter().map(|report| report.pointer(path));
        numbers
            .map(|number| number.and_then(Value::as_u64).unwrap_or(0))
            .sum()
    }

    /// Packets and bytes of the ring's kinds that have all of these fields.
    fn kind(&self, fields: &[(&str, Value)]) -> (u64, u64) {
        let all = self
            .reports
            .iter()
            .filter_map(|report| report.pointer("/ring/protocols"));
        let kinds = all.filter_map(Value::as_array).flatten();
        let these = kinds.filter(|kind| fields.iter().all(|(name, value)| kind[name] == *value));
        let number = |kind: &Value, name| kind[name].as_u64().unwrap_or(0);
        these.fold((0, 0), |(packets, bytes), kind| {
            (
                packets + number(kind, "packets"),
                bytes + number(kind, "bytes"),
            )
        })
    }

    /// What the reports say that the interface counted.
    fn counters(&self) -> Counters {
        Counters {
            rx_packets: self.sum("/received/packets"),
            tx_packets: self.sum("/sent/packets"),
            rx_bytes: self.sum("/received/bytes"),
            tx_bytes: self.sum("/sent/bytes"),
            rx_dropped: self.sum("/received/drops"),
            tx_dropped: self.sum("/sent/drops"),
        }
    }
}

impl Drop for Stats {
    fn drop(&mut self) {
        // A test that failed half-way leaves it running.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn its_sums_are_what_the_interface_counted() -> TestResult {
    let (pair, injector) = wire()?;
    let back = Injector::on(&pair.far)?;
    let before = pair.far.counters()?;
    let mut stats = Stats::on(&pair.far)?;
    send(&injector, 0..500, 100)?;
    injector.send(&frame::numbered_vlan(5, 500, 84))?;
    for number in 0..70 {
        back.send(&frame::numbered(number, 60))?;
    }
    stats.wait_for("/ring/packets", 571)?;
    send(&injector, 501..511, 100)?;
    stats.interrupt()?;
    let counted = pair.far.counters()?.since(&before);
    assert_eq!(stats.counters(), counted);
    assert_eq!((counted.rx_packets, counted.tx_packets), (511, 70));

    assert_eq!(stats.sum("/ring/packets"), 581);
    assert_eq!(stats.sum("/ring/drops"), 0);
    let bytes = 510 * 100 + 84 + 70 * 60;
    assert_eq!(stats.sum("/ring/bytes"), bytes);
    let udp = [
        ("network", "ipv4".into()),
        ("protocol", 17.into()),
        ("direction", "broadcast".into()),
    ];
    assert_eq!(stats.kind(&udp), (510, 51_000));
    let ethertype = frame::numbered(0, 60)[12..14]
        .try_into()
        .map(u16::from_be_bytes)?;
    let raw = ("ethertype", Value::from(ethertype));
    assert_eq!(
        stats.kind(&[raw.clone(), ("direction", "out".into())]),
        (70, 4_200)
    );
    assert_eq!(
        stats.kind(&[raw, ("direction", "broadcast".into())]),
        (1, 84)
    );
    assert_eq!(stats.kind(&[]), (581, bytes));
    Ok(())
}

fn what_the_ring_had_no_room_for_is_a_drop() -> TestResult {
    let (pair, injector) = wire()?;
    let mut stats = Stats::on(&pair.far)?;
    let pid = Pid::from_child(&stats.child);
    kill_process(pid, Signal::STOP)?;
    // More than 4 MiB, with the header that each packet has in the ring.
    injector.flood(&frame::numbered_udp(0, 200), 0..60_000);
    kill_process(pid, Signal::CONT)?;
    stats.wait_for("/received/packets", 60_000)?;
    stats.interrupt()?;
    let (seen, dropped) = (stats.sum("/ring/packets"), stats.sum("/ring/drops"));
    assert!(dropped > 1000, "{dropped} of {seen}");
    assert_eq!(seen + dropped, 60_000);
    Ok(())
}

fn it_stops_after_the_count_of_reports() -> TestResult {
    let (pair, injector) = wire()?;
    let arguments = ["stats", pair.far.name(), "--interval", "0.2", "-c", "3"];
    let json = Capture::spawn(tool().args(arguments).arg("--json"));
    let mut text = Capture::spawn(tool().args(arguments));
    text.wait_for("counting on ");
    send(&injector, 0..9, 100)?;
    let (json, text) = (json.end(), text.end());
    assert_eq!(json.status.code(), Some(0), "{}", json.stderr);
    assert_eq!(json.stdout.lines().count(), 3, "{}", json.stdout);
    // One that comes late makes the next one's interval shorter, but never all of them.
    let mut elapsed = 0.0;
    for line in json.stdout.lines() {
        let report: Value = serde_json::from_str(line)?;
        elapsed += report["interval"].as_f64().ok_or("no interval")?;
    }
    assert!(elapsed > 0.599, "{}", json.stdout);
    let heading = format!("{} (up, running), ", pair.far.name());
    assert_eq!(text.stdout.matches(&heading).count(), 3, "{}", text.stdout);
    assert!(
        text.stdout.contains("\n  broadcast IPv4 UDP "),
        "{}",
        text.stdout
    );
    Ok(())
}

fn a_terminal_has_one_table_that_changes() -> TestResult {
    let (pair, injector) = wire()?;
    let (mut screen, terminal) = Screen::new()?;
    let mut child = tool()
        .args(["stats", pair.far.name(), "--interval", "0.2"])
        .env("TERM", "xterm")
        .stdout(terminal)
        .stderr(Stdio::null())
        .spawn()?;
    screen.wait_for("seen by the ring")?;
    send(&injector, 0..9, 100)?;
    screen.wait_for("broadcast IPv4 UDP")?;
    kill_process(Pid::from_child(&child), Signal::INT)?;
    assert_eq!(child.wait()?.code(), Some(0));
    screen.wait_to_the_end();
    // Each table after the first erases as many lines as the one before had.
    let tables: Vec<_> = screen.text.split("\x1b[J").collect();
    assert!(tables.len() > 2, "{:?}", screen.text);
    for pair in tables.windows(2) {
        let (table, up) = pair[0].rsplit_once("\x1b[").unwrap_or((pair[0], ""));
        assert_eq!(
            format!("{}A", table.lines().count()),
            up,
            "{:?}",
            screen.text
        );
        assert!(pair[1].contains(" (up, running), "), "{:?}", screen.text);
    }
    Ok(())
}

fn without_permission_it_shows_what_the_interface_counts() -> TestResult {
    if !has("unshare") {
        return skip("unshare (util-linux) is not installed");
    }
    let (pair, injector) = wire()?;
    let tool = env!("CARGO_BIN_EXE_packet-ring");
    let arguments = ["--user", tool, "stats", pair.far.name()];
    let before = pair.far.counters()?;
    let mut stats = Stats::start(Command::new("unshare").args(arguments))?;
    send(&injector, 0..50, 100)?;
    stats.wait_for("/received/packets", 50)?;
    send(&injector, 50..55, 100)?;
    stats.interrupt()?;
    assert_eq!(stats.counters(), pair.far.counters()?.since(&before));
    assert_eq!(stats.sum("/received/packets"), 55);
    assert!(
        stats
            .reports
            .iter()
            .all(|report| report.get("ring").is_none())
    );

    let ended = Capture::spawn(Command::new("unshare").args(arguments).args(["-c", "1"])).end();
    assert_eq!(ended.status.code(), Some(0));
    for text in [
        "only the counts of",
        &format!("sudo setcap cap_net_raw=ep {tool}"),
    ] {
        assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
    }
    assert!(
        !ended.stdout.contains("seen by the ring"),
        "{}",
        ended.stdout
    );
    Ok(())
}

fn the_interface_is_left_as_it_is() -> TestResult {
    let (pair, _injector) = wire()?;
    let mut stats = Stats::on(&pair.far)?;
    assert_eq!(pair.far.facts()?.promiscuity, 0);
    stats.interrupt()
}

fn a_link_that_goes_down_is_told() -> TestResult {
    let (pair, injector) = wire()?;
    let mut stats = Stats::on(&pair.far)?;
    pair.far.set_down()?;
    stats.wait_until(|stats| {
        stats
            .reports
            .last()
            .is_some_and(|report| report["up"] == false)
    })?;
    pair.set_up()?;
    send(&injector, 0..5, 60)?;
    stats.wait_for("/ring/packets", 5)?;
    assert_eq!(
        stats.reports.last().map(|report| &report["running"]),
        Some(&true.into())
    );
    stats.interrupt()
}

fn an_interface_that_goes_away_ends_it() -> TestResult {
    for user in [&[][..], &["--user"]] {
        if !has("unshare") {
            return skip("unshare (util-linux) is not installed");
        }
        let (pair, _injector) = wire()?;
        let tool = env!("CARGO_BIN_EXE_packet-ring");
        let mut command = Command::new("unshare");
        command.args(user).args([tool, "stats", pair.far.name()]);
        let mut stats = Capture::spawn(&mut command);
        stats.wait_for("counting on");
        pair.delete()?;
        let ended = stats.end();
        assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
        assert!(ended.stderr.contains("went away"), "{}", ended.stderr);
    }
    Ok(())
}

fn a_reader_that_goes_away_ends_it_quietly() -> TestResult {
    let (pair, _injector) = wire()?;
    for json in [None, Some("--json")] {
        let mut child = tool()
            .args(["stats", pair.far.name(), "--interval", "0.01"])
            .args(json)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(child.stdout.take());
        let ended = child.wait_with_output()?;
        assert_eq!(ended.status.code(), Some(0));
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(said, format!("counting on {}\n", pair.far.name()));
    }
    Ok(())
}

fn what_cannot_be_is_refused() -> TestResult {
    let cases: [(&[&str], i32, &str); 4] = [
        (&["no-such-if"], 4, "there is no interface no-such-if"),
        (&["any"], 4, "'any' is not supported"),
        (&["lo", "--interval", "0"], 2, "0.01 at least"),
        (&["lo", "-c", "0"], 2, "0 is not in 1.."),
    ];
    for (arguments, code, text) in cases {
        let ended = run(["stats"].iter().chain(arguments));
        assert_eq!(ended.status.code(), Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
    }
    Ok(())
}

packet_ring_lab::suite![
    its_sums_are_what_the_interface_counted,
    what_the_ring_had_no_room_for_is_a_drop,
    it_stops_after_the_count_of_reports,
    a_terminal_has_one_table_that_changes,
    without_permission_it_shows_what_the_interface_counts,
    the_interface_is_left_as_it_is,
    a_link_that_goes_down_is_told,
    an_interface_that_goes_away_ends_it,
    a_reader_that_goes_away_ends_it_quietly,
    what_cannot_be_is_refused,
    xdp_takes_and_counts_every_packet_in_the_mode_asked_for,
    xdp_counts_what_the_kernel_dropped_as_the_kernel_does,
    xdp_counters_stand_below_the_table,
    xdp_can_be_started_again_at_once,
    xdp_has_a_row_of_counters_for_each_queue,
    xdp_without_permission_says_what_it_takes,
    xdp_tells_a_link_that_goes_down_and_ends_with_one_that_goes,
    a_program_that_is_there_already_is_told,
];
