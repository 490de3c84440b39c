//! The aya example prints the packets that aya's program gives it, byte for byte, and the network stack gets the rest.

mod common;

use core::time::Duration;
use std::path::PathBuf;
use std::process::Command;

use common::{Program, frames, may_load, refuses, told};
use packet_ring_lab::suite::{Stopped, TestResult, skip};
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, frame, suite};

const PATH: &str = env!("CARGO_BIN_EXE_aya");

/// When a test stops hoping: far beyond what a loaded machine takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What aya loads, made by the command that the example names; the reason where it cannot be made here.
fn object(name: &str) -> Result<Result<String, String>, Stopped> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/aya.bpf.c");
    let object = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut clang = Command::new("clang");
    clang.args(["-O2", "-g", "-Werror", "-target", "bpf", "-c", source, "-o"]);
    match clang.arg(&object).output() {
        Ok(made) => assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        ),
        Err(error) => return Ok(Err(format!("clang does not start: {error}"))),
    }
    Ok(Ok(object.to_str().ok_or("a path of text")?.to_owned()))
}

fn what_ayas_program_redirects_is_printed_and_the_rest_passes() -> TestResult {
    let object = match object("redirects.o")? {
        Ok(object) => object,
        Err(reason) => return skip(reason),
    };
    let pair = VethPair::create(&VethOptions::default())?;
    let datagrams = frames(100);
    let count = datagrams.len().to_string();
    let arguments = [&object, pair.far.name(), &count];
    if !may_load()? {
        return refuses(PATH, &arguments, "PermissionDenied");
    }
    let program = Program::start(PATH, &arguments)?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    assert!(pair.far.facts()?.native_xdp.is_some());
    // In the driver, veth takes a program up by going down and up.
    pair.wait_for_carrier()?;
    let others: Vec<_> = (0..datagrams.len())
        .map(|number| frame::numbered(number as u64, 60 + number * 11 % 1400))
        .collect();
    let mixed: Vec<_> = datagrams
        .iter()
        .zip(&others)
        .flat_map(|(datagram, other)| [datagram, other])
        .collect();
    Injector::on(&pair.near)?.send_batch(&mixed)?;

    for other in &others {
        let passed = witness.receive(PATIENCE)?.ok_or("a frame is missing")?;
        assert_eq!(passed.bytes, *other);
    }
    let sent: Vec<_> = datagrams.iter().map(|frame| told(frame)).collect();
    assert_eq!(program.finish()?, sent);
    assert_eq!(pair.far.counters()?.rx_packets, mixed.len() as u64);
    assert_eq!(pair.far.facts()?.native_xdp, None);
    Ok(())
}

suite![what_ayas_program_redirects_is_printed_and_the_rest_passes];
