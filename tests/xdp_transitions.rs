//! From state to state: each refusal gives the socket back, and what it had.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use core::time::Duration;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;

use packet_ring::lifecycle::{Bound, Mapped};
use packet_ring::xdp::{
    AttachMode, Copies, Interface, Pool, Queue, RingSize, Rx, RxTx, RxTxRings, Socket, Tx, Umem,
    UmemGeometry,
};
use packet_ring::{Deadline, Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{
    Sees, VethOptions, VethPair, Witness, frame, is_root_of_the_host, option, suite,
    with_locked_memory,
};
use rustix::io::Errno;
use rustix::net::xdp::{SocketAddrXdp, SocketAddrXdpFlags};
use rustix::net::{bind, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use xdp::rights::map;
use xdp_path::{GEOMETRY, PATIENCE, RINGS, SLOTS, Wired};

fn interface(pair: &VethPair) -> Result<Interface, Stopped> {
    Ok(Interface::by_index(pair.far.index()?).ok_or("no interface")?)
}

fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

/// A socket whose rings have frames in them: the fill ring is full, and there are eight to send.
fn stocked(umem: &Umem, pool: &mut Pool) -> Result<Socket<Mapped<RxTx>>, Stopped> {
    let mut socket = Socket::configure(RINGS, umem)?.map()?;
    let rings = socket.rings();
    rings.fill.stock(pool, SLOTS.get())?;
    let mut batch = rings.tx.batch(8);
    for number in 0..8 {
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&frame::numbered(number, 60))?;
        batch.push(frame)?;
    }
    drop(batch);
    Ok(socket)
}

/// The socket still has what `stocked` gave it, and sends.
fn is_usable(mut socket: Socket<Bound<RxTx>>, pair: &VethPair) -> TestResult {
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    let RxTxRings { fill, tx, .. } = socket.rings();
    assert_eq!((fill.room(), tx.outstanding()), (0, 8));
    assert_eq!(tx.flush()?, 0);
    let numbers = witness.numbers_until_quiet(Duration::from_millis(200))?;
    assert_eq!(numbers, (0..8).collect::<Vec<_>>());
    Ok(())
}

fn a_busy_queue_gives_the_socket_back() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let queue = Queue::new(interface(&pair)?, 0);
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let first = stocked(&umem, &mut pool)?.bind(queue)?;
    let busy = Error::QueueBusy {
        interface: pair.far.index()?,
        queue: 0,
    };
    let mut second = stocked(&umem, &mut pool)?;
    for deadline in [Deadline::PASSED, Deadline::after(Duration::from_millis(20))] {
        let failed = second.bind(queue).err().ok_or("the queue was free")?;
        assert_eq!(failed.error(), busy);
        let failed = failed.into_socket().bind_until(queue, deadline).err();
        let failed = failed.ok_or("the queue was free")?;
        assert_eq!(failed.error(), busy);
        second = failed.into_socket();
    }
    let second = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            drop(first);
        });
        second.bind_until(queue, soon())
    })?;
    is_usable(second, &pair)
}

fn a_refused_queue_gives_the_socket_back() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let far = interface(&pair)?;
    let absent = Interface::by_index(i32::MAX as u32).ok_or("no index")?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut socket = stocked(&umem, &mut pool)?;
    for (queue, errno) in [
        (Queue::new(far, 1), Errno::INVAL),
        // The kernel would take the first queue for it.
        (Queue::new(far, 1 << 16), Errno::INVAL),
        (Queue::new(absent, 0), Errno::NODEV),
        (Queue::new(far, 0).copies(Copies::Never), Errno::OPNOTSUPP),
    ] {
        let failed = socket.bind(queue).err().ok_or("it was bound")?;
        let operation = Operation::BindQueue {
            interface: queue.interface().index(),
            queue: queue.index(),
        };
        assert_eq!(failed.error(), Error::System { operation, errno });
        socket = failed.into_socket();
    }
    let socket = socket.bind(Queue::new(far, 0))?;
    assert!(!socket.is_zero_copy());
    assert_eq!(socket.queue(), Queue::new(far, 0));
    is_usable(socket, &pair)
}

