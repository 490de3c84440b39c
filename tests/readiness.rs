//! When a ring is ready and how a wait sleeps: above all where level-triggered polling spins.

mod data_path;

use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::handoff::Slots;
use packet_ring::packet::{Block, Geometry, Receiver, Rx};
use packet_ring::{Deadline, Error, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, procfs, suite};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::time::Timespec;

use data_path::{PATIENCE, numbers, receive_on, sleeps_between_bursts, take};

/// Four blocks of 4 KiB, retired after 10 ms.
const SMALL: Geometry = Geometry::new_assert(4096, 4);

/// What "at once" is held to.
const SOON: Duration = Duration::from_secs(2);

fn wait(receiver: &mut Receiver<'_>, time: Duration) -> Result<Wake, Error> {
    receiver.wait(Deadline::after(time), OnSignal::Continue)
}

/// Sends one number and takes the block that it comes in.
fn block_with<'r>(
    pair: &VethPair,
    receiver: &mut Receiver<'r>,
    number: u64,
) -> Result<Block<&'r Slots>, Stopped> {
    Injector::on(&pair.near)?.send(&frame::numbered(number, 60))?;
    let block = take(receiver)?;
    assert_eq!(numbers(&block), [number]);
    Ok(block)
}

/// An epoll instance that watches `fd` for packets and errors.
fn epoll_of(fd: BorrowedFd<'_>, trigger: EventFlags) -> Result<OwnedFd, Errno> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        fd,
        EventData::new_u64(0),
        EventFlags::IN | EventFlags::ERR | trigger,
    )?;
    Ok(epoll)
}

/// What one `epoll_wait` reports; nothing when `time`, in whole milliseconds, passes before.
fn hear(epoll: &OwnedFd, time: Duration) -> Result<EventFlags, Errno> {
    let timeout = Timespec::try_from(time).map_err(|_| Errno::INVAL)?;
    let mut events = Vec::with_capacity(1);
    epoll::wait(
        epoll,
        rustix::buffer::spare_capacity(&mut events),
        Some(&timeout),
    )?;
    Ok(events
        .first()
        .map_or(EventFlags::empty(), |event| event.flags))
}

/// Whether `epoll` returns a thousand times although nothing happens.
fn spins(epoll: &OwnedFd) -> Result<bool, Errno> {
    for _ in 0..1000 {
        if hear(epoll, Duration::from_millis(100))?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn a_wait_sleeps_while_the_newest_block_is_held() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let ring = SMALL.retire_timeout(Duration::from_millis(250))?;
    let mut socket = receive_on(&pair.far, Rx::new(ring))?;
    let mut receiver = socket.receiver();
    let held = block_with(&pair, &mut receiver, 1)?;
    let level = epoll_of(receiver.fd(), EventFlags::empty())?;
    assert!(spins(&level)?, "the case is not what it is taken for");

    let second = Duration::from_secs(1);
    let (woken, activity) = procfs::activity_of(|| wait(&mut receiver, second))?;
    assert_eq!(woken, Ok(Wake::TimedOut));
    assert!(activity.sleeps < 10, "{activity:?}");
    assert!(
        activity.processor < Duration::from_millis(50),
        "{activity:?}"
    );

    drop(held);
    assert!(!spins(&level)?);
    Ok(())
}

fn a_wait_with_the_default_timeout_sleeps_too() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(SMALL))?;
    let mut receiver = socket.receiver();
    let _held = block_with(&pair, &mut receiver, 1)?;
    let second = Duration::from_secs(1);
    let (woken, activity) = procfs::activity_of(|| wait(&mut receiver, second))?;
    assert_eq!(woken, Ok(Wake::TimedOut));
    // A nap is as long as the retire timeout, 10 ms.
    assert!(activity.sleeps <= 110, "{activity:?}");
    assert!(
        activity.processor < Duration::from_millis(50),
        "{activity:?}"
    );
    Ok(())
}

fn a_block_that_comes_while_the_newest_is_held_ends_the_wait() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(SMALL))?;
    let mut receiver = socket.receiver();
    let held = block_with(&pair, &mut receiver, 1)?;
    let start = Instant::now();
    let (woken, sent) = thread::scope(|scope| {
        let sent = scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            Injector::on(&pair.near)?.send(&frame::numbered(2, 60))
        });
        (wait(&mut receiver, PATIENCE), sent.join())
    });
    sent.map_err(|_| "the other thread panicked")??;
    assert_eq!(woken, Ok(Wake::Ready));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let next = receiver.next_block().ok_or("ready, and no block")?;
    assert_eq!((numbers(&held), numbers(&next)), (vec![1], vec![2]));
    Ok(())
}

/// Fills one block and begins the next, and takes the full one: no timer helps for a minute.
fn full_block<'r>(
    pair: &VethPair,
    receiver: &mut Receiver<'r>,
    first: u64,
) -> Result<Block<&'r Slots>, Stopped> {
    Injector::on(&pair.near)?.flood(&frame::numbered(0, 60), first..first + 30);
    take(receiver)
}

