//! Every system call of an AF_XDP socket's life made to fail in turn: what was before comes back, and nothing
//! leaks.
//!
//! The program runs itself under strace, which makes one system call fail. Which calls there are is read from a
//! run where none does, so that a call added to the library is tried too.

mod faulted;
mod xdp_path;

use core::time::Duration;
use std::collections::BTreeSet;
use std::env;
use std::io;
use std::process::{Command, ExitCode};
use std::thread;

use packet_ring::xdp::{HugePages, Interface, Locking, Queue, Socket, Umem, UmemGeometry};
use packet_ring::{Deadline, OnSignal};
use packet_ring_lab::suite::{self, Company, Stopped, Test, TestResult, skip};
use packet_ring_lab::{VethOptions, VethPair, frame, procfs};

use faulted::{BEGIN, END, persist, report, step, text};
use xdp_path::{PATIENCE, RINGS, SLOTS};

/// Set where this program is the one inside, to the index of the interface to bind to.
const INSIDE: &str = "PACKET_RING_XDP_FAULTS_INSIDE";

/// The error that is injected, by name and by number: none of these calls takes it for an answer.
const INJECTED: (&str, i32) = ("ENOMEM", 12);

/// What the program inside tells at its end, whichever call has failed.
const LEFT: [&str; 3] = ["sent 8", "84 sockets fit", "left 0 rings, 0 descriptors"];

fn main() -> ExitCode {
    if let Ok(interface) = env::var(INSIDE) {
        return match inside(&interface) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                println!("failed: {why}");
                ExitCode::FAILURE
            }
        };
    }
    suite::run(&[Test {
        name: "every_failed_call_leaves_a_usable_socket",
        company: Company::Any,
        body: every_failed_call_leaves_a_usable_socket,
    }])
}

/// Uses every system call of the library between memory and reclaiming, and looks at what is left.
fn inside(interface: &str) -> Result<(), String> {
    const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(2048, 128);
    let interface = Interface::by_index(interface.parse().map_err(text)?).ok_or("no index")?;
    let queue = Queue::new(interface, 0);
    let fds = procfs::open_fds().map_err(text)?;
    let soon = || Deadline::after(PATIENCE);
    // Asked for once in the life of a process, and found elsewhere where the kernel refuses.
    let _ = rustix::param::page_size();
    println!("{BEGIN}");

    let (umem, mut pool) =
        persist(|| Umem::with_pages(GEOMETRY, HugePages::None, Locking::Required))?;
    let socket = persist(|| Socket::configure(RINGS, &umem))?;
    let mut socket = step(socket, Socket::map)?;
    let stocked = socket.rings().fill.stock(&mut pool, SLOTS.get());
    let mut batch = socket.rings().tx.batch(8);
    for number in 0..8 {
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&frame::numbered(number, 60)).map_err(text)?;
        batch.push(frame).map_err(text)?;
    }
    drop(batch);
    let mut socket = step(socket, |socket| socket.bind(queue))?;
    let rings = socket.rings();
    persist(|| rings.rx.statistics())?;
    persist(|| rings.rx.check_link())?;
    persist(|| rings.tx.kick().map(drop))?;
    let brief = Deadline::after(Duration::from_millis(1));
    persist(|| rings.rx.wait(brief, OnSignal::Continue).map(drop))?;
    let (sent, left) = (8 - rings.tx.outstanding(), rings.fill.room());
    let completed = rings.completion.reap(&mut pool, 8).map_err(text)?;
    let socket = socket.share();
    let receiving = persist(|| socket.sibling_rx(SLOTS))?;
    let sending = persist(|| socket.sibling_tx(SLOTS))?;
    drop((receiving, sending));
    match socket.close() {
        // Closed all the same, and what the kernel had is lost with its place.
        Err(error) => report(error),
        Ok(closed) => {
            // The kernel lets go a little later: one look is to be enough, or the calls could not be counted.
            thread::sleep(Duration::from_millis(200));
            let back = step(closed, |closed| closed.reclaim(soon()))?;
            if (pool.take_back(), pool.len()) != (back, 128) {
                return Err(format!("{back} came back"));
            }
        }
    }
    println!("{END}");

    println!("sent {sent}");
    if (stocked, left, completed) != (Ok(64), 0, 8) {
        return Err(format!("{stocked:?} {left} {completed}"));
    }
    drop((umem, pool));
    places()?;
    let rings = procfs::maps("socket:[").map_err(text)?;
    let fds = procfs::open_fds().map_err(text)? - fds;
    println!("left {rings} rings, {fds} descriptors");
    Ok(())
}

/// A memory made after all of that has all its places.
fn places() -> Result<(), String> {
    let (umem, _pool) = Umem::new(UmemGeometry::new_assert(2048, 2)).map_err(text)?;
    let mut sockets = 0;
    while Socket::configure(RINGS, &umem).map_err(text)?.map().is_ok() {
        sockets += 1;
    }
    println!("{sockets} sockets fit");
    Ok(())
}

/// A run of the program inside: what it printed, and its system calls as strace prints them.
struct Run {
    printed: Vec<String>,
    calls: Vec<String>,
}

