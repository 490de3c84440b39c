//! The program without libc: what is in it, what it captures, what it sends back, and how it ends.

mod captures;
#[path = "../common/mod.rs"]
mod common;
mod functions;
#[path = "../../../tests/xdp/rights.rs"]
mod rights;

use core::time::Duration;
use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::thread;
use std::time::Instant;

use packet_ring_lab::suite::{self, Company, Stopped, Test, TestResult, skip};
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness};

use captures::*;
use functions::*;

/// What the stripped program may have.
const MOST_BYTES: u64 = 32 << 10;

/// When a test stops hoping.
const PATIENCE: Duration = Duration::from_secs(10);

fn target() -> &'static Path {
    Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/nolibc"))
}

fn program() -> PathBuf {
    target().join("release/nolibc")
}

/// Builds it, as the README says.
fn build() -> bool {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/nolibc/Cargo.toml");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet"])
        .args(["--manifest-path", manifest, "--target-dir"])
        .arg(target())
        .current_dir("/")
        .status()
        .is_ok_and(|status| status.success())
}

/// What a tool prints; it must succeed.
fn tool(name: &str, arguments: &[&str], file: &Path) -> Result<String, Stopped> {
    let output = Command::new(name).args(arguments).arg(file).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}

fn it_is_small_and_has_no_libc_and_no_allocator() -> TestResult {
    let program = program();
    let headers = tool("readelf", &["--wide", "--program-headers"], &program)?;
    assert!(headers.contains("LOAD"), "{headers}");
    for part in ["INTERP", "DYNAMIC"] {
        assert!(!headers.contains(part), "{headers}");
    }
    assert_eq!(tool("nm", &["--undefined-only"], &program)?, "");
    let symbols = tool("nm", &["--demangle"], &program)?;
    assert!(symbols.contains(" T _start\n"), "{symbols}");
    for part in ["alloc", "libc_start", "std::"] {
        let found = symbols.lines().find(|line| line.contains(part));
        assert_eq!(found, None);
    }
    let stripped = target().join("stripped");
    let path = stripped.to_str().ok_or("a path in UTF-8")?;
    tool("strip", &["-o", path], &program)?;
    let bytes = fs::metadata(&stripped)?.len();
    assert!(bytes <= MOST_BYTES, "{bytes} bytes");
    println!("{bytes} bytes");
    Ok(())
}

/// Runs it to its end.
fn run(arguments: &[&str]) -> Result<Output, Stopped> {
    Ok(Command::new(program())
        .args(arguments)
        .stdin(Stdio::null())
        .output()?)
}

/// Waits for its end; kills it where that does not come.
fn end(mut child: Child) -> Result<Output, Stopped> {
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() > PATIENCE {
            child.kill()?;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(child.wait_with_output()?)
}

/// It says this, and nothing else, and exits with this status.
fn assert_fails(output: &Output, status: i32, said: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains(said), "{errors}");
    assert_eq!(output.status.code(), Some(status), "{errors}");
    assert!(output.stdout.is_empty());
}

fn errors_are_said_and_told_by_the_status() -> TestResult {
    let usage: [&[&str]; 6] = [
        &[],
        &["capture"],
        &["capture", "lo", "many"],
        &["echo", "lo", "4294967296", "1"],
        &["echo", "lo", "0", "1", "more"],
        &["capture", "lo", "1", "2", "3", "4", "5"],
    ];
    for arguments in usage {
        assert_fails(&run(arguments)?, 2, "usage: nolibc capture INTERFACE");
    }
    for arguments in [&["capture", "nope", "1"][..], &["echo", "nope", "0", "1"]] {
        assert_fails(&run(arguments)?, 1, "there is no such interface");
    }
    // A socket must not get the number of the standard output, and the capture be sent.
    let closed = Command::new("sh")
        .args(["-c", "exec \"$0\" capture lo 0 >&-"])
        .arg(program())
        .output()?;
    assert_fails(&closed, 1, "standard output: errno 9");
    Ok(())
}

/// As user 65534 of a user namespace of its own, who has no right over this network.
fn a_missing_right_is_named() -> TestResult {
    for arguments in [&["capture", "lo", "1"][..], &["echo", "lo", "0", "1"]] {
        let output = Command::new("unshare")
            .arg("--user")
            .arg(program())
            .args(arguments)
            .output()?;
        assert_fails(&output, 1, "a right is missing: CAP_NET_RAW");
    }
    Ok(())
}

