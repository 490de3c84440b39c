//! When a ring is ready and how a wait sleeps: above all where level-triggered polling spins.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::handoff::Slots;
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Block, Geometry, Interface, Receiver, Rx, Socket};
use packet_ring::{Deadline, Error, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, Link, VethOptions, VethPair, frame, procfs, suite};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::time::Timespec;

/// Four blocks of 4 KiB, retired after 10 ms.
const SMALL: Geometry = Geometry::new_assert(4096, 4);

/// Long enough for anything that happens at once, on a busy machine too.
const LONG: Duration = Duration::from_secs(10);

/// What "at once" is held to.
const SOON: Duration = Duration::from_secs(2);

fn bound_to(link: &Link, ring: Geometry) -> Result<Socket<Bound<Rx>>, Stopped> {
    let interface = Interface::by_index(link.index()?).ok_or("no interface has index 0")?;
    Ok(Socket::configure(Rx::new(ring))?.map()?.bind(interface)?)
}

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
    assert_eq!(wait(receiver, LONG)?, Wake::Ready);
    let block = receiver.next_block().ok_or("ready, and no block")?;
    assert_eq!(numbers(&block), [number]);
    Ok(block)
}

fn numbers(block: &Block<&Slots>) -> Vec<u64> {
    let packets = block.packets();
    packets
        .filter_map(|packet| frame::number(packet.data()))
        .collect()
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
    let mut socket = bound_to(&pair.far, ring)?;
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
    let mut socket = bound_to(&pair.far, SMALL)?;
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
    let mut socket = bound_to(&pair.far, SMALL)?;
    let mut receiver = socket.receiver();
    let held = block_with(&pair, &mut receiver, 1)?;
    let start = Instant::now();
    let (woken, sent) = thread::scope(|scope| {
        let sent = scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            Injector::on(&pair.near)?.send(&frame::numbered(2, 60))
        });
        (wait(&mut receiver, LONG), sent.join())
    });
    sent.map_err(|_| "the other thread panicked")??;
    assert_eq!(woken, Ok(Wake::Ready));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let next = receiver.next_block().ok_or("ready, and no block")?;
    assert_eq!((numbers(&held), numbers(&next)), (vec![1], vec![2]));
    Ok(())
}

fn a_link_that_goes_down_while_the_newest_block_is_held_is_told() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far, SMALL)?;
    let mut receiver = socket.receiver();
    let _held = block_with(&pair, &mut receiver, 1)?;
    let start = Instant::now();
    let (heard, down) = thread::scope(|scope| {
        let down = scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            pair.far.set_down()
        });
        (wait(&mut receiver, LONG), down.join())
    });
    down.map_err(|_| "the other thread panicked")??;
    assert_eq!(heard, Err(Error::LinkDown));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    Ok(())
}

fn reading_the_error_ends_the_spin_after_link_down() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far, SMALL)?;
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
    let mut socket = bound_to(&pair.far, SMALL)?;
    let mut receiver = socket.receiver();
    let edge = epoll_of(receiver.fd(), EventFlags::ET)?;
    pair.far.set_down()?;
    assert!(hear(&edge, LONG)?.contains(EventFlags::ERR));
    assert!(receiver.next_block().is_none());
    assert_eq!(receiver.take_error(), Err(Error::LinkDown));
    assert!(hear(&edge, Duration::from_millis(100))?.is_empty());
    Ok(())
}

fn an_edge_triggered_epoll_hears_of_every_block() -> TestResult {
    const BURSTS: u64 = 200;
    const BURST: u64 = 30;
    let pair = VethPair::create(&VethOptions::default())?;
    // Room for all of it, so that a slow reader loses nothing.
    let mut socket = bound_to(&pair.far, Geometry::new(1 << 16, 256)?)?;
    let mut receiver = socket.receiver();
    let edge = epoll_of(receiver.fd(), EventFlags::ET)?;
    let injector = Injector::on(&pair.near)?;
    thread::scope(|scope| -> TestResult {
        scope.spawn(|| {
            for burst in 0..BURSTS {
                let first = burst * BURST;
                injector.flood(&frame::numbered(0, 60), first..first + BURST);
                // Uneven, so that blocks end at every point of the reader's turn.
                thread::sleep(Duration::from_micros(burst * 37 % 3000));
            }
        });
        // The newest block stays held until its successor is taken: the hardest case for a reader.
        let mut held = None;
        let mut next = 0;
        while next < BURSTS * BURST {
            while let Some(block) = receiver.next_block() {
                for number in numbers(&block) {
                    assert_eq!(number, next);
                    next += 1;
                }
                held = Some(block);
            }
            if next < BURSTS * BURST {
                assert!(!hear(&edge, LONG)?.is_empty(), "no wake-up after {next}");
            }
        }
        drop(held);
        Ok(())
    })
}

