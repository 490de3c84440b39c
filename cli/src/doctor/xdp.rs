//! What AF_XDP needs here: rights, kernel, memory, and what each interface has.

use std::fs;

use packet_ring::xdp::{Interface, Xskmap};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};

use super::{Version, features, finding};
use crate::exit::xdp_setcap_line;
use crate::interfaces;
use crate::xdp::{program_on, queues};

/// What needs which kernel.
const FEATURES: [(Version, &str); 5] = [
    ((5, 4), "AF_XDP sockets of this library"),
    (
        (5, 9),
        "programs that go when the tool does, and all counters",
    ),
    ((5, 18), "native mode where the MTU is too large for a page"),
    ((6, 6), "packets of several frames"),
    ((6, 17), "more than 32 packets a system call when sending"),
];

/// Prints the findings.
pub(super) fn run(version: Option<Version>) {
    match try_to_open() {
        Ok(()) => finding(
            "AF_XDP",
            "yes: this user may open AF_XDP sockets (replay --xdp)",
        ),
        Err(Errno::PERM | Errno::ACCESS) => finding("AF_XDP", "no: that needs CAP_NET_RAW"),
        Err(Errno::AFNOSUPPORT) => finding(
            "AF_XDP",
            "no: this kernel has no AF_XDP (CONFIG_XDP_SOCKETS)",
        ),
        Err(errno) => finding("AF_XDP", format_args!("no: {errno}")),
    }
    match Xskmap::create(1) {
        Ok(_) => finding(
            "",
            "yes: this user may load XDP programs (--xdp of capture, stats and bridge)",
        ),
        Err(error) if error.errno() == Some(Errno::PERM) => {
            finding(
                "",
                "no: XDP programs (--xdp of capture, stats and bridge) need CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON:",
            );
            finding("", format_args!("    {}", xdp_setcap_line()));
        }
        Err(error) => finding("", format_args!("no: XDP programs: {error}")),
    }
    features(version, &FEATURES);
    finding("memory", locked());
    finding("", huge_pages());
}

/// What an interface has for AF_XDP.
pub(super) fn interface(interface: &interfaces::Interface) -> Option<String> {
    let index = Interface::by_index(interface.index)?;
    let queues = match queues(index).ok()? {
        1 => "1 queue".to_owned(),
        queues => format!("{queues} queues"),
    };
    Some(match program_on(index).ok()? {
        None => format!("{queues}, no XDP program"),
        Some(program) => format!("{queues}, {program}"),
    })
}

fn try_to_open() -> Result<(), Errno> {
    rustix::net::socket_with(
        AddressFamily::XDP,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )
    .map(drop)
}

fn locked() -> String {
    let unlimited =
        capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    match getrlimit(Resource::Memlock).current {
        limit if unlimited => format!(
            "any amount for AF_XDP: CAP_IPC_LOCK is there, and RLIMIT_MEMLOCK ({}) does not count",
            limit.map_or("unlimited".to_owned(), |limit| format!(
                "{} KiB",
                limit >> 10
            ))
        ),
        None => "any amount for AF_XDP: RLIMIT_MEMLOCK is unlimited".to_owned(),
        Some(limit) => format!(
            "{} KiB for all AF_XDP sockets of this user together (RLIMIT_MEMLOCK, ulimit -l): -B {} at most",
            limit >> 10,
            limit >> 20
        ),
    }
}

fn huge_pages() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let enabled = read("/sys/kernel/mm/transparent_hugepage/enabled");
    let chosen = enabled.split(['[', ']']).nth(1).unwrap_or("not there");
    let reserved = read("/proc/meminfo");
    let reserved = reserved
        .lines()
        .find_map(|line| line.strip_prefix("HugePages_Total:"))
        .map_or("0", str::trim);
    let use_of = match chosen {
        "always" | "madvise" => "AF_XDP's memory lies in them where it can",
        _ => "AF_XDP's memory lies in small pages, which is slower",
    };
    format!("transparent huge pages: {chosen}, {use_of}; set aside: {reserved}")
}
