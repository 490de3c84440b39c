//! Every system call made to fail in turn: what was before comes back, and nothing leaks.
//!
//! The program runs itself under strace, which makes one system call fail. Which calls there are is
//! read from a run where none does, so that a call added to the library is tried too.

mod faulted;

use std::collections::BTreeSet;
use std::env;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use packet_ring_lab::suite::{self, Company, Stopped, Test, TestResult, skip};
use packet_ring_lab::{Injector, Link, VethOptions, VethPair, frame, kernel};

use faulted::{BEGIN, END, inside};

/// Set where this program is the one inside, to the index of an interface that is down.
const INSIDE: &str = "PACKET_RING_FAULTS_INSIDE";

/// The error that is injected, by name and by number: none of these calls takes it for an answer.
const INJECTED: (&str, i32) = ("ENOMEM", 12);

fn main() -> ExitCode {
    if let Ok(down) = env::var(INSIDE) {
        return match inside(&down) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                println!("failed: {why}");
                ExitCode::FAILURE
            }
        };
    }
    let test = |name, body| Test {
        name,
        company: Company::Any,
        body,
    };
    suite::run(&[
        test(
            "every_failed_call_leaves_a_usable_socket",
            every_failed_call_leaves_a_usable_socket,
        ),
        test(
            "another_layout_of_packets_is_refused",
            another_layout_of_packets_is_refused,
        ),
        test(
            "a_ring_is_unmapped_before_its_socket_closes",
            a_ring_is_unmapped_before_its_socket_closes,
        ),
    ])
}

/// A run of the program inside: what it printed, and its system calls as strace prints them.
struct Run {
    printed: String,
    calls: Vec<String>,
}

/// Runs the program inside under strace, and sends it a frame when it is through; `None` where there
/// is no strace.
fn run(down: &Link, injection: Option<String>) -> Result<Option<Run>, Stopped> {
    let mut strace = Command::new("strace");
    if let Some(injection) = injection {
        strace.args(["-e", &format!("inject={injection}")]);
    }
    strace.arg(env::current_exe()?);
    strace.env(INSIDE, down.index()?.to_string());
    strace.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut inside = match strace.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let injector = Injector::on(&Link::named("lo")?)?;
    let prints = BufReader::new(inside.stdout.take().ok_or("no pipe")?);
    let mut trace = inside.stderr.take().ok_or("no pipe")?;
    // Both pipes are read at once, or one could fill up.
    let trace = thread::spawn(move || io::read_to_string(&mut trace));
    let mut printed = String::new();
    for line in prints.lines() {
        let line = line?;
        if line == END {
            injector.send(&frame::numbered(7, 600))?;
        }
        printed += &(line + "\n");
    }
    let trace = trace.join().map_err(|_| "a thread panicked")??;
    let calls = trace.lines().map(str::to_owned).collect();
    if inside.wait()?.success() {
        Ok(Some(Run { printed, calls }))
    } else {
        Err(format!("{printed}{trace}").into())
    }
}

/// The name of the system call of a line of strace's.
fn name(call: &str) -> &str {
    call.split_once('(').map_or("", |(name, _)| name)
}