fn a_block_that_is_ready_is_ready_at_any_deadline() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far, SMALL)?;
    let mut receiver = socket.receiver();
    let mut at_once = || receiver.wait(Deadline::PASSED, OnSignal::Return);
    assert_eq!(at_once(), Ok(Wake::TimedOut));
    Injector::on(&pair.near)?.send(&frame::numbered(1, 60))?;
    let start = Instant::now();
    while at_once() == Ok(Wake::TimedOut) {
        assert!(start.elapsed() < LONG, "never ready");
        thread::sleep(Duration::from_millis(1));
    }
    let (woken, activity) = procfs::activity_of(|| wait(&mut receiver, LONG))?;
    assert_eq!((woken, activity.sleeps), (Ok(Wake::Ready), 0));
    assert!(receiver.next_block().is_some());
    Ok(())
}

/// Holds the first block while the cursor comes round to it, and demands that it is not handed out
/// again. Returns how many packets came in the other blocks.
fn goes_round<'r>(
    pair: &VethPair,
    receiver: &mut Receiver<'r>,
    held: &Block<&'r Slots>,
) -> Result<usize, Stopped> {
    Injector::on(&pair.near)?.flood(&frame::numbered(0, 60), 1000..1500);
    let mut received = 0;
    for sequence in 2..=4 {
        assert_eq!(wait(receiver, LONG)?, Wake::Ready);
        let block = receiver.next_block().ok_or("ready, and no block")?;
        assert_eq!(block.sequence(), sequence);
        received += numbers(&block).len();
    }
    // The newest block is released, the oldest is not: poll has nothing to say, and nor have we.
    assert!(!spins(&epoll_of(receiver.fd(), EventFlags::empty())?)?);
    assert_eq!(
        wait(receiver, Duration::from_millis(100)),
        Ok(Wake::TimedOut)
    );
    assert!(receiver.next_block().is_none());
    let packet = held.packets().next().ok_or("no packet")?;
    assert_eq!((held.sequence(), numbers(held)), (1, vec![1]));
    assert!(frame::is_intact(packet.data()));
    Ok(received)
}

fn a_held_block_outlives_freeze_and_thaw() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far, SMALL)?;
    let mut receiver = socket.receiver();
    let held = block_with(&pair, &mut receiver, 1)?;
    let received = goes_round(&pair, &mut receiver, &held)?;
    let counts = receiver.statistics()?;
    assert_eq!((counts.freezes, counts.held), (1, 1));
    assert_eq!(pair.far.counters()?.rx_packets, 501);
    assert_eq!(counts.drops, 500 - received as u64);
    drop(held);
    let next = block_with(&pair, &mut receiver, 2)?;
    assert_eq!(next.sequence(), 5);
    Ok(())
}

fn a_held_block_outlives_link_down_and_up() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far, SMALL)?;
    let mut receiver = socket.receiver();
    let held = block_with(&pair, &mut receiver, 1)?;
    pair.far.set_down()?;
    assert_eq!(wait(&mut receiver, LONG), Err(Error::LinkDown));
    pair.set_up()?;
    assert_eq!(receiver.take_error(), Ok(()));
    goes_round(&pair, &mut receiver, &held)?;
    drop(held);
    assert_eq!(block_with(&pair, &mut receiver, 2)?.sequence(), 5);
    Ok(())
}

fn a_held_block_outlives_rebind() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let other = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far, SMALL)?;
    let mut receiver = socket.receiver();
    let held = block_with(&pair, &mut receiver, 1)?;
    pair.delete()?;
    assert_eq!(wait(&mut receiver, LONG), Err(Error::LinkGone));
    let far = Interface::by_index(other.far.index()?).ok_or("no index")?;
    receiver.rebind(far)?;
    assert_eq!(receiver.take_error(), Ok(()));
    goes_round(&other, &mut receiver, &held)?;
    drop(held);
    assert_eq!(block_with(&other, &mut receiver, 2)?.sequence(), 5);
    Ok(())
}

suite![
    a_wait_sleeps_while_the_newest_block_is_held,
    a_wait_with_the_default_timeout_sleeps_too,
    a_block_that_comes_while_the_newest_is_held_ends_the_wait,
    a_link_that_goes_down_while_the_newest_block_is_held_is_told,
    reading_the_error_ends_the_spin_after_link_down,
    an_edge_triggered_epoll_hears_of_link_down_once,
    an_edge_triggered_epoll_hears_of_every_block,
    a_block_that_is_ready_is_ready_at_any_deadline,
    a_held_block_outlives_freeze_and_thaw,
    a_held_block_outlives_link_down_and_up,
    a_held_block_outlives_rebind,
];
