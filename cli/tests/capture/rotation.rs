//! When a file ends, and when the capture does.

use core::time::Duration;
use std::time::Instant;

use packet_ring_lab::suite::TestResult;

use crate::common::{Capture, Directory, send, wire};
use crate::seen::numbers;

pub(crate) fn files_rotate_and_the_oldest_go() -> TestResult {
    let directory = Directory::new("rotation");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let capture = Capture::start([
        "-i",
        pair.far.name(),
        "-w",
        path,
        "-b",
        "packets:10",
        "-b",
        "files:3",
        "-c",
        "45",
    ]);
    send(&injector, 0..45, 60)?;
    assert!(capture.end().status.success());
    let names = directory.names();
    assert_eq!(
        names.iter().map(|name| &name[..8]).collect::<Vec<_>>(),
        ["x_00003_", "x_00004_", "x_00005_"]
    );
    assert!(names.iter().all(
        |name| name.len() == "x_00003_20251123035500.pcapng".len() && name.ends_with(".pcapng")
    ));
    let held: Vec<_> = names
        .iter()
        .map(|name| numbers(&directory.join(name)))
        .collect();
    assert_eq!(
        held,
        [
            Vec::from_iter(20..30),
            Vec::from_iter(30..40),
            Vec::from_iter(40..45)
        ]
    );
    Ok(())
}

pub(crate) fn files_rotate_by_size_and_by_time() -> TestResult {
    let directory = Directory::new("size");
    let (pair, injector) = wire()?;
    let path = directory.join("s.pcapng");
    let capture = Capture::into_file(&pair.far, &path, ["-b", "filesize:10", "-a", "files:2"]);
    send(&injector, 0..40, 1000)?;
    assert!(capture.end().status.success());
    assert_eq!(directory.names().len(), 2);
    for name in directory.names() {
        let size = std::fs::metadata(directory.join(&name))?.len();
        assert!((10_000..11_500).contains(&size), "{name}: {size} bytes");
    }

    let directory = Directory::new("time");
    let path = directory.join("t.pcapng");
    let capture = Capture::into_file(&pair.far, &path, ["-b", "duration:0.3", "-a", "files:2"]);
    send(&injector, 0..1, 60)?;
    std::thread::sleep(Duration::from_millis(700));
    send(&injector, 1..2, 60)?;
    assert!(capture.end().status.success());
    let held: Vec<_> = directory
        .names()
        .iter()
        .map(|name| numbers(&directory.join(name)))
        .collect();
    assert_eq!(held, [[0], [1]]);
    Ok(())
}

pub(crate) fn autostop_ends_by_packets_size_and_time() -> TestResult {
    let directory = Directory::new("autostop");
    let file = directory.join("x.pcapng");
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let (pair, injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name(), "-w", path, "-a", "packets:7"]);
    send(&injector, 0..20, 60)?;
    assert!(capture.end().status.success());
    assert_eq!(numbers(&file), Vec::from_iter(0..7));

    let capture = Capture::start(["-i", pair.far.name(), "-w", path, "-a", "filesize:5"]);
    send(&injector, 0..20, 1000)?;
    assert!(capture.end().status.success());
    assert_eq!(numbers(&file), Vec::from_iter(0..5));

    let began = Instant::now();
    let capture = Capture::start(["-i", pair.far.name(), "-w", path, "-a", "duration:0.5"]);
    send(&injector, 0..3, 60)?;
    assert!(capture.end().status.success());
    assert!((500..5000).contains(&began.elapsed().as_millis()));
    assert_eq!(numbers(&file), [0, 1, 2]);
    Ok(())
}