fn what_was_stocked_before_bind_is_received_into() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let wired = Wired::new(map, AttachMode::Native)?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let socket = stocked(&umem, &mut pool)?;
    // Once refused, and once in the map before it is bound.
    let absent = Interface::by_index(i32::MAX as u32).ok_or("no index")?;
    let failed = socket.bind(Queue::new(absent, 0)).err().ok_or("bound")?;
    let socket = failed.into_socket();
    wired.map.insert(0, &socket)?;
    let mut socket = socket.bind(Queue::new(wired.interface, 0))?;
    let frames: Vec<_> = (0..64).map(|number| frame::numbered(number, 60)).collect();
    wired.injector.send_batch(&frames)?;
    let rx = &mut socket.rings().rx;
    let mut numbers = Vec::new();
    while numbers.len() < 64 {
        let _ = rx.wait(soon(), packet_ring::OnSignal::Continue)?;
        let before = numbers.len();
        numbers.extend(
            rx.batch(64)
                .filter_map(|frame| frame::number(frame.bytes())),
        );
        assert_ne!(numbers.len(), before, "{before} of 64 came");
    }
    assert_eq!(numbers, (0..64).collect::<Vec<_>>());
    assert_eq!(umem.census().with_rx, 0);
    Ok(())
}

/// Lowers the limit of descriptors, so that so many more can be had.
fn with_descriptors<T>(more: u64, work: impl FnOnce() -> T) -> Result<T, Stopped> {
    let (probe, _other) = UnixStream::pair()?;
    let next = probe.as_raw_fd() as u64;
    let before = getrlimit(Resource::Nofile);
    let lowered = Rlimit {
        current: Some(next + more),
        ..before
    };
    drop((probe, _other));
    setrlimit(Resource::Nofile, lowered)?;
    let done = work();
    setrlimit(Resource::Nofile, before)?;
    Ok(done)
}

/// A socket option of this level, as the kernel numbers them.
const SOL_SOCKET: u32 = 1;
const SO_BUSY_POLL: u32 = 46;
const SO_PREFER_BUSY_POLL: u32 = 69;

fn busy_polling_is_set_on_the_socket() -> TestResult {
    const TIME: Duration = Duration::from_micros(50);
    let (umem, _pool) = Umem::new(GEOMETRY)?;
    let mut socket = Socket::configure(RINGS, &umem)?;
    let refused = |errno| {
        let operation = Operation::SetBusyPoll;
        Err(Error::System { operation, errno })
    };
    if !is_root_of_the_host()? {
        assert_eq!(socket.busy_poll(TIME, 64), refused(Errno::PERM));
        return Ok(());
    }
    socket.busy_poll(TIME, 64)?;
    assert_eq!(option(&socket, SOL_SOCKET, SO_BUSY_POLL)?, 50);
    assert_eq!(option(&socket, SOL_SOCKET, SO_PREFER_BUSY_POLL)?, 1);
    // Microseconds, and packets, that the kernel has no room for.
    assert_eq!(socket.busy_poll(Duration::MAX, 64), refused(Errno::INVAL));
    assert_eq!(socket.busy_poll(TIME, 1 << 16), refused(Errno::INVAL));
    assert_eq!(option(&socket, SOL_SOCKET, SO_BUSY_POLL)?, 50);
    Ok(())
}

fn a_map_that_fails_in_the_middle_can_be_repeated() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut socket = Socket::configure(RINGS, &umem)?;
    // More often than the memory can have sockets.
    for turn in 0..100 {
        let failed = with_descriptors(turn % 3, || socket.map())?.err();
        let failed = failed.ok_or("it was mapped")?;
        let operation = Operation::DuplicateDescriptor;
        let errno = Errno::MFILE;
        assert_eq!(failed.error(), Error::System { operation, errno });
        socket = failed.into_socket();
    }
    let mut socket = socket.map()?;
    assert_eq!(socket.rings().fill.stock(&mut pool, 64)?, 64);
    let mut socket = socket.bind(Queue::new(interface(&pair)?, 0))?;
    assert_eq!(socket.rings().completion.size(), SLOTS);
    assert_eq!(umem.census().with_rx, 64);
    Ok(())
}

fn memory_beyond_the_limit_gives_the_socket_back() -> TestResult {
    let bytes = GEOMETRY.bytes();
    let (umem, _pool) = Umem::new(GEOMETRY)?;
    let socket = Socket::configure(RINGS, &umem)?;
    let mapped = with_locked_memory(bytes / 2, || socket.map())?;
    if is_root_of_the_host()? {
        // Not held to it: `xdp_privileges` has a process that is.
        mapped?;
        return Ok(());
    }
    let failed = mapped.err().ok_or("it was mapped")?;
    let operation = Operation::RegisterUmem { bytes };
    let errno = Errno::NOBUFS;
    assert_eq!(failed.error(), Error::System { operation, errno });
    let first = failed.into_socket().map()?;
    with_locked_memory(bytes * 3 / 2, || memory_is_waited_for(&umem, first))?
}