/// The operation that a failure of this system call, of this number among those of its name, is to be
/// reported as; `None` for calls that say nothing of use when they fail.
fn operation(call: &str, number: usize) -> Result<Option<&'static str>, Stopped> {
    let among = |table: &[(&str, &'static str)]| {
        let found = table.iter().find(|(word, _)| call.contains(word));
        found
            .map(|&(_, operation)| Some(operation))
            .ok_or_else(|| format!("{call} is unknown").into())
    };
    match name(call) {
        "socket" => among(&[("AF_PACKET", "OpenSocket"), ("AF_UNIX", "FindInterface")]),
        // A guard that is dropped has nobody to tell.
        "setsockopt" if call.contains("PACKET_DROP_MEMBERSHIP") => Ok(None),
        "setsockopt" => among(&[
            ("PACKET_VERSION", "SetVersion"),
            ("PACKET_RESERVE", "SetReserve"),
            ("PACKET_ORIGDEV", "SetOrigdev"),
            ("PACKET_TIMESTAMP", "SetTimestamp"),
            ("SO_TIMESTAMPING", "SetTimestamping"),
            ("SO_ATTACH_FILTER", "AttachFilter"),
            ("SO_LOCK_FILTER", "LockFilter"),
            ("PACKET_RX_RING", "SetRing { bytes: 16384 }"),
            ("PACKET_TX_RING", "SetTxRing { bytes: 8192 }"),
            ("PACKET_LOSS", "SetLoss"),
            ("PACKET_TX_HAS_OFF", "SetTxHasOff"),
            ("PACKET_VNET_HDR", "SetVnetHeader"),
            ("SO_TXTIME", "SetTransmitTimes"),
            ("PACKET_QDISC_BYPASS", "BypassQdisc"),
            ("PACKET_ADD_MEMBERSHIP", "AddMembership"),
            ("PACKET_IGNORE_OUTGOING", "IgnoreOutgoing"),
            ("SOL_PACKET, 0x17", "IgnoreOutgoing"),
            ("PACKET_FANOUT_DATA", "SetFanoutProgram"),
            ("SOL_PACKET, 0x16", "SetFanoutProgram"),
            ("PACKET_FANOUT", "JoinFanout"),
        ]),
        "getsockopt" => among(&[
            ("SO_ERROR", "ReadLink"),
            ("PACKET_STATISTICS", "ReadStatistics"),
            ("PACKET_IGNORE_OUTGOING", "JoinFanout"),
            ("SOL_PACKET, 0x17", "JoinFanout"),
            ("PACKET_FANOUT", "ReadFanout"),
            ("PACKET_ROLLOVER_STATS", "ReadRolloverStatistics"),
            ("PACKET_HDRLEN", "ReadHeaderLength"),
        ]),
        "ioctl" => among(&[
            ("SIOCGIFINDEX", "FindInterface"),
            ("SIOCETHTOOL", "ReadInterface"),
            // Its link is never looked at here: that is the other interface's.
            ("\"lo\"", "ReadInterface"),
            ("SIOCGIF", "ReadLink"),
        ]),
        "open" | "openat" => Ok(Some("EnterNamespace")),
        // Here, there, and back.
        "setns" => Ok(Some(
            ["EnterNamespace", "EnterNamespace", "LeaveNamespace"][number - 1],
        )),
        "membarrier" => Ok(Some("WaitForOldFilter")),
        "mmap" => among(&[
            ("16384", "MapRing { bytes: 16384 }"),
            ("24576", "MapRing { bytes: 24576 }"),
        ]),
        "sendto" | "sendmmsg" => Ok(Some("Unsent")),
        "madvise" => Ok(Some("KeepFromChildren")),
        "bind" => Ok(Some("Bind")),
        "getsockname" => Ok(Some("ReadLink")),
        "ppoll" => Ok(Some("Wait")),
        // What the program prints, what the library lets go of, and what std checks then in a debug
        // build.
        "write" | "close" | "munmap" => Ok(None),
        "fcntl" if call.contains("F_DUPFD_CLOEXEC") => Ok(Some("DuplicateDescriptor")),
        "fcntl" => Ok(None),
        _ => Err(format!("the library is not known to call {call}").into()),
    }
}

fn down_link() -> Result<Link, Stopped> {
    let pair = VethPair::create(&VethOptions::default())?;
    pair.far.set_down()?;
    Ok(pair.far)
}

