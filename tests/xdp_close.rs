//! Closing: what the kernel had comes back, and not before the kernel has let go of it.

mod xdp_path;

use core::mem::{forget, swap};
use core::time::Duration;
use std::os::fd::AsFd;
use std::thread;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{
    Closed, Interface, Pool, Queue, RingSize, Rx, RxTx, Socket, Umem, UmemGeometry,
};
use packet_ring::{Deadline, Error};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Link, Namespace, VethOptions, VethPair, suite};
use xdp_path::{GEOMETRY, PATIENCE, RINGS, SLOTS};

/// Frames that each socket here gives to the kernel.
const STOCKED: u32 = SLOTS.get();
const QUEUED: u32 = 8;

/// What a refusal is waited for.
const BRIEFLY: Duration = Duration::from_millis(100);

fn queue(link: &Link) -> Result<Queue, Stopped> {
    numbered(link, 0)
}

fn numbered(link: &Link, number: u32) -> Result<Queue, Stopped> {
    let interface = Interface::by_index(link.index()?).ok_or("no interface")?;
    Ok(Queue::new(interface, number))
}

fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

/// A socket that has given frames to the kernel both ways.
fn busy(queue: Queue, umem: &Umem, pool: &mut Pool) -> Result<Socket<Bound<RxTx>>, Stopped> {
    let mut socket = Socket::configure(RINGS, umem)?.map()?;
    assert_eq!(socket.rings().fill.stock(pool, STOCKED)?, STOCKED);
    let mut batch = socket.rings().tx.batch(QUEUED);
    for _ in 0..QUEUED {
        let mut frame = pool.take().ok_or("no frame")?;
        frame.set_len(60)?;
        batch.push(frame)?;
    }
    drop(batch);
    let census = umem.census();
    assert_eq!((census.with_rx, census.with_tx), (STOCKED, QUEUED));
    Ok(socket.bind_until(queue, soon())?)
}

/// Is refused until a while has passed, and nothing changes.
fn stays_closed(closed: Closed, umem: &Umem, why: Error) -> Result<Closed, Stopped> {
    let before = umem.census();
    let failed = closed.reclaim(Deadline::after(BRIEFLY)).err();
    let failed = failed.ok_or("it was reclaimed")?;
    assert_eq!(failed.error(), why);
    assert_eq!(umem.census(), before);
    Ok(failed.into_socket())
}

fn comes_back(closed: Closed, umem: &Umem, pool: &mut Pool) -> TestResult {
    let all = umem.geometry().count();
    let had = umem.census().with_rx + umem.census().with_tx;
    assert_eq!(closed.reclaim(soon())?, had);
    assert_eq!(pool.take_back(), had);
    assert_eq!((umem.census().free, pool.len()), (all, all));
    Ok(())
}

fn what_the_kernel_had_comes_back() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    for _ in 0..3 {
        let closed = busy(queue(&pair.far)?, &umem, &mut pool)?.close()?;
        assert_eq!(closed.queue(), queue(&pair.far)?);
        comes_back(closed, &umem, &mut pool)?;
    }
    Ok(())
}

fn a_duplicate_keeps_what_the_kernel_has() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let socket = busy(queue(&pair.far)?, &umem, &mut pool)?;
    let duplicate = socket.as_fd().try_clone_to_owned()?;
    let busy = Error::QueueBusy {
        interface: pair.far.index()?,
        queue: 0,
    };
    let closed = stays_closed(socket.close()?, &umem, busy)?;
    drop(duplicate);
    comes_back(closed, &umem, &mut pool)
}

/// Two queues each way.
const TWO: VethOptions<'_> = VethOptions {
    names: None,
    mtu: 1500,
    queues: 2,
    far_namespace: None,
};

fn a_second_queue_is_kept_and_comes_back_as_the_first() -> TestResult {
    let pair = VethPair::create(&TWO)?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let socket = busy(numbered(&pair.far, 1)?, &umem, &mut pool)?;
    let duplicate = socket.as_fd().try_clone_to_owned()?;
    let busy = Error::QueueBusy {
        interface: pair.far.index()?,
        queue: 1,
    };
    let closed = stays_closed(socket.close()?, &umem, busy)?;
    drop(duplicate);
    comes_back(closed, &umem, &mut pool)
}

