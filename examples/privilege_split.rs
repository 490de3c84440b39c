//! Receives as nobody: one process has the rights, another has the packets.
//!
//! The parent opens an AF_XDP socket, makes the XSKMAP, loads and attaches the program; it passes the socket and
//! the map over a Unix socket to a child, which it has started as user 65534 without capabilities. The child
//! maps memory, binds the socket to the queue, puts it into the map and receives. Of all that the kernel asks
//! of it no right, but RLIMIT_MEMLOCK, which often is 8 MiB: each registration of the memory counts.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin privilege_split
//! sudo target/debug/privilege_split eth0 10    # 10 packets of queue 0, then the end
//! ```
//!
//! The program detaches when the parent ends. Packets of queue 0 come to the child and to nobody else.

use core::error::Error;
use core::mem::MaybeUninit;
use std::env;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use packet_ring::xdp::{
    AttachMode, Attachment, Interface, Queue, Redirect, RingSize, Rx, Socket, Umem, UmemGeometry,
    Xskmap,
};
use packet_ring::{Deadline, OnSignal, Wake};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socket_with,
};

/// The first argument of the child; its second is the interface's index, its third the number of packets.
pub(crate) const CHILD: &str = "--unprivileged";

/// The user and the group that own nothing.
const NOBODY: u32 = 65534;

/// 4 MiB: half of what RLIMIT_MEMLOCK often allows.
const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(4096, 1024);
const RING: RingSize = RingSize::new_assert(512);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [CHILD, interface, packets] => child(interface, packets, io::stdin()),
        [name, packets] => {
            let interface = Interface::by_name(name)?;
            let mut split = parent(interface, packets, Stdio::inherit())?;
            if split.child.wait()?.success() {
                Ok(())
            } else {
                Err("the child failed".into())
            }
        }
        _ => Err("usage: privilege_split INTERFACE PACKETS".into()),
    }
}

/// What the parent keeps while the child receives.
pub(crate) struct Split {
    pub(crate) child: Child,
    /// The program stays as long as this.
    _attachment: Attachment,
}

/// Does what takes rights, starts the child and hands it what it needs.
pub(crate) fn parent(
    interface: Interface,
    packets: &str,
    output: Stdio,
) -> Result<Split, Box<dyn Error>> {
    let map = Xskmap::create(1)?;
    let attachment = Redirect::to(&map)
        .load()?
        .attach(interface, AttachMode::Either)?;
    let (kind, flags) = (SocketType::RAW, SocketFlags::CLOEXEC);
    let socket = socket_with(AddressFamily::XDP, kind, flags, None)?;
    let (ours, theirs) = UnixStream::pair()?;
    // From root to another user: the kernel takes all capabilities away.
    let child = Command::new("/proc/self/exe")
        .args([CHILD, &interface.index().to_string(), packets])
        .uid(NOBODY)
        .gid(NOBODY)
        .stdin(OwnedFd::from(theirs))
        .stdout(output)
        .spawn()?;
    let descriptors = [socket.as_fd(), map.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    // Descriptors travel with at least a byte.
    sendmsg(
        ours,
        &[IoSlice::new(&[0])],
        &mut control,
        SendFlags::empty(),
    )?;
    Ok(Split {
        child,
        _attachment: attachment,
    })
}

/// What takes none: maps, binds and receives, and tells of each packet.
pub(crate) fn child(interface: &str, packets: &str, from: impl AsFd) -> Result<(), Box<dyn Error>> {
    let interface = Interface::by_index(interface.parse()?).ok_or("no such interface")?;
    let mut left: u64 = packets.parse()?;
    let [socket, map] = receive_descriptors(from)?;
    let map = Xskmap::from_fd(map)?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut socket = Socket::from_fd(socket, Rx::new(RING), &umem)?.map()?;
    socket.rings().fill.stock(&mut pool, RING.get())?;
    let mut socket = socket.bind(Queue::new(interface, 0))?;
    map.insert(0, &socket)?;
    let mut output = io::stdout();
    writeln!(output, "receiving")?;
    let rings = socket.rings();
    while left > 0 {
        let Wake::Ready = rings.rx.wait(Deadline::NEVER, OnSignal::Continue)? else {
            continue;
        };
        for frame in rings.rx.batch(32.min(left as u32)) {
            writeln!(output, "{} bytes", frame.len())?;
            left -= 1;
            pool.give(frame).map_err(|_| "of another memory")?;
        }
        rings.fill.stock(&mut pool, RING.get())?;
        if rings.fill.needs_wakeup() {
            rings.fill.wake()?;
        }
    }
    Ok(())
}

/// The two descriptors that the parent sends.
pub(crate) fn receive_descriptors(from: impl AsFd) -> Result<[OwnedFd; 2], Box<dyn Error>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut bytes = [IoSliceMut::new(&mut byte)];
    recvmsg(from, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    <[OwnedFd; 2]>::try_from(descriptors).map_err(|_| "two descriptors were expected".into())
}
