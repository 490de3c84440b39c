//! The program whose system calls fail, one in each run.

#![allow(dead_code, reason = "each test file uses its own part")]

use core::fmt::Display;
use core::time::Duration;
use std::fs::File;

use packet_ring::bpf::Instruction;
use packet_ring::lifecycle::Failed;
use packet_ring::packet::{
    Fanout, FanoutMode, FrameGeometry, Geometry, Interface, Membership, NoRing, Refusal, Rx, RxTx,
    Socket, TimestampSource, Tx, TxClock, VnetHeader,
};
use packet_ring::{Deadline, Error, OnSignal, Unsent, Wake};
use packet_ring_lab::{frame, procfs};
use rustix::io::Errno;

/// What is printed before the first system call of the library, and after the last that can fail.
pub(crate) const BEGIN: &str = "begin";
pub(crate) const END: &str = "end";

pub(crate) fn text(error: impl Display) -> String {
    error.to_string()
}

/// Tries until it succeeds, which it must the second time, and prints the error.
pub(crate) fn persist<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, String> {
    attempt().or_else(|error| {
        report(error);
        attempt().map_err(text)
    })
}

/// The same for a step of a socket's life.
pub(crate) fn step<S, T>(socket: S, step: impl Fn(S) -> Result<T, Failed<S>>) -> Result<T, String> {
    step(socket).or_else(|failed| {
        report(failed.error());
        step(failed.into_socket()).map_err(text)
    })
}

pub(crate) fn report(error: Error) {
    match error {
        Error::System { operation, errno } => {
            println!("refused {operation:?} errno {}", errno.raw_os_error());
        }
        Error::Unsent {
            frame: 0,
            why: Unsent::Other(errno),
        } => println!("refused Unsent errno {}", errno.raw_os_error()),
        other => println!("refused {other:?}"),
    }
}

/// Uses every system call of the library, on `lo`, and looks at what is left.
pub(crate) fn inside(down: &str) -> Result<(), String> {
    let index = |index| Interface::by_index(index).ok_or_else(|| "no index".to_owned());
    let (lo, down) = (index(1)?, index(down.parse().map_err(text)?)?);
    let ring = || Geometry::new(4096, 4)?.reserve(64)?.snap_length(1000);
    let ring = Rx::new(ring().map_err(text)?);
    let namespace = File::open("/proc/self/ns/net").map_err(text)?;
    let fds = procfs::open_fds().map_err(text)?;
    // Asked for once in the life of a process, and found elsewhere where the kernel refuses.
    let _ = rustix::param::page_size();
    println!("{BEGIN}");

    transmit(ring, lo)?;
    persist(|| Socket::configure_in(&namespace, ring))?;
    let mut socket = persist(|| Socket::configure(ring))?;
    persist(|| socket.attach_filter(&[Instruction::keep(500)]))?;
    persist(|| socket.ignore_outgoing())?;
    persist(|| socket.origdev())?;
    persist(|| socket.timestamp(TimestampSource::Software))?;
    let mapped = step(socket, Socket::map)?;
    let mut socket = step(mapped, |socket| socket.bind(lo))?;
    for by_name in [
        persist(|| Interface::by_name("lo"))?,
        persist(|| Interface::by_name_in(&socket, "lo"))?,
    ] {
        if by_name != lo {
            return Err(format!("{by_name:?} is not lo"));
        }
    }
    persist(|| lo.mtu(&socket))?;
    persist(|| lo.link_state(&socket))?;
    persist(|| lo.ethernet_address(&socket))?;
    persist(|| match lo.queues(&socket) {
        // The loopback has none to tell of.
        Err(error) if error.errno() == Some(Errno::OPNOTSUPP) => Ok(()),
        other => other.map(drop),
    })?;
    let joined = persist(|| Membership::Promiscuous.join(&socket, lo))?;
    drop(joined);
    persist(|| socket.rebind(down))?;
    // A link that is down stays known as down, wherever the look at it failed.
    persist(|| match socket.take_error() {
        Err(Error::LinkDown) => Ok(()),
        Err(other) => Err(other),
        Ok(()) => Err(Error::NoSuchInterface),
    })?;
    persist(|| socket.rebind(lo))?;
    persist(|| socket.statistics())?;
    persist(|| socket.detach_filter())?;
    let later = Deadline::after(Duration::from_secs(10));
    persist(|| socket.replace_filter(&[Instruction::keep(500)], later))?;
    let fanout = Fanout::in_new_group(FanoutMode::ClassicBpf).rollover();
    let mut socket = socket.join_fanout(&fanout).or_else(|failed| {
        report(failed.error());
        failed.into_socket().join_fanout(&fanout).map_err(text)
    })?;
    persist(|| socket.group().fanout())?;
    persist(|| socket.group().set_program(&[Instruction::keep(0)]))?;
    persist(|| socket.group().rollover_statistics())?;
    persist(|| socket.lock_filter())?;
    let soon = Deadline::after(Duration::from_millis(1));
    let _ = persist(|| socket.wait(soon, OnSignal::Continue))?;
    println!("{END}");

    let end = Deadline::after(Duration::from_secs(10));
    if socket.wait(end, OnSignal::Continue) != Ok(Wake::Ready) {
        return Err("nothing came".into());
    }
    let block = socket.next_block().ok_or("no block")?;
    for packet in &block {
        println!(
            "received {:?} of {}",
            frame::number(packet.data()),
            packet.data().len()
        );
    }
    drop(block);
    drop(socket);
    let shared = Socket::configure(ring).map_err(text)?.map();
    let shared = shared.map_err(text)?.bind(lo).map_err(text)?;
    drop(shared.into_shared());
    let rings = procfs::maps("socket:[").map_err(text)?;
    println!(
        "left {rings} rings, {} descriptors",
        procfs::open_fds().map_err(text)? - fds
    );
    Ok(())
}

/// Sends through a ring beside a receive ring, and by copying, before anybody listens.
fn transmit(rx: Rx, lo: Interface) -> Result<(), String> {
    let tx = Tx::new(FrameGeometry::new(2048, 4096, 2).map_err(text)?);
    let tx = tx.refusal(Refusal::Skip).offsets().vnet_headers();
    let rings = RxTx::new(rx, tx.transmit_times(TxClock::Monotonic));
    let mut socket = persist(|| Socket::configure(rings))?;
    persist(|| socket.bypass_qdisc())?;
    let mapped = step(socket, Socket::map)?;
    let bound = step(mapped, |socket| socket.bind(lo))?;
    let (_rx, mut tx) = step(bound, Socket::into_split)?;
    let mut transmitter = tx.transmitter();
    let mut frame = transmitter.reserve().ok_or("no frame")?;
    frame.data_mut()[..60].copy_from_slice(&frame::numbered(1, 60));
    frame.set_vnet_header(VnetHeader::NONE);
    frame.send(60).map_err(text)?;
    let taken = persist(|| transmitter.kick())?;
    let copied = step(persist(|| Socket::configure(NoRing))?, Socket::map)?;
    let copied = step(copied, |socket| socket.bind(lo))?;
    let sent = persist(|| copied.sender().send(&[frame::numbered(2, 60)]))?;
    let end = Deadline::after(Duration::from_secs(10));
    let drained = transmitter.drain(end, OnSignal::Continue);
    if (taken, sent, drained) == (1, 1, Ok(Wake::Ready)) {
        Ok(())
    } else {
        Err(format!("{taken} and {sent} sent, {drained:?}"))
    }
}
