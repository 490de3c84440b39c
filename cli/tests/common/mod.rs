//! The tool as a child process in the test's own network namespace, and files that go away.
#![allow(dead_code, reason = "every test file uses its own part of this")]

pub(crate) mod rights;
pub(crate) mod screen;

use core::time::Duration;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, LabError, Link, VethOptions, VethPair, frame};
use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take that should be instant.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The tool under test.
pub(crate) fn tool() -> Command {
    Command::new(env!("CARGO_BIN_EXE_packet-ring"))
}

/// A veth pair: frames go in at the near end, the tool listens at the far end.
pub(crate) fn wire() -> Result<(VethPair, Injector), LabError> {
    let pair = VethPair::create(&VethOptions::default())?;
    let injector = Injector::on(&pair.near)?;
    Ok((pair, injector))
}

pub(crate) fn send(injector: &Injector, numbers: core::ops::Range<u64>, len: usize) -> TestResult {
    for number in numbers {
        injector.send(&frame::numbered_udp(number, len))?;
    }
    Ok(())
}

/// A directory of this test, removed when dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("packet-ring-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the directory is there");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.0);
    }
}

/// A capture under way.
pub(crate) struct Capture {
    child: Child,
    stderr: BufReader<ChildStderr>,
    stdout: Option<JoinHandle<Vec<u8>>>,
    said: String,
}

/// How a capture ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) stderr: String,
}

impl Capture {
    /// Starts capturing on a link into a file, with more arguments than these.
    pub(crate) fn into_file<'a>(
        link: &'a Link,
        file: &'a Path,
        more: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let file = file.to_str().expect("a path in UTF-8");
        Self::start(["-i", link.name(), "-w", file].into_iter().chain(more))
    }

    /// Starts `packet-ring capture` with these arguments and waits until it listens.
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = tool();
        command.arg("capture").args(arguments);
        let mut capture = Self::spawn(&mut command);
        capture.wait_for("listening on");
        capture
    }

    /// Starts any command, its standard output read by a thread.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tool starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut stdout = child.stdout.take().expect("piped");
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).expect("the tool's output");
            bytes
        });
        Self {
            child,
            stderr,
            stdout: Some(reader),
            said: String::new(),
        }
    }

    /// Reads standard error up to a line that holds `text`, and returns it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self
                .stderr
                .read_line(&mut line)
                .expect("text on standard error");
            self.said.push_str(&line);
            if line.contains(text) {
                return line;
            }
            assert!(read > 0, "ended before it said '{text}': {}", self.said);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the tool runs");
    }

    /// Waits until it has ended by itself.
    pub(crate) fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().expect("a child");
                panic!("it does not end: {}", self.said);
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        self.stderr
            .read_to_string(&mut self.said)
            .expect("text on standard error");
        let bytes = self
            .stdout
            .take()
            .expect("taken once")
            .join()
            .expect("the reader");
        Ended {
            status,
            stdout: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
            stderr: self.said,
        }
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn interrupt(self) -> Ended {
        self.signal(Signal::INT);
        self.end()
    }
}

/// Runs the tool to its end.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    Capture::spawn(tool().args(arguments)).end()
}

/// Whether this machine has the program.
pub(crate) fn has(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/sbin".into()])
            .any(|directory| directory.join(program).is_file())
    })
}

/// What the program prints, which must succeed.
pub(crate) fn output(program: &str, arguments: &[&str], file: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg(file)
        .output()
        .expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The lines that tcpdump prints for a file.
///
/// In a user namespace without a user: where it finds itself root, it wants to become another user, and the lab of an
/// ordinary user has no other.
pub(crate) fn tcpdump(arguments: &[&str], file: &Path) -> String {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "tcpdump", "-n", "-r", "-"])
        .args(arguments);
    let output = command
        .stdin(fs::File::open(file).expect("the file"))
        .output()
        .expect("unshare starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tcpdump: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
