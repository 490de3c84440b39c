//! How many system calls receiving costs, counted by strace.
//!
//! The receiver is a process of its own, so that the sender is not slowed down with it.

mod data_path;

use core::ops::ControlFlow;
use core::time::Duration;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use packet_ring::packet::{Geometry, Interface, Rx, Socket};
use packet_ring::{Deadline, OnSignal};
use packet_ring_lab::suite::{self, Company, Stopped, Test, TestResult, skip};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame};

use data_path::{FRAME, PATIENCE};

/// Names the interface to receive on to the process that strace watches.
const RECEIVE_ON: &str = "PACKET_RING_TEST_RECEIVE_ON";

/// Files that do not exist: asking for them marks a place in the trace.
const BEGIN: &str = "/packet-ring-test/begin";
const END: &str = "/packet-ring-test/end";

const COUNT: u64 = 400_000;

/// The watched process: receives all numbers in order, between two marks.
fn receive(name: &str) -> Result<(), Stopped> {
    // The whole flood fits, and a block waits for more than one packet.
    let geometry = Geometry::DEFAULT.retire_timeout(Duration::from_millis(100))?;
    let mut socket = Socket::configure(Rx::new(geometry))?
        .map()?
        .bind(Interface::by_name(name)?)?;
    println!("ready");
    let mut next = 0;
    let deadline = Deadline::after(2 * PATIENCE);
    let _ = fs::metadata(BEGIN);
    let ended = socket.for_each(deadline, OnSignal::Continue, |packet| {
        if frame::number(packet.data()) != Some(next) {
            return ControlFlow::Break(());
        }
        next += 1;
        if next == COUNT {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let _ = fs::metadata(END);
    if next == COUNT {
        Ok(())
    } else {
        Err(format!("{ended:?} at number {next}").into())
    }
}

fn a_packet_costs_hardly_a_system_call() -> TestResult {
    let mut trial = Command::new("strace");
    trial.args(["-o", "/dev/null", "true"]);
    if !trial.output().is_ok_and(|output| output.status.success()) {
        return skip("strace is not installed, or may not trace here");
    }
    let pair = VethPair::create(&VethOptions::default())?;
    let mut watched = Command::new("strace")
        .args(["-e", "trace=all", "-e", "signal=none"])
        .arg(env::current_exe()?)
        .env(RECEIVE_ON, pair.far.name())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdout = watched.stdout.take().ok_or("no pipe")?;
    let mut ready = String::new();
    BufReader::new(stdout).read_line(&mut ready)?;
    if ready == "ready\n" {
        Injector::on(&pair.near)?.flood(&frame::numbered(0, FRAME), 0..COUNT);
    }
    let output = watched.wait_with_output()?;
    let trace = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && ready == "ready\n", "{trace}");

    let calls: Vec<_> = trace
        .lines()
        .skip_while(|line| !line.contains(BEGIN))
        .skip(1)
        .take_while(|line| !line.contains(END))
        .collect();
    assert!(trace.contains(END), "{trace}");
    assert!(
        !calls.is_empty(),
        "it never slept: the flood was over before"
    );
    // 0.0003 a packet.
    let most = COUNT as usize * 3 / 10_000;
    assert!(
        calls.len() <= most,
        "{} calls: {:?}",
        calls.len(),
        &calls[..most]
    );
    assert_eq!(pair.far.counters()?.rx_packets, COUNT);
    Ok(())
}

fn main() -> ExitCode {
    if let Ok(name) = env::var(RECEIVE_ON) {
        return match receive(&name) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{why:?}");
                ExitCode::FAILURE
            }
        };
    }
    suite::run(&[Test {
        name: "a_packet_costs_hardly_a_system_call",
        company: Company::Alone,
        body: a_packet_costs_hardly_a_system_call,
    }])
}
