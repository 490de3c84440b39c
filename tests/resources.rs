//! What a socket holds, and that it lets go of all of it.

mod data_path;

use core::mem::forget;
use core::panic::AssertUnwindSafe;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::panic::{catch_unwind, resume_unwind};
use std::path::Path;
use std::thread;

use packet_ring::lifecycle::{Bound, Mapped};
use packet_ring::packet::{
    EdgeTriggered, FrameGeometry, Gather, Geometry, Interface, LinkWatch, Rx, RxTx, Socket, Tx,
};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, procfs, suite};

use data_path::interface;

/// Four blocks of 4 KiB, retired after a millisecond.
const RING: Geometry = Geometry::expect(
    Geometry::new_assert(4096, 4).retire_timeout(core::time::Duration::from_millis(1)),
);

/// Rings of packet sockets in the maps of this process.
fn rings() -> Result<usize, Stopped> {
    Ok(procfs::maps("socket:[")?)
}

/// Packet sockets in the calling thread's namespace, as the kernel counts them.
fn sockets() -> Result<usize, Stopped> {
    let table = fs::read_to_string("/proc/thread-self/net/packet")?;
    Ok(table.lines().count() - 1)
}

fn mapped() -> Result<Socket<Mapped<Rx>>, Stopped> {
    Ok(Socket::configure(Rx::new(RING))?.map()?)
}

fn block_is_ready(socket: &mut Socket<Bound<Rx>>) -> TestResult {
    let end = Deadline::after(core::time::Duration::from_secs(10));
    assert_eq!(socket.wait(end, OnSignal::Continue)?, Wake::Ready);
    Ok(())
}

fn every_state_lets_go_of_what_it_holds() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let far = interface(&pair.far)?;
    let fds = procfs::open_fds()?;
    let held = || -> Result<_, Stopped> { Ok((rings()?, sockets()?, procfs::open_fds()? - fds)) };
    assert_eq!(held()?, (0, 0, 0));
    let configured = Socket::configure(Rx::new(RING))?;
    assert_eq!(held()?, (0, 1, 1));
    drop(configured);
    assert_eq!(held()?, (0, 0, 0));
    let mapped = mapped()?;
    assert_eq!(held()?, (1, 1, 1));
    let bound = mapped.bind(far)?;
    assert_eq!(held()?, (1, 1, 1));
    drop(bound);
    assert_eq!(held()?, (0, 0, 0));
    Ok(())
}

/// One life of a socket; which one, `turn` says.
fn one_life(turn: usize, injector: &Injector, far: Interface) -> TestResult {
    if turn.is_multiple_of(6) {
        drop(Socket::configure(Rx::new(RING))?);
        return Ok(());
    }
    let absent = Interface::by_index(i32::MAX as u32).ok_or("no index")?;
    let failed = mapped()?.bind(absent).err().ok_or("bound to nothing")?;
    if turn % 6 == 1 {
        drop(failed);
        return Ok(());
    }
    let mut socket = failed.into_socket().bind(far)?;
    injector.send(&frame::numbered(turn as u64, 60))?;
    match turn % 6 {
        2 => {}
        3 => {
            block_is_ready(&mut socket)?;
            forget(socket.next_block());
        }
        4 => {
            block_is_ready(&mut socket)?;
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _held = socket.next_block();
                // Without the noise of a panic's message.
                resume_unwind(Box::new(()));
            }));
            assert!(panicked.is_err());
        }
        _ => {
            block_is_ready(&mut socket)?;
            let mut receiver = socket.receiver();
            let block = receiver.next_block();
            thread::scope(|scope| scope.spawn(|| drop(block)).join())
                .map_err(|_| "a thread panicked")?;
        }
    }
    Ok(())
}

fn a_thousand_sockets_leave_nothing_behind() -> TestResult {
    /// The kernel waits for all processors as a ring goes: they wait together.
    const THREADS: usize = 8;
    let pair = VethPair::create(&VethOptions::default())?;
    let (far, injector) = (interface(&pair.far)?, Injector::on(&pair.near)?);
    // The injector is a packet socket too.
    let before = (rings()?, procfs::open_fds()?, sockets()?);
    thread::scope(|scope| -> TestResult {
        let lives = |first| (first..1008).step_by(THREADS);
        let threads: Vec<_> = (0..THREADS)
            .map(|first| {
                let injector = &injector;
                scope.spawn(move || lives(first).try_for_each(|turn| one_life(turn, injector, far)))
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })?;
    assert_eq!((rings()?, procfs::open_fds()?, sockets()?), before);
    Ok(())
}

/// The flags (`open`'s, as fdinfo tells them) of each descriptor of this process that is no file or directory.
fn descriptors() -> Result<BTreeMap<OsString, u32>, Stopped> {
    let mut flags = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let name = fs::read_link(entry.path())?;
        let name = name.to_string_lossy();
        if !name.starts_with("socket:") && !name.starts_with("anon_inode:") {
            continue;
        }
        let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(entry.file_name()))?;
        let line = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let value = u32::from_str_radix(line.ok_or("no flags")?.trim(), 8)?;
        flags.insert(entry.file_name(), value);
    }
    Ok(flags)
}

fn what_is_executed_gets_no_descriptor() -> TestResult {
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let pair = VethPair::create(&VethOptions::default())?;
    let far = interface(&pair.far)?;
    let before = descriptors()?;
    let rings = RxTx::new(Rx::new(RING), Tx::new(FrameGeometry::DEFAULT));
    let (rx, tx) = Socket::configure(rings)?.map()?.bind(far)?.into_split()?;
    let events = EdgeTriggered::new(&rx)?;
    let gather = Gather::new(&rx)?;
    let link = LinkWatch::new(far)?;
    let mut ours = descriptors()?;
    ours.retain(|fd, _| !before.contains_key(fd));
    // A socket and its duplicate; one; an epoll instance and a timer; one.
    assert_eq!(ours.len(), 2 + 1 + 2 + 1);
    for (fd, flags) in ours {
        assert_ne!(
            flags & CLOSE_ON_EXEC,
            0,
            "descriptor {}: {flags:o}",
            fd.display()
        );
    }
    drop((gather, events, link, tx));
    Ok(())
}

suite![; alone:
    every_state_lets_go_of_what_it_holds,
    a_thousand_sockets_leave_nothing_behind,
    what_is_executed_gets_no_descriptor,
];