fn a_long_retire_timeout_makes_no_long_naps() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(
        &pair.far,
        Rx::new(SMALL.retire_timeout(Duration::from_secs(60))?),
    )?;
    let mut receiver = socket.receiver();
    let held = full_block(&pair, &mut receiver, 0)?;
    let start = Instant::now();
    let next = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            Injector::on(&pair.near).map(|near| near.flood(&frame::numbered(0, 60), 30..60))
        });
        assert_eq!(wait(&mut receiver, PATIENCE), Ok(Wake::Ready));
        receiver.next_block()
    });
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let next = next.ok_or("ready, and no block")?;
    assert_eq!((held.sequence(), next.sequence()), (1, 2));
    Ok(())
}

fn a_link_that_goes_down_while_the_newest_block_is_held_is_told() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let ring = SMALL.retire_timeout(Duration::from_secs(60))?;
    let mut socket = receive_on(&pair.far, Rx::new(ring))?;
    let mut receiver = socket.receiver();
    let _held = full_block(&pair, &mut receiver, 0)?;
    let start = Instant::now();
    let (heard, down) = thread::scope(|scope| {
        let down = scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            pair.far.set_down()
        });
        (wait(&mut receiver, PATIENCE), down.join())
    });
    down.map_err(|_| "the other thread panicked")??;
    assert_eq!(heard, Err(Error::LinkDown));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    Ok(())
}

fn reading_the_error_ends_the_spin_after_link_down() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(SMALL))?;
    let mut receiver = socket.receiver();
    let level = epoll_of(receiver.fd(), EventFlags::empty())?;
    pair.far.set_down()?;
    assert!(spins(&level)?, "the case is not what it is taken for");
    assert_eq!(receiver.take_error(), Err(Error::LinkDown));
    assert!(!spins(&level)?);
    Ok(())
}

fn an_edge_triggered_epoll_hears_of_link_down_once() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(SMALL))?;
    let mut receiver = socket.receiver();
    let edge = epoll_of(receiver.fd(), EventFlags::ET)?;
    pair.far.set_down()?;
    assert!(hear(&edge, PATIENCE)?.contains(EventFlags::ERR));
    assert!(receiver.next_block().is_none());
    assert_eq!(receiver.take_error(), Err(Error::LinkDown));
    assert!(hear(&edge, Duration::from_millis(100))?.is_empty());
    Ok(())
}

fn an_edge_triggered_epoll_hears_of_every_block() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(Geometry::new(1 << 16, 256)?))?;
    let mut receiver = socket.receiver();
    let edge = epoll_of(receiver.fd(), EventFlags::ET)?;
    sleeps_between_bursts(&pair, &mut receiver, 200, || {
        Ok(!hear(&edge, PATIENCE)?.is_empty())
    })
}

fn an_edge_triggered_epoll_hears_of_the_last_block() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let ring = SMALL.retire_timeout(Duration::from_millis(1))?;
    let mut socket = receive_on(&pair.far, Rx::new(ring))?;
    let mut receiver = socket.receiver();
    let edge = epoll_of(receiver.fd(), EventFlags::ET)?;
    let injector = Injector::on(&pair.near)?;
    let mut next = 0;
    // Nothing follows a burst until it has arrived: a wake-up that is lost is not made up for.
    for burst in 1..200 {
        let end = next + burst % 50 + 1;
        injector.flood(&frame::numbered(0, 60), next..end);
        while next < end {
            while let Some(block) = receiver.next_block() {
                for number in numbers(&block) {
                    assert_eq!(number, next);
                    next += 1;
                }
            }
            if next < end {
                assert!(
                    !hear(&edge, PATIENCE)?.is_empty(),
                    "no wake-up after {next}"
                );
            }
        }
    }
    Ok(())
}

fn a_block_that_is_ready_is_ready_at_any_deadline() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(SMALL))?;
    let mut receiver = socket.receiver();
    let mut at_once = || receiver.wait(Deadline::PASSED, OnSignal::Return);
    assert_eq!(at_once(), Ok(Wake::TimedOut));
    Injector::on(&pair.near)?.send(&frame::numbered(1, 60))?;
    let start = Instant::now();
    while at_once() == Ok(Wake::TimedOut) {
        assert!(start.elapsed() < PATIENCE, "never ready");
        thread::sleep(Duration::from_millis(1));
    }
    let (woken, activity) = procfs::activity_of(|| wait(&mut receiver, PATIENCE))?;
    assert_eq!((woken, activity.sleeps), (Ok(Wake::Ready), 0));
    assert!(receiver.next_block().is_some());
    Ok(())
}

suite![
    a_wait_sleeps_while_the_newest_block_is_held,
    a_wait_with_the_default_timeout_sleeps_too,
    a_block_that_comes_while_the_newest_is_held_ends_the_wait,
    a_long_retire_timeout_makes_no_long_naps,
    a_link_that_goes_down_while_the_newest_block_is_held_is_told,
    reading_the_error_ends_the_spin_after_link_down,
    an_edge_triggered_epoll_hears_of_link_down_once,
    an_edge_triggered_epoll_hears_of_every_block,
    an_edge_triggered_epoll_hears_of_the_last_block,
    a_block_that_is_ready_is_ready_at_any_deadline,
];
