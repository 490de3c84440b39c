//! An example as a child process in the test's own network namespace, held to what was put on the wire.
#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;

use packet_ring::xdp::Xskmap;
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, is_root_of_the_host};

/// A running example, which says `receiving` once it does.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it and waits until it receives.
    pub(crate) fn start(path: &str, arguments: &[&str]) -> Result<Self, Stopped> {
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no pipe")?;
        let mut program = Self {
            child,
            lines: BufReader::new(output).lines(),
        };
        assert_eq!(program.line()?.as_deref(), Some("receiving"));
        Ok(program)
    }

    /// What it prints next; `None` at its end.
    pub(crate) fn line(&mut self) -> Result<Option<String>, Stopped> {
        Ok(self.lines.next().transpose()?)
    }

    /// The rest of its lines, once it has ended without an error.
    pub(crate) fn finish(mut self) -> Result<Vec<String>, Stopped> {
        let rest: Result<_, _> = self.lines.by_ref().collect();
        assert!(self.child.wait()?.success());
        Ok(rest?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that failed must not leave it behind; one that passed has waited for it.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Frames of many lengths, each with its number.
pub(crate) fn frames(count: u64) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| frame::numbered_udp(number, 60 + number as usize * 7 % 1400))
        .collect()
}

/// A line of an example's output: the bytes of one packet.
pub(crate) fn told(bytes: &[u8]) -> String {
    format!("{bytes:02x?}")
}

/// Runs `path INTERFACE PACKETS` and holds its output, byte for byte, to what was sent: all of it, in order.
pub(crate) fn prints_every_packet(path: &str) -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let frames = frames(100);
    let count = frames.len().to_string();
    let program = Program::start(path, &[pair.far.name(), &count])?;
    Injector::on(&pair.near)?.send_batch(&frames)?;
    let printed = program.finish()?;
    let sent: Vec<_> = frames.iter().map(|frame| told(frame)).collect();
    assert_eq!(printed, sent);
    assert_eq!(pair.far.counters()?.rx_packets, frames.len() as u64);
    Ok(())
}

/// Whether XDP programs may be loaded here; root of the host fails where they may not.
pub(crate) fn may_load() -> Result<bool, Stopped> {
    match Xskmap::create(1) {
        Ok(_) => Ok(true),
        Err(error) if is_root_of_the_host()? => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// Where programs may not be loaded, the example ends before it receives, and says why.
pub(crate) fn refuses(path: &str, arguments: &[&str], why: &str) -> TestResult {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(path).args(arguments).output()?;
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(!status.success() && stdout.is_empty());
    assert!(stderr.contains(why), "{stderr}");
    let test = thread::current();
    let test = test.name().unwrap_or("test");
    println!("WITHOUT CAP_BPF {test}: that it is refused was tested, and no more");
    Ok(())
}
