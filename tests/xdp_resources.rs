//! What AF_XDP sockets and their memory hold, and that they let go of all of it, last of all of the memory.

mod xdp_path;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::thread;

use packet_ring::xdp::{
    CompletionRing, FillRing, Frame, HugePages, Interface, Joint, Locking, Pool, Queue, RingSize,
    RxRing, RxTx, RxTxRings, Socket, TxRing, Umem, UmemGeometry,
};
use packet_ring::{Deadline, Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{
    Link, VethOptions, VethPair, is_root_of_the_host, procfs, suite, with_locked_memory,
};
use rustix::io::Errno;
use xdp_path::{GEOMETRY, PATIENCE, RINGS, SLOTS};

fn queue(link: &Link) -> Result<Queue, Stopped> {
    let interface = Interface::by_index(link.index()?).ok_or("no interface")?;
    Ok(Queue::new(interface, 0))
}

fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

/// Bytes that children do not get (`MADV_DONTFORK`), of mappings whose line has this text. Nobody else asks for
/// that here, so it is what the library has mapped.
fn kept_from_children(text: &str) -> Result<u64, Stopped> {
    let smaps = fs::read_to_string("/proc/self/smaps")?;
    let (mut kept, mut size, mut counts) = (0, 0, false);
    for line in smaps.lines() {
        if let Some(kilobytes) = line.strip_prefix("Size:") {
            size = 1024 * kilobytes.trim_end_matches("kB").trim().parse::<u64>()?;
        } else if let Some(flags) = line.strip_prefix("VmFlags:") {
            if counts && flags.split(' ').any(|flag| flag == "dc") {
                kept += size;
            }
        } else if line
            .split(' ')
            .next()
            .is_some_and(|word| word.contains('-'))
        {
            counts = line.contains(text);
        }
    }
    Ok(kept)
}

/// One life of a memory and a socket; how far it goes, `turn` says.
fn one_life(turn: usize, queue: Queue) -> TestResult {
    let (umem, mut pool) = Umem::new(UmemGeometry::new(2048, 64)?)?;
    let socket = Socket::configure(RINGS, &umem)?;
    if turn.is_multiple_of(6) {
        return Ok(());
    }
    let mut socket = socket.map()?;
    socket.rings().fill.stock(&mut pool, 32)?;
    if turn % 6 == 1 {
        return Ok(());
    }
    let absent = Interface::by_index(i32::MAX as u32).ok_or("no index")?;
    let failed = socket.bind(Queue::new(absent, 0)).err().ok_or("bound")?;
    if turn % 6 == 2 {
        return Ok(());
    }
    let socket = failed.into_socket().bind_until(queue, soon())?;
    match turn % 6 {
        3 => {}
        4 => {
            let frame = pool.take().ok_or("no frame")?;
            drop((pool, umem, socket));
            drop(frame);
        }
        _ => {
            assert_eq!(socket.close()?.reclaim(soon())?, 32);
        }
    }
    Ok(())
}

fn a_thousand_sockets_leave_nothing_behind() -> TestResult {
    /// The kernel waits for all processors as a socket goes: they wait together.
    const THREADS: usize = 8;
    let pairs: Vec<_> = (0..THREADS)
        .map(|_| VethPair::create(&VethOptions::default()))
        .collect::<Result<_, _>>()?;
    let queues: Vec<_> = pairs
        .iter()
        .map(|pair| queue(&pair.far))
        .collect::<Result<_, _>>()?;
    let held = || -> Result<_, Stopped> {
        let rings = procfs::maps("socket:[")?;
        Ok((rings, kept_from_children("")?, procfs::open_fds()?))
    };
    let before = held()?;
    assert_eq!((before.0, before.1), (0, 0));
    thread::scope(|scope| -> TestResult {
        let threads: Vec<_> = queues
            .iter()
            .enumerate()
            .map(|(first, &queue)| {
                let lives = (first..1008).step_by(THREADS);
                scope.spawn(move || {
                    lives
                        .enumerate()
                        .try_for_each(|(turn, _)| one_life(turn, queue))
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })?;
    assert_eq!(held()?, before);
    Ok(())
}

/// All that a program can have of one memory.
#[expect(dead_code, reason = "they are held, and dropped")]
enum Part {
    Umem(Umem),
    Pool(Pool),
    Frame(Frame),
    Rx(RxRing),
    Fill(FillRing),
    Tx(TxRing),
    Completion(CompletionRing),
    Joint(Joint<RxTx>),
}

fn the_memory_goes_last_in_every_order() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let before = kept_from_children("")?;
    // Rotations, each of a few shuffles: every part comes first, and last, and before every other.
    for (stride, first) in [1, 3, 5, 7]
        .into_iter()
        .flat_map(|stride| (0..8).map(move |first| (stride, first)))
    {
        let (umem, mut pool) = Umem::new(GEOMETRY)?;
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(b"the bytes of a frame")?;
        let mut socket = Socket::configure(RINGS, &umem)?.map()?;
        socket.rings().fill.stock(&mut pool, SLOTS.get())?;
        let (rings, joint) = socket.bind_until(queue(&pair.far)?, soon())?.split();
        let RxTxRings {
            rx,
            fill,
            tx,
            completion,
        } = rings;
        let mut parts = [
            Part::Umem(umem),
            Part::Pool(pool),
            Part::Frame(frame),
            Part::Rx(rx),
            Part::Fill(fill),
            Part::Tx(tx),
            Part::Completion(completion),
            Part::Joint(joint),
        ]
        .map(Some);
        for step in 0..8 {
            assert!(kept_from_children("")? >= before + GEOMETRY.bytes());
            let bytes = parts.iter().find_map(|part| match part {
                Some(Part::Frame(frame)) => Some(frame.bytes()),
                _ => None,
            });
            assert!(bytes.is_none_or(|bytes| bytes == b"the bytes of a frame"));
            drop(parts[(first + stride * step) % 8].take());
        }
        assert_eq!(kept_from_children("")?, before, "{stride} {first}");
    }
    Ok(())
}

fn children_get_neither_memory_nor_rings_nor_descriptors() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let descriptors = || -> io::Result<BTreeSet<_>> {
        let entries = fs::read_dir("/proc/self/fd")?;
        let sockets = entries.filter_map(|entry| entry.ok()).filter(|entry| {
            fs::read_link(entry.path()).is_ok_and(|name| name.to_string_lossy().contains("socket:"))
        });
        Ok(sockets.map(|entry| entry.file_name()).collect())
    };
    let before = descriptors()?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut socket = Socket::configure(RINGS, &umem)?.map()?;
    socket.rings().fill.stock(&mut pool, SLOTS.get())?;
    let socket = socket.bind(queue(&pair.far)?)?;
    // The socket's own, and one of each ring that makes system calls.
    let ours = descriptors()?;
    let ours: Vec<_> = ours.difference(&before).collect();
    assert_eq!(ours.len(), 4);
    for fd in ours {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.display()))?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.ok_or("no flags")?.trim(), 8)?;
        assert_ne!(flags & 0o2_000_000, 0, "without O_CLOEXEC: {flags:o}");
    }
    assert_eq!(procfs::maps("socket:[")?, 4);
    // A page or more each.
    assert!(kept_from_children("socket:[")? >= 4 * 4096);
    assert!(kept_from_children("")? >= GEOMETRY.bytes());
    // A child that lives on keeps the queue from nobody.
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    assert_eq!(socket.close()?.reclaim(soon())?, SLOTS.get());
    assert!(child.try_wait()?.is_none(), "the child has ended");
    drop(child.stdin.take());
    assert!(child.wait()?.success());
    Ok(())
}