/// While as much may be locked as `first` has: it is waited for until the deadline, and mapped once `first` is gone.
fn memory_is_waited_for<S: Send>(umem: &Umem, first: S) -> TestResult {
    let socket = Socket::configure(RINGS, umem)?;
    let deadline = Deadline::after(Duration::from_millis(20));
    let failed = socket.map_until(deadline).err().ok_or("it was mapped")?;
    assert!(deadline.has_passed());
    assert_eq!(failed.error().errno(), Some(Errno::NOBUFS));
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            drop(first);
        });
        failed.into_socket().map_until(soon())
    })?;
    Ok(())
}

fn a_descriptor_makes_one_socket() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let ((umem, _pool), (other, _others)) = (Umem::new(GEOMETRY)?, Umem::new(GEOMETRY)?);
    let socket = Socket::configure(RINGS, &umem)?;
    let duplicate = || socket.as_fd().try_clone_to_owned();
    let larger = RxTx::new(Rx::new(RingSize::new_assert(128)), Tx::new(SLOTS));
    let mut seconds = vec![
        Socket::from_fd(duplicate()?, RINGS, &umem)?,
        Socket::from_fd(duplicate()?, larger, &umem)?,
        Socket::from_fd(duplicate()?, RINGS, &other)?,
    ];
    let assert_refused = |seconds: &mut Vec<Socket<_>>| -> TestResult {
        for second in core::mem::take(seconds) {
            let failed = Socket::map(second).err().ok_or("it was mapped twice")?;
            let bytes = GEOMETRY.bytes();
            let operation = Operation::RegisterUmem { bytes };
            let errno = Errno::BUSY;
            assert_eq!(failed.error(), Error::System { operation, errno });
            seconds.push(failed.into_socket());
        }
        Ok(())
    };
    let socket = socket.map()?;
    assert_refused(&mut seconds)?;
    let socket = socket.bind(Queue::new(interface(&pair)?, 0))?;
    assert_refused(&mut seconds)?;
    let _closed = socket.close()?;
    assert_refused(&mut seconds)
}

fn what_others_did_to_the_descriptor_is_not_built_upon() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let far = interface(&pair)?;
    let (umem, mut pool) = Umem::new(UmemGeometry::new(2048, 64)?)?;
    // A ring of another size.
    let socket = Socket::configure(RINGS, &umem)?;
    sockopt::set_xdp_rx_ring_size(&socket, 4)?;
    let failed = socket.map().err().ok_or("it was mapped")?;
    let operation = Operation::SetXdpRing { slots: SLOTS.get() };
    let errno = Errno::INVAL;
    assert_eq!(failed.error(), Error::System { operation, errno });
    // Bound already, where it was to be bound and elsewhere.
    let mut socket = Socket::configure(RINGS, &umem)?.map()?;
    socket.rings().fill.stock(&mut pool, 64)?;
    let address = SocketAddrXdp::new(SocketAddrXdpFlags::empty(), far.index(), 0);
    bind(&socket, &address)?;
    let failed = socket.bind(Queue::new(far, 0)).err().ok_or("bound twice")?;
    assert!(matches!(failed.error(), Error::QueueBusy { .. }));
    let socket = failed.into_socket();
    assert!(socket.bind(Queue::new(far, 1)).is_err());
    assert_eq!(umem.census().with_rx, 64);
    Ok(())
}

fn other_descriptors_are_refused() -> TestResult {
    let (umem, _pool) = Umem::new(GEOMETRY)?;
    let (stream, _other) = UnixStream::pair()?;
    let null = std::fs::File::open("/dev/null")?;
    for fd in [OwnedFd::from(stream), OwnedFd::from(null)] {
        let refused = Socket::from_fd(fd, RINGS, &umem).err();
        assert_eq!(refused, Some(Error::NotXdpSocket));
    }
    Ok(())
}

suite! {
    a_busy_queue_gives_the_socket_back,
    a_refused_queue_gives_the_socket_back,
    what_was_stocked_before_bind_is_received_into,
    busy_polling_is_set_on_the_socket,
    a_descriptor_makes_one_socket,
    what_others_did_to_the_descriptor_is_not_built_upon,
    other_descriptors_are_refused;
    alone: a_map_that_fails_in_the_middle_can_be_repeated,
    memory_beyond_the_limit_gives_the_socket_back,
}
