//! Which packets, and of which interface.

use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, frame};

use crate::common::{Capture, Directory, run, send, wire};
use crate::seen::{assert_summary, numbers};

pub(crate) fn a_filter_holds_from_the_first_packet() -> TestResult {
    let (pair, injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name(), "-c", "1", "-e", "-tt", "udp"]);
    for number in 0..100 {
        injector.send(&frame::numbered(number, 60))?;
    }
    send(&injector, 100..101, 60)?;
    let ended = capture.end();
    assert!(ended.stdout.contains("UDP"), "{}", ended.stdout);
    assert_summary(&ended, 1, 1, 0);
    Ok(())
}

pub(crate) fn a_filter_from_a_file_is_the_same_filter() -> TestResult {
    let directory = Directory::new("bpf");
    let listing = directory.join("udp.bpf");
    let (pair, injector) = wire()?;
    std::fs::write(
        &listing,
        run(["capture", "-i", pair.far.name(), "-ddd", "udp"]).stdout,
    )?;
    let listing = listing.to_str().ok_or("a path in UTF-8")?;
    let capture = Capture::start(["-i", pair.far.name(), "--bpf", listing]);
    injector.send(&frame::numbered(0, 60))?;
    send(&injector, 1..3, 60)?;
    let ended = capture.interrupt();
    assert_eq!(ended.stdout.lines().count(), 2, "{}", ended.stdout);
    assert_summary(&ended, 2, 2, 0);
    Ok(())
}

pub(crate) fn the_direction_is_heeded() -> TestResult {
    let (pair, injector) = wire()?;
    let back = Injector::on(&pair.far)?;
    for (direction, seen) in [("in", "0 "), ("out", "1 "), ("inout", "01 ")] {
        let directory = Directory::new(&format!("direction-{direction}"));
        let file = directory.join("x.pcapng");
        let capture = Capture::start([
            "-i",
            pair.far.name(),
            "-Q",
            direction,
            "-w",
            file.to_str().unwrap_or_default(),
        ]);
        send(&injector, 0..1, 60)?;
        send(&back, 1..2, 60)?;
        let ended = capture.interrupt();
        let numbers = numbers(&file);
        assert_eq!(
            numbers.iter().map(u64::to_string).collect::<String>(),
            seen.trim(),
            "{direction}"
        );
        assert_summary(&ended, numbers.len() as u64, numbers.len() as u64, 0);
    }
    Ok(())
}

pub(crate) fn promiscuous_unless_told_otherwise() -> TestResult {
    let (pair, _injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name()]);
    assert_eq!(pair.far.facts()?.promiscuity, 1);
    capture.interrupt();
    let capture = Capture::start(["-i", pair.far.name(), "-p"]);
    assert_eq!(pair.far.facts()?.promiscuity, 0);
    capture.interrupt();
    Ok(())
}

pub(crate) fn the_default_interface_is_the_first_that_is_up() -> TestResult {
    let capture = Capture::start(["-c", "1"]);
    let alone = capture.interrupt();
    assert!(
        alone.stderr.starts_with("listening on lo,"),
        "{}",
        alone.stderr
    );
    let (pair, _injector) = wire()?;
    let first = if pair.near.index()? < pair.far.index()? {
        &pair.near
    } else {
        &pair.far
    };
    let ended = Capture::start(["-c", "1"]).interrupt();
    assert!(
        ended
            .stderr
            .starts_with(&format!("listening on {},", first.name())),
        "{}",
        ended.stderr
    );
    Ok(())
}