fn a_queue_that_receives_since_proves_nothing() -> TestResult {
    let pair = VethPair::create(&TWO)?;
    // The second queue of the far end transmits alone: nothing is noted where receivers look.
    pair.near.set_queues(2, 1)?;
    pair.far.set_queues(1, 2)?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let socket = busy(numbered(&pair.far, 1)?, &umem, &mut pool)?;
    let duplicate = socket.as_fd().try_clone_to_owned()?;
    pair.far.set_queues(2, 2)?;
    // It is free for others, although the socket is bound to it.
    let (other, _) = Umem::new(UmemGeometry::new(2048, 4)?)?;
    let other = Socket::configure(Rx::new(SLOTS), &other)?.map()?;
    drop(other.bind(numbered(&pair.far, 1)?)?);
    let busy = Error::QueueBusy {
        interface: pair.far.index()?,
        queue: 1,
    };
    let closed = stays_closed(socket.close()?, &umem, busy)?;
    drop(duplicate);
    let closed = stays_closed(closed, &umem, busy)?;
    pair.delete()?;
    comes_back(closed, &umem, &mut pool)
}

fn a_queue_stays_busy_while_a_ring_lives() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let queue = queue(&pair.far)?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let (rings, joint) = busy(queue, &umem, &mut pool)?.split();
    let completion = rings.completion;
    drop((rings.rx, rings.tx, rings.fill, joint));
    // The mapping alone: a completion ring has no descriptor.
    let other = Socket::configure(Rx::new(SLOTS), &umem)?.map()?;
    let failed = other.bind_until(queue, Deadline::after(BRIEFLY)).err();
    let failed = failed.ok_or("the queue was free")?;
    assert!(matches!(failed.error(), Error::QueueBusy { queue: 0, .. }));
    drop(completion);
    failed.into_socket().bind_until(queue, soon())?;
    Ok(())
}

fn rings_are_waited_for_wherever_they_were_moved() -> TestResult {
    let (pair, other) = (
        VethPair::create(&VethOptions::default())?,
        VethPair::create(&VethOptions::default())?,
    );
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut socket = busy(queue(&pair.far)?, &umem, &mut pool)?;
    let mut elsewhere = Socket::configure(RINGS, &umem)?
        .map()?
        .bind(queue(&other.far)?)?;
    swap(&mut socket.rings().rx, &mut elsewhere.rings().rx);
    let closed = stays_closed(socket.close()?, &umem, Error::RingsLeft)?;
    // The kernel lets go now, and the ring is still there.
    pair.delete()?;
    let closed = stays_closed(closed, &umem, Error::RingsLeft)?;
    drop(elsewhere);
    comes_back(closed, &umem, &mut pool)
}

fn a_sibling_is_waited_for() -> TestResult {
    for delete in [false, true] {
        let pair = VethPair::create(&VethOptions::default())?;
        let (umem, mut pool) = Umem::new(GEOMETRY)?;
        let socket = busy(queue(&pair.far)?, &umem, &mut pool)?.share();
        let (rx, tx) = (socket.sibling_rx(SLOTS)?, socket.sibling_tx(SLOTS)?);
        let closed = stays_closed(socket.close()?, &umem, Error::RingsLeft)?;
        drop(rx);
        if delete {
            pair.delete()?;
        }
        let closed = stays_closed(closed, &umem, Error::RingsLeft)?;
        drop(tx);
        comes_back(closed, &umem, &mut pool)?;
    }
    Ok(())
}

fn a_reclaim_sleeps_until_another_thread_gives_its_ring_up() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let socket = busy(queue(&pair.far)?, &umem, &mut pool)?.share();
    let sibling = socket.sibling_rx(SLOTS)?;
    let closed = socket.close()?;
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(BRIEFLY);
            drop(sibling);
        });
        comes_back(closed, &umem, &mut pool)
    })
}