fn an_echo_sends_each_frame_back_to_its_sender() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let arguments = ["echo", pair.far.name(), "0", "100"];
    if rights::map()?.is_none() {
        assert_fails(&run(&arguments)?, 1, "a right is missing");
        return Ok(());
    }
    let program = program();
    let path = program.to_str().ok_or("a path in UTF-8")?;
    let echo = common::Program::start(path, &arguments)?;
    // In the native mode veth takes a program up by going down and up.
    pair.wait_for_carrier()?;
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    let frames = common::frames(100);
    Injector::on(&pair.near)?.send_batch(&frames)?;
    for frame in &frames {
        let seen = witness
            .receive(PATIENCE)?
            .ok_or("a frame did not come back")?;
        let answer = [&frame[6..12], &frame[..6], &frame[12..]].concat();
        assert_eq!(seen.bytes, answer);
    }
    assert!(echo.finish()?.is_empty());
    let far = pair.far.counters()?;
    assert_eq!((far.rx_packets, far.tx_packets), (100, 100));
    assert_eq!(pair.near.counters()?.rx_packets, 100);
    // Its program went with it.
    assert_eq!(pair.far.facts()?.native_xdp, None);
    Ok(())
}

/// AF_PACKET says so by itself; with AF_XDP the program has to look.
fn an_interface_that_goes_is_an_error() -> TestResult {
    let may_load = rights::map()?.is_some();
    let modes: [(&[&str], usize); 2] = [
        (&["capture"], captures::BEGINNING),
        (&["echo", "0"], "receiving\n".len()),
    ];
    for (mode, beginning) in modes {
        if mode[0] == "echo" && !may_load {
            continue;
        }
        let pair = VethPair::create(&VethOptions::default())?;
        let mut child = Command::new(program())
            .args([mode[0], pair.far.name()])
            .args(&mode[1..])
            .arg("1000000")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut output = child.stdout.take().ok_or("no pipe")?;
        output.read_exact(&mut vec![0; beginning])?;
        pair.delete()?;
        assert_fails(&end(child)?, 1, "nolibc: the interface is ");
    }
    Ok(())
}

/// The processors that no test here runs on.
fn the_starts_for_other_processors_assemble() -> TestResult {
    for processor in ["aarch64", "riscv64"] {
        let source = format!(
            "{}/nolibc/src/start/{processor}.s",
            env!("CARGO_MANIFEST_DIR")
        );
        let object = target().join(format!("{processor}.o"));
        let assembled = Command::new("clang")
            .arg(format!("--target={processor}-linux-gnu"))
            .args(["-c", &source, "-o"])
            .arg(&object)
            .output();
        let Ok(assembled) = assembled else {
            return skip("clang is not installed");
        };
        let errors = String::from_utf8_lossy(&assembled.stderr);
        assert!(assembled.status.success(), "{errors}");
        let symbols = tool("readelf", &["--wide", "--symbols"], &object)?;
        assert!(symbols.contains("GLOBAL DEFAULT"), "{symbols}");
        assert!(symbols.contains(" _start\n") && symbols.contains("UND start\n"));
    }
    Ok(())
}

macro_rules! tests {
    ($($test:ident),* $(,)?) => {
        [$(Test { name: stringify!($test), company: Company::Any, body: $test }),*]
    };
}

/// The lab has no way to a registry: the program is built before it is entered.
fn main() -> ExitCode {
    if !env::args().any(|argument| argument == "--list") && !build() {
        eprintln!("examples/nolibc was not built");
        return ExitCode::FAILURE;
    }
    suite::run(&tests![
        it_is_small_and_has_no_libc_and_no_allocator,
        a_capture_holds_every_packet_byte_for_byte,
        a_capture_is_read_by_tcpdump_and_capinfos,
        a_signal_ends_a_capture_with_a_whole_file,
        a_pipe_that_nobody_reads_is_an_error,
        a_write_that_is_cut_short_goes_on,
        errors_are_said_and_told_by_the_status,
        a_missing_right_is_named,
        an_echo_sends_each_frame_back_to_its_sender,
        an_interface_that_goes_is_an_error,
        the_starts_for_other_processors_assemble,
        what_the_compiler_calls_does_what_c_says,
    ])
}
