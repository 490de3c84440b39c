//! Lines for people and for programs.

use core::time::Duration;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use packet_ring_lab::frame;
use packet_ring_lab::suite::{TestResult, skip};

use crate::common::{self, Capture, Directory, has, send, tcpdump, tool, wire};

pub(crate) fn it_stops_at_exactly_the_count() -> TestResult {
    let (pair, injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name(), "-c", "4"]);
    send(&injector, 0..10, 100)?;
    let ended = capture.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 4);
    for line in ended.stdout.lines() {
        assert!(line.contains(" IP 192.0.2.1."), "{line}");
        assert!(line.ends_with(": UDP, length 58"), "{line}");
    }
    assert!(
        ended.stderr.contains("4 packets captured"),
        "{}",
        ended.stderr
    );
    Ok(())
}

pub(crate) fn lines_are_those_of_tcpdump() -> TestResult {
    if !has("tcpdump") || !has("unshare") {
        return skip("tcpdump or unshare is not installed");
    }
    let directory = Directory::new("lines");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let to_file = Capture::into_file(&pair.far, &file, ["-c", "3"]);
    let to_lines = Capture::start(["-i", pair.far.name(), "-c", "3", "-t"]);
    send(&injector, 0..3, 100)?;
    assert!(to_file.end().status.success());
    let ours = to_lines.end().stdout;
    let theirs = tcpdump(&["-t"], &file);
    assert_eq!(ours, theirs);
    Ok(())
}

pub(crate) fn json_lines_have_what_was_sent() -> TestResult {
    let (pair, injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name(), "-c", "2", "--json"]);
    injector.send(&frame::numbered_vlan(5, 0, 80))?;
    send(&injector, 1..2, 80)?;
    let ended = capture.end();
    let objects: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(objects[0]["vlan"]["id"], 5);
    assert_eq!(objects[1]["transport"], "udp");
    assert_eq!(objects[1]["source"], "192.0.2.1");
    assert_eq!(objects[1]["length"], 80);
    assert!(objects[1].get("vlan").is_none());
    Ok(())
}

pub(crate) fn a_reader_that_goes_away_ends_it_quietly() -> TestResult {
    let (pair, injector) = wire()?;
    let mut child = tool()
        .args(["capture", "-i", pair.far.name()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stderr = BufReader::new(child.stderr.take().ok_or("piped")?);
    let mut said = String::new();
    stderr.read_line(&mut said)?;
    drop(child.stdout.take());
    let deadline = Instant::now() + common::PATIENCE;
    while child.try_wait()?.is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        send(&injector, 0..1, 60)?;
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(child.wait()?.code(), Some(0));
    std::io::Read::read_to_string(&mut stderr, &mut said)?;
    assert!(
        !said.contains("cannot write") && !said.contains("panicked"),
        "{said}"
    );
    Ok(())
}
