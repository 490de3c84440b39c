//! Children: they have neither the ring nor the socket, and what they do changes nothing.

mod data_path;

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use packet_ring_lab::procfs;
use packet_ring_lab::suite::{self, Company, Test, TestResult};

use data_path::{Bench, PROMPT, SMALL, next, numbers};

/// Tells this program that it was started by a test, to show what it has inherited.
const AS_CHILD: &str = "PACKET_RING_TEST_CHILD";

/// What maps and descriptors of packet sockets look like in procfs.
const SOCKET: &[u8] = b"socket:[";

/// Whether /proc/self/maps names a socket. For a child between fork and exec: it takes no memory
/// from the heap.
fn has_a_ring() -> io::Result<bool> {
    let mut maps = File::open("/proc/self/maps")?;
    let mut window = [0; 4096];
    let mut kept = 0;
    loop {
        let count = maps.read(&mut window[kept..])?;
        let text = &window[..kept + count];
        if text.windows(SOCKET.len()).any(|part| part == SOCKET) {
            return Ok(true);
        }
        if count == 0 {
            return Ok(false);
        }
        // What may be the beginning of the name.
        let end = kept + count;
        kept = end.min(SOCKET.len() - 1);
        window.copy_within(end - kept..end, 0);
    }
}

/// What a child of the tests does: it says which sockets it has.
fn show_sockets() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        // The descriptor of the listing itself is gone by now.
        if let Ok(target) = fs::read_link(entry?.path()) {
            let target = target.to_string_lossy();
            if target.starts_with("socket:[") {
                println!("{target}");
            }
        }
    }
    Ok(())
}

fn the_kernel_keeps_the_ring_from_children() -> TestResult {
    let _bench = Bench::new(SMALL)?;
    let smaps = fs::read_to_string("/proc/self/smaps")?;
    let mut lines = smaps.lines().skip_while(|line| !line.contains("socket:["));
    let flags = lines
        .find_map(|line| line.strip_prefix("VmFlags:"))
        .ok_or("the ring is not in smaps")?;
    // Readable, writable, shared, not copied.
    for flag in ["rd", "wr", "sh", "dc"] {
        assert!(flags.split(' ').any(|set| set == flag), "{flag} in {flags}");
    }
    assert_eq!(procfs::maps("socket:[")?, 1);
    Ok(())
}

fn a_child_has_no_ring_and_its_end_changes_nothing() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let fd = bench.socket.as_fd().as_raw_fd();
    let ours = fs::read_link(format!("/proc/self/fd/{fd}"))?;
    let ours = ours.to_str().ok_or("no name")?;
    assert!(ours.starts_with("socket:["));
    bench.send(1);
    let held = next(&mut bench.socket)?;
    assert!(has_a_ring()?);
    let mut child = Command::new("/proc/self/exe");
    child.env(AS_CHILD, "").stdin(Stdio::null());
    // SAFETY: the closure allocates nothing and takes no lock: it opens, reads and compares.
    unsafe {
        child.pre_exec(|| match has_a_ring()? {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => Ok(()),
        })
    };
    let shown = child.output()?;
    assert!(shown.status.success());
    let shown = String::from_utf8(shown.stdout)?;
    assert!(!shown.lines().any(|socket| socket == ours), "{shown}");
    assert_eq!(numbers(&held), [1]);
    drop(held);
    for number in 2..10 {
        bench.send(number);
        let block = next(&mut bench.socket)?;
        assert_eq!((block.sequence(), numbers(&block)), (number, vec![number]));
    }
    let counts = bench.socket.statistics()?;
    assert_eq!((counts.packets, counts.drops, counts.held), (9, 0, 0));
    Ok(())
}

fn a_child_would_show_a_socket_it_has() -> TestResult {
    let (ours, _theirs) = UnixStream::pair()?;
    let shown = Command::new("/proc/self/exe")
        .env(AS_CHILD, "")
        .stdin(OwnedFd::from(ours))
        .output()?;
    assert!(shown.stdout.starts_with(SOCKET));
    Ok(())
}

fn main() -> ExitCode {
    if env::var_os(AS_CHILD).is_some() {
        return match show_sockets() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    suite::run(&[
        Test {
            name: "the_kernel_keeps_the_ring_from_children",
            company: Company::Alone,
            body: the_kernel_keeps_the_ring_from_children,
        },
        Test {
            name: "a_child_has_no_ring_and_its_end_changes_nothing",
            company: Company::Alone,
            body: a_child_has_no_ring_and_its_end_changes_nothing,
        },
        Test {
            name: "a_child_would_show_a_socket_it_has",
            company: Company::Any,
            body: a_child_would_show_a_socket_it_has,
        },
    ])
}