/// Bytes of this process that are locked (`VmLck`).
fn locked() -> Result<u64, Stopped> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let kilobytes = line.ok_or("no VmLck")?.trim_end_matches("kB").trim();
    Ok(1024 * kilobytes.parse::<u64>()?)
}

fn memory_is_locked_where_it_says_so() -> TestResult {
    const SMALL: UmemGeometry = UmemGeometry::new_assert(2048, 128);
    let before = locked()?;
    let with = |locking| Umem::with_pages(SMALL, HugePages::None, locking);
    let (umem, _pool) = with(Locking::None)?;
    assert_eq!((umem.is_locked(), locked()?), (false, before));
    for locking in [Locking::WherePossible, Locking::Required] {
        let (umem, pool) = with(locking)?;
        assert!(umem.is_locked());
        assert_eq!(locked()?, before + SMALL.bytes());
        drop((umem, pool));
        assert_eq!(locked()?, before);
    }
    let beyond = with_locked_memory(SMALL.bytes() / 2, || {
        (with(Locking::WherePossible), with(Locking::Required))
    })?;
    if is_root_of_the_host()? {
        // Not held to the limit.
        assert!(beyond.0?.0.is_locked() && beyond.1?.0.is_locked());
        return Ok(());
    }
    assert!(!beyond.0?.0.is_locked());
    let operation = Operation::LockMemory;
    let errno = Errno::NOMEM;
    assert_eq!(beyond.1.err(), Some(Error::System { operation, errno }));
    assert_eq!(locked()?, before);
    Ok(())
}

fn a_ring_has_the_size_that_was_asked_for() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let size = RingSize::new_assert;
    let rings = RxTx::new(
        packet_ring::xdp::Rx::new(size(1)).fill(size(2048)),
        packet_ring::xdp::Tx::new(size(4)).completion(size(512)),
    );
    let (umem, _pool) = Umem::new(GEOMETRY)?;
    let socket = Socket::configure(rings, &umem)?.map()?;
    let mut socket = socket.bind(queue(&pair.far)?)?;
    let rings = socket.rings();
    assert_eq!((rings.rx.size(), rings.fill.room()), (size(1), 2048));
    assert_eq!((rings.tx.room(), rings.completion.size()), (4, size(512)));
    Ok(())
}

suite![a_ring_has_the_size_that_was_asked_for; alone:
    a_thousand_sockets_leave_nothing_behind,
    the_memory_goes_last_in_every_order,
    children_get_neither_memory_nor_rings_nor_descriptors,
    memory_is_locked_where_it_says_so,
];
