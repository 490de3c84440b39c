//! `packet-ring demo` keeps its promises: every frame arrives, and the file holds them all.

mod common;

use common::{Directory, has, output, run};
use packet_ring_lab::suite::{TestResult, skip};

fn every_frame_arrives_and_the_file_holds_them() -> TestResult {
    let directory = Directory::new("demo");
    let file = directory.join("demo.pcapng");
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let ended = run(["demo", "-c", "20000", "-w", path]);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("every one of 20000 frames arrived"),
        "{}",
        ended.stdout
    );
    if !has("capinfos") {
        return skip("capinfos is not installed");
    }
    let told = output("capinfos", &["-M"], &file);
    assert!(told.contains("Number of packets:   20000"), "{told}");
    Ok(())
}

fn a_file_that_cannot_be_written_fails_it() -> TestResult {
    let ended = run(["demo", "-c", "10", "-w", "/no/such/directory/demo.pcapng"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.stderr.contains("/no/such/directory"),
        "{}",
        ended.stderr
    );
    Ok(())
}

packet_ring_lab::suite![
    every_frame_arrives_and_the_file_holds_them,
    a_file_that_cannot_be_written_fails_it
];