/// `None` where there is no strace.
///
/// Each run has an interface to itself: the kernel lets go of the queue of the one before when it likes.
fn run(injection: Option<String>) -> Result<Option<Run>, Stopped> {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut strace = Command::new("strace");
    if let Some(injection) = injection {
        strace.args(["-e", &format!("inject={injection}")]);
    }
    strace.arg(env::current_exe()?);
    strace.env(INSIDE, pair.far.index()?.to_string());
    let output = match strace.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output?,
    };
    pair.delete()?;
    let lines = |bytes: &[u8]| -> Vec<_> {
        let text = String::from_utf8_lossy(bytes);
        text.lines().map(str::to_owned).collect()
    };
    let run = Run {
        printed: lines(&output.stdout),
        calls: lines(&output.stderr),
    };
    if output.status.success() {
        return Ok(Some(run));
    }
    Err(format!("{:#?}{:#?}", run.printed, run.calls).into())
}

/// The name of the system call of a line of strace's.
fn name(call: &str) -> &str {
    call.split_once('(').map_or("", |(name, _)| name)
}

/// The operation that a failure of this call is to be reported as; `None` for calls that say nothing of use when
/// they fail.
fn operation(call: &str) -> Result<Option<&'static str>, Stopped> {
    let among = |table: &[(&str, &'static str)]| {
        let found = table.iter().find(|(word, _)| call.contains(word));
        found
            .map(|&(_, operation)| Some(operation))
            .ok_or_else(|| format!("{call} is unknown").into())
    };
    match name(call) {
        "socket" => Ok(Some("OpenXdpSocket")),
        "setsockopt" => among(&[
            ("XDP_UMEM_REG", "RegisterUmem"),
            ("_RING", "SetXdpRing"),
            ("XDP_MAX_TX_SKB_BUDGET", "SetTxBudget"),
            ("SOL_XDP, 0x9", "SetTxBudget"),
        ]),
        "getsockopt" => among(&[
            ("XDP_MMAP_OFFSETS", "ReadRingOffsets"),
            ("XDP_OPTIONS", "ReadXdpOptions"),
            ("XDP_STATISTICS", "ReadXdpStatistics"),
            ("SOL_XDP, 0x8", "ReadXdpOptions"),
            ("SO_NETNS_COOKIE", "ReadNamespaceCookie"),
            ("SOL_SOCKET, 0x47", "ReadNamespaceCookie"),
        ]),
        "mmap" => among(&[("MAP_SHARED", "MapRing"), ("MAP_ANONYMOUS", "MapMemory")]),
        "madvise" => among(&[
            ("MADV_DONTFORK", "KeepFromChildren"),
            ("MADV_NOHUGEPAGE", "MapMemory"),
            ("MADV_", "MapMemory"),
            ("0x", "MapMemory"),
        ]),
        "mlock" | "mlock2" => Ok(Some("LockMemory")),
        "fcntl" if call.contains("F_DUPFD_CLOEXEC") => Ok(Some("DuplicateDescriptor")),
        "bind" => Ok(Some("BindQueue")),
        "recvfrom" => Ok(Some("WakeFill")),
        "sendto" => Ok(Some("Kick")),
        "poll" | "ppoll" => Ok(Some("Wait")),
        // What the program prints, what the library lets go of, and what std checks then in a debug build.
        "write" | "close" | "munmap" | "fcntl" | "brk" | "nanosleep" | "clock_nanosleep" => {
            Ok(None)
        }
        _ => Err(format!("the library is not known to call {call}").into()),
    }
}

fn every_failed_call_leaves_a_usable_socket() -> TestResult {
    let Some(clean) = run(None)? else {
        return skip("strace is not installed");
    };
    assert_eq!(clean.printed[..2], [BEGIN, END]);
    assert_eq!(clean.printed[2..], LEFT);
    let at = |mark: &str| {
        let mut calls = clean.calls.iter();
        calls
            .position(|call| call.starts_with("write(") && call.contains(mark))
            .ok_or(mark.to_owned())
    };
    let mut met = BTreeSet::new();
    for at in at(BEGIN)? + 1..at(END)? {
        let call = &clean.calls[at];
        let Some(operation) = operation(call)? else {
            continue;
        };
        // strace counts the calls of one name.
        let earlier = clean.calls[..=at].iter();
        let number = earlier
            .filter(|earlier| name(earlier) == name(call))
            .count();
        let injection = format!("{}:error={}:when={number}", name(call), INJECTED.0);
        let run = run(Some(injection))?.ok_or("strace went away")?;
        let refused: Vec<_> = run
            .printed
            .iter()
            .filter(|line| line.starts_with("refused"))
            .collect();
        assert_eq!(refused.len(), 1, "{call}: {:?}", run.printed);
        let errno = format!("errno {}", INJECTED.1);
        assert!(
            refused[0].starts_with(&format!("refused {operation}")) && refused[0].ends_with(&errno),
            "{call}: {refused:?}"
        );
        assert!(
            run.printed.ends_with(&LEFT.map(str::to_owned)),
            "{call}: {:?}",
            run.printed
        );
        met.insert(operation);
    }
    assert_eq!(met.len(), 17, "{met:?}");
    Ok(())
}
