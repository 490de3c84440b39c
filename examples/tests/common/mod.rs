//! An example as a child process in the test's own network namespace, held to what was put on the wire.
#![allow(dead_code, reason = "every test file uses its own part of this")]

pub(crate) mod stack;
pub(crate) mod tcp;

use core::time::Duration;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::Instant;

use packet_ring::xdp::Xskmap;
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, is_root_of_the_host};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// When a test stops hoping: far beyond what a loaded machine takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running example, which says `receiving` once it does.
pub(crate) struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Program {
    /// Starts it and waits until it receives.
    pub(crate) fn start(path: &str, arguments: &[&str]) -> Result<Self, Stopped> {
        let mut program = Self::spawn(path, arguments)?;
        match program.line()?.as_deref() {
            Some("receiving") => Ok(program),
            other => Err(format!("it says {other:?}: {}", program.errors()?).into()),
        }
    }

    /// Starts it.
    pub(crate) fn spawn(path: &str, arguments: &[&str]) -> Result<Self, Stopped> {
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no pipe")?;
        Ok(Self {
            child,
            output: BufReader::new(output),
        })
    }

    /// What it prints next; `None` at its end.
    pub(crate) fn line(&mut self) -> Result<Option<String>, Stopped> {
        if self.output.buffer().is_empty() {
            let mut fds = [PollFd::new(self.output.get_ref(), PollFlags::IN)];
            if poll(&mut fds, Some(&Timespec::try_from(PATIENCE)?))? == 0 {
                return Err("it says nothing".into());
            }
        }
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.strip_suffix('\n').map(str::to_owned))
    }

    /// The rest of its lines, once it has ended without an error.
    pub(crate) fn finish(mut self) -> Result<Vec<String>, Stopped> {
        let rest = self.rest()?;
        let errors = self.errors()?;
        assert!(self.child.wait()?.success(), "{errors}");
        Ok(rest)
    }

    /// Its next so many lines.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<String>, Stopped> {
        (0..count)
            .map(|_| Ok(self.line()?.ok_or("it ended early")?))
            .collect()
    }

    fn rest(&mut self) -> Result<Vec<String>, Stopped> {
        core::iter::from_fn(|| self.line().transpose()).collect()
    }

    /// Why it failed, once it has.
    pub(crate) fn failure(mut self) -> Result<String, Stopped> {
        assert_eq!(self.rest()?, [""; 0]);
        let errors = self.errors()?;
        assert!(!self.child.wait()?.success());
        Ok(errors)
    }

    /// What it says to nobody in particular, once it has ended.
    fn errors(&mut self) -> Result<String, Stopped> {
        let mut errors = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            stderr.read_to_string(&mut errors)?;
        }
        Ok(errors)
    }

    /// Waits until it has neither run nor been woken for a while: one that spins never has.
    pub(crate) fn sleeps(&self) -> TestResult {
        const WHILE: Duration = Duration::from_millis(300);
        let end = Instant::now() + PATIENCE;
        let mut before = self.runs()?;
        assert!(
            before.iter().any(|runs| !runs.starts_with("0 ")),
            "the kernel does not count"
        );
        while Instant::now() < end {
            thread::sleep(WHILE);
            let now = self.runs()?;
            if now == before {
                return Ok(());
            }
            before = now;
        }
        Err("it does not sleep".into())
    }

    /// For how long each of its threads has run, in nanoseconds, and how often: /proc/PID/task/*/schedstat.
    fn runs(&self) -> Result<Vec<String>, Stopped> {
        let mut runs = Vec::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // One that ends meanwhile is missed, which is a change too.
            runs.extend(fs::read_to_string(thread?.path().join("schedstat")));
        }
        runs.sort_unstable();
        Ok(runs)
    }

    /// What /proc/PID/fdinfo says under this name of its descriptors, of those that have it.
    pub(crate) fn fd_info(&self, name: &str) -> Result<Vec<String>, Stopped> {
        let mut values = Vec::new();
        for descriptor in fs::read_dir(format!("/proc/{}/fdinfo", self.child.id()))? {
            let info = fs::read_to_string(descriptor?.path())?;
            let value = info.lines().find_map(|line| line.strip_prefix(name));
            values.extend(value.map(|value| value.trim().to_owned()));
        }
        Ok(values)
    }

    /// The names of its threads, with the processors that each may run on.
    pub(crate) fn threads(&self) -> Result<Vec<(String, String)>, Stopped> {
        let mut threads = Vec::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let status = fs::read_to_string(thread?.path().join("status"))?;
            let field = |name| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim().to_owned()).ok_or(name)
            };
            threads.push((field("Name:")?, field("Cpus_allowed_list:")?));
        }
        threads.sort_unstable();
        Ok(threads)
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

/// Starts `path INTERFACE ...` and takes the link down: it ends, and says why.
pub(crate) fn ends_when_the_link_goes_down(path: &str, arguments: &[&str]) -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let program = Program::start(path, &[&[pair.far.name()], arguments].concat())?;
    // Whoever takes what is there before the first wait may not wait yet.
    program.sleeps()?;
    pair.far.set_down()?;
    let why = program.failure()?;
    assert!(why.contains("the interface is down"), "{why}");
    Ok(())
}

/// Sends one packet, so that there was a block, and sees that `path INTERFACE ...` then sleeps.
pub(crate) fn sleeps_after_a_packet(path: &str, arguments: &[&str]) -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut program = Program::start(path, &[&[pair.far.name()], arguments].concat())?;
    let frame = frame::numbered_udp(0, 60);
    Injector::on(&pair.near)?.send(&frame)?;
    assert_eq!(program.line()?, Some(told(&frame)));
    program.sleeps()
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
