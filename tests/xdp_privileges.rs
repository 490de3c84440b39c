//! The rights of one process, the packets of another: the example's own road.

mod xdp {
    pub(crate) mod rights;
}
#[path = "../examples/privilege_split.rs"]
#[allow(dead_code, reason = "its main is that of a program")]
mod privilege_split;

use core::error;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use packet_ring::lifecycle::Configured;
use packet_ring::xdp::{Interface, Queue, RingSize, Rx, Socket, Umem, UmemGeometry};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{self, Company, Stopped, Test, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use xdp::rights::map;

/// What the child of `nobody_is_held_to_the_limit` is started with.
const LIMITED: &str = "--limited";

fn interface(pair: &VethPair) -> Result<Interface, Stopped> {
    Ok(Interface::by_index(pair.far.index()?).ok_or("no interface")?)
}

fn lines(child: &mut Child) -> Result<impl Iterator<Item = io::Result<String>> + use<>, Stopped> {
    let output = child.stdout.take().ok_or("no pipe")?;
    Ok(BufReader::new(output).lines())
}

/// The child's user is nobody, and it has not one capability.
fn assert_unprivileged(child: &Child) -> TestResult {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let field = |name: &str| -> Result<Vec<_>, Stopped> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let line = line.ok_or_else(|| format!("no {name}"))?;
        Ok(line.split_whitespace().collect())
    };
    for name in ["Uid:", "Gid:"] {
        assert_eq!(field(name)?, ["65534"; 4], "{name}");
    }
    for name in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(name)?, ["0000000000000000"], "{name}");
    }
    Ok(())
}

fn a_child_without_rights_receives() -> TestResult {
    if map()?.is_none() {
        return Ok(());
    }
    let pair = VethPair::create(&VethOptions::default())?;
    let mut split = privilege_split::parent(interface(&pair)?, "10", Stdio::piped())?;
    let mut lines = lines(&mut split.child)?;
    assert_eq!(lines.next().transpose()?.as_deref(), Some("receiving"));
    assert_unprivileged(&split.child)?;
    pair.wait_for_carrier()?;
    let frames: Vec<_> = (0..10)
        .map(|number| frame::numbered(number, 60 + number as usize))
        .collect();
    Injector::on(&pair.near)?.send_batch(&frames)?;
    let told: Vec<_> = lines.collect::<Result<_, _>>()?;
    let sent: Vec<_> = (60..70).map(|len| format!("{len} bytes")).collect();
    assert_eq!(told, sent);
    assert!(split.child.wait()?.success());
    assert_eq!(pair.far.counters()?.rx_packets, 10);
    Ok(())
}

fn nobody_is_held_to_the_limit() -> TestResult {
    if map()?.is_none() {
        return Ok(());
    }
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, _pool) = Umem::new(UmemGeometry::new(2048, 2)?)?;
    let socket = Socket::configure(Rx::new(RingSize::new_assert(2)), &umem)?;
    let mut child = Command::new("/proc/self/exe")
        .args([LIMITED, &interface(&pair)?.index().to_string()])
        .uid(65534)
        .gid(65534)
        .stdin(socket.as_fd().try_clone_to_owned()?)
        .stdout(Stdio::piped())
        .spawn()?;
    let told: Vec<_> = lines(&mut child)?.collect::<Result<_, _>>()?;
    assert_eq!(told, ["refused", "mapped", "bound"]);
    assert!(child.wait()?.success());
    Ok(())
}

/// Maps 1 MiB while half of it is allowed, then while all of it is.
fn limited(interface: &str) -> Result<(), Box<dyn error::Error>> {
    const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(4096, 256);
    let limit = getrlimit(Resource::Memlock);
    let lowered = Rlimit {
        current: Some(GEOMETRY.bytes() / 2),
        ..limit
    };
    let (umem, _pool) = Umem::new(GEOMETRY)?;
    let rings = Rx::new(RingSize::new_assert(64));
    let fd = io::stdin().as_fd().try_clone_to_owned()?;
    let socket: Socket<Configured<Rx>> = Socket::from_fd(fd, rings, &umem)?;
    setrlimit(Resource::Memlock, lowered)?;
    let failed = socket.map().err().ok_or("it was mapped")?;
    let bytes = GEOMETRY.bytes();
    let refused = Error::System {
        operation: Operation::RegisterUmem { bytes },
        errno: Errno::NOBUFS,
    };
    assert_eq!(failed.error(), refused);
    let mut output = io::stdout();
    writeln!(output, "refused")?;
    setrlimit(Resource::Memlock, limit)?;
    let socket = failed.into_socket().map()?;
    writeln!(output, "mapped")?;
    let interface = Interface::by_index(interface.parse()?).ok_or("no interface")?;
    socket.bind(Queue::new(interface, 0))?;
    writeln!(output, "bound")?;
    Ok(())
}

fn what_is_no_pair_of_descriptors_is_refused() -> TestResult {
    let (ours, theirs) = UnixStream::pair()?;
    (&ours).write_all(&[0])?;
    let refused = privilege_split::receive_descriptors(OwnedFd::from(theirs));
    assert!(refused.is_err());
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let role = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [privilege_split::CHILD, interface, packets] => {
            privilege_split::child(interface, packets, io::stdin())
        }
        [LIMITED, interface] => limited(interface),
        _ => {
            let test = |name, body| Test {
                name,
                company: Company::Any,
                body,
            };
            return suite::run(&[
                test(
                    "a_child_without_rights_receives",
                    a_child_without_rights_receives,
                ),
                test("nobody_is_held_to_the_limit", nobody_is_held_to_the_limit),
                test(
                    "what_is_no_pair_of_descriptors_is_refused",
                    what_is_no_pair_of_descriptors_is_refused,
                ),
            ]);
        }
    };
    match role {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
