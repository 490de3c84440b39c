//! `packet-ring demo` keeps its promises: every frame arrives, and the file holds them all.

mod common;

use std::process::Command;

use common::{Capture, Directory, has, output, run};
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
    if packet_ring::xdp::Xskmap::create(1).is_ok() {
        let text = "every one of 20000 frames arrived by AF_XDP, too";
        assert!(ended.stdout.contains(text), "{}", ended.stdout);
    } else {
        assert!(!packet_ring_lab::is_root_of_the_host()?);
        for text in [
            "AF_XDP             not shown: ",
            "CAP_BPF",
            "sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon=ep",
        ] {
            assert!(ended.stdout.contains(text), "{text}: {}", ended.stdout);
        }
        println!("WITHOUT CAP_BPF demo: that it says so was tested, and no more");
    }
    if !has("capinfos") {
        return skip("capinfos is not installed");
    }
    let told = output("capinfos", &["-M"], &file);
    assert!(told.contains("Number of packets:   20000"), "{told}");
    Ok(())
}

/// The number behind `label`.
fn figure(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(label))?;
    line[label.len()..].split_whitespace().next()?.parse().ok()
}

fn one_frame_is_enough() -> TestResult {
    let directory = Directory::new("demo-one");
    let file = directory.join("demo.pcapng");
    let ended = run(["demo", "-c", "1", "-w", file.to_str().unwrap_or_default()]);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("-   (too few to tell)"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("inf"), "{}", ended.stdout);
    Ok(())
}

fn the_calls_that_it_counts_are_those_that_strace_sees() -> TestResult {
    if !has("strace") {
        return skip("strace is not installed");
    }
    let directory = Directory::new("demo-calls");
    let file = directory.join("demo.pcapng");
    let trace = directory.join("trace");
    let ended = Capture::spawn(
        Command::new("strace")
            .args(["-qq", "-e", "trace=ppoll,write", "-o"])
            .arg(&trace)
            .args([env!("CARGO_BIN_EXE_packet-ring"), "demo", "-c", "50000"])
            .arg("-w")
            .arg(&file),
    )
    .end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let trace = std::fs::read_to_string(trace)?;
    // What AF_XDP does afterwards is not counted.
    let trace = trace.split_once("\"every one of ").ok_or("no verdict")?.0;
    let calls = |name: &str| trace.lines().filter(|line| line.starts_with(name)).count() as u64;
    let waits = figure(&ended.stdout, "waits for blocks").ok_or("waits")?;
    // A block that is ready by then saves the call.
    assert!(
        (1..=waits).contains(&calls("ppoll(")),
        "{trace}{}",
        ended.stdout
    );
    // The file is what begins with a section header.
    let section = trace.lines().find(|line| line.contains(r#""\n\r\r\n"#));
    let to_file = section
        .and_then(|line| line.split_once(' '))
        .map(|line| line.0);
    let to_file = calls(to_file.ok_or("no file was written")?);
    let writes = figure(&ended.stdout, "writes to the file");
    assert_eq!(writes, Some(to_file), "{trace}{}", ended.stdout);
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
    one_frame_is_enough,
    the_calls_that_it_counts_are_those_that_strace_sees,
    a_file_that_cannot_be_written_fails_it
];