fn a_forgotten_ring_keeps_its_frames() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let (mut rings, joint) = busy(queue(&pair.far)?, &umem, &mut pool)?.split();
    let (spare, _spare_joint) = Socket::configure(RINGS, &umem)?
        .map()?
        .bind(queue(&pair.near)?)?
        .split();
    forget(core::mem::replace(&mut rings.fill, spare.fill));
    let closed = stays_closed(joint.close(rings)?, &umem, Error::RingsLeft)?;
    pair.delete()?;
    stays_closed(closed, &umem, Error::RingsLeft)?;
    Ok(())
}

fn another_namespace_proves_nothing() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let elsewhere = Namespace::new()?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let closed = busy(queue(&pair.far)?, &umem, &mut pool)?.close()?;
    let failed = elsewhere.run(|| closed.reclaim(soon()))?.err();
    let failed = failed.ok_or("it was reclaimed")?;
    assert_eq!(failed.error(), Error::OtherNamespace);
    assert_eq!(umem.census().with_rx, STOCKED);
    comes_back(failed.into_socket(), &umem, &mut pool)
}

fn an_interface_that_is_gone_has_let_go() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let socket = busy(queue(&pair.far)?, &umem, &mut pool)?;
    pair.delete()?;
    comes_back(socket.close()?, &umem, &mut pool)
}

fn an_interface_that_went_and_came_back_has_let_go() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (home, elsewhere) = (Namespace::current()?, Namespace::new()?);
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let socket = busy(queue(&pair.far)?, &umem, &mut pool)?;
    // A duplicate of an unbound socket keeps nothing.
    let _duplicate = socket.as_fd().try_clone_to_owned()?;
    pair.far.move_to(&elsewhere)?;
    elsewhere.run(|| Link::named(pair.far.name()).and_then(|far| far.move_to(&home)))??;
    pair.set_up()?;
    comes_back(socket.close()?, &umem, &mut pool)
}

fn a_memory_has_84_sockets_unless_they_are_closed() -> TestResult {
    const ONE: RingSize = RingSize::new_assert(1);
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, mut pool) = Umem::new(UmemGeometry::new(2048, 4)?)?;
    let mapped = || -> Result<_, Stopped> { Ok(Socket::configure(Rx::new(ONE), &umem)?.map()?) };
    for _ in 0..83 {
        drop(mapped()?);
    }
    for _ in 0..3 {
        let mut socket = mapped()?;
        socket.rings().fill.stock(&mut pool, 1)?;
        let socket = socket.bind_until(queue(&pair.far)?, soon())?;
        let failed = Socket::configure(Rx::new(ONE), &umem)?.map().err();
        let failed = failed.ok_or("an 85th socket was mapped")?;
        assert_eq!(failed.error(), Error::TooManySockets);
        comes_back(socket.close()?, &umem, &mut pool)?;
        // It is as it was before, and there is room now; a map that failed took none of it.
        let socket = failed.into_socket().map()?;
        let socket = socket.bind_until(queue(&pair.far)?, soon())?;
        comes_back(socket.close()?, &umem, &mut pool)?;
    }
    drop(mapped()?);
    assert!(mapped().is_err());
    Ok(())
}

suite! {
    what_the_kernel_had_comes_back,
    a_duplicate_keeps_what_the_kernel_has,
    a_second_queue_is_kept_and_comes_back_as_the_first,
    a_queue_that_receives_since_proves_nothing,
    a_queue_stays_busy_while_a_ring_lives,
    rings_are_waited_for_wherever_they_were_moved,
    a_sibling_is_waited_for,
    a_reclaim_sleeps_until_another_thread_gives_its_ring_up,
    a_forgotten_ring_keeps_its_frames,
    another_namespace_proves_nothing,
    an_interface_that_is_gone_has_let_go,
    an_interface_that_went_and_came_back_has_let_go,
    a_memory_has_84_sockets_unless_they_are_closed,
}