fn every_failed_call_leaves_a_usable_socket() -> TestResult {
    // Before Linux 6.2 a group that ignores what goes out shows it all the same.
    let times = if kernel::is_since(6, 2) { 1 } else { 2 };
    let received = "received Some(7) of 500\n".repeat(times);
    let left = format!("{received}left 0 rings, 0 descriptors\n");
    let down = down_link()?;
    let Some(clean) = run(&down, None)? else {
        return skip("strace is not installed");
    };
    assert_eq!(clean.printed, format!("{BEGIN}\n{END}\n{left}"));
    let at = |mark: &str| {
        let mut calls = clean.calls.iter();
        calls
            .position(|call| call.starts_with("write(") && call.contains(mark))
            .ok_or(mark.to_owned())
    };
    let mut met = BTreeSet::new();
    for at in at(BEGIN)? + 1..at(END)? {
        let call = &clean.calls[at];
        // strace counts the calls of one name.
        let number = clean.calls[..=at]
            .iter()
            .filter(|earlier| name(earlier) == name(call))
            .count();
        let Some(operation) = operation(call, number)? else {
            continue;
        };
        let injection = format!("{}:error={}:when={number}", name(call), INJECTED.0);
        let run = run(&down, Some(injection))?.ok_or("strace went away")?;
        let refused = run
            .printed
            .lines()
            .filter(|line| line.starts_with("refused"));
        let refused: Vec<_> = refused.collect();
        assert_eq!(refused.len(), 1, "{call}: {}", run.printed);
        assert!(
            refused[0].starts_with(&format!("refused {operation}")),
            "{call}: {refused:?}"
        );
        assert!(
            refused[0].ends_with(&format!("errno {}", INJECTED.1)),
            "{call}: {refused:?}"
        );
        assert!(run.printed.ends_with(&left), "{call}: {}", run.printed);
        met.insert(operation);
    }
    // All of `Operation`, both sizes of a mapping, and what stands for `Operation::Kick`.
    assert_eq!(met.len(), 36, "{met:?}");
    Ok(())
}

/// strace writes another length over the kernel's answer.
fn another_layout_of_packets_is_refused() -> TestResult {
    let injection = format!(
        "getsockopt:poke_exit=@arg4={:08x}:when=1",
        u32::from_be_bytes(52_u32.to_ne_bytes())
    );
    let Some(run) = run(&down_link()?, Some(injection))? else {
        return skip("strace is not installed");
    };
    let mut lines = run.printed.lines();
    assert_eq!(lines.next(), Some(BEGIN));
    let refused = lines.next().unwrap_or_default();
    assert!(refused.starts_with("refused"), "{}", run.printed);
    assert!(refused.contains(" 52 bytes in place of 48"), "{refused}");
    assert_eq!(lines.next(), Some(END));
    Ok(())
}

fn a_ring_is_unmapped_before_its_socket_closes() -> TestResult {
    let Some(Run { calls, .. }) = run(&down_link()?, None)? else {
        return skip("strace is not installed");
    };
    let after = |from: usize, start: &str| {
        let position = calls[from..]
            .iter()
            .position(|call| call.starts_with(start));
        position
            .map(|at| from + at)
            .ok_or_else(|| format!("no {start}"))
    };
    let result = |call: &str| call.rsplit_once("= ").map(|(_, result)| result.to_owned());
    let mut from = 0;
    for life in ["a socket", "a shared receiver"] {
        let mapped = after(from, "mmap(NULL, 16384, PROT_READ|PROT_WRITE, MAP_SHARED")?;
        let opened = calls[..mapped]
            .iter()
            .rposition(|call| call.starts_with("socket(AF_PACKET"))
            .ok_or("no socket")?;
        let fd = result(&calls[opened]).ok_or("no descriptor")?;
        let address = result(&calls[mapped]).ok_or("no address")?;
        let unmapped = after(mapped, &format!("munmap({address}, 16384)"))?;
        let closed = after(mapped, &format!("close({fd})"))?;
        assert!(
            unmapped < closed,
            "{life}: {:#?}",
            &calls[closed..=unmapped]
        );
        from = closed;
    }
    Ok(())
}
