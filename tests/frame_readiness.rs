//! When a ring of frames is ready, how a wait sleeps or spins, and what it says of the link.

mod frame_path;

use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::packet::{Frames, Geometry, Receiver, Rx, RxV2, Socket};
use packet_ring::{Deadline, Error, OnSignal, Wake};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, procfs, suite};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::time::Timespec;

use frame_path::{
    Bench, EIGHT, PATIENCE, Receiving, flood, interface, next_number, number, receive_on, take,
};

/// What "at once" is held to.
const SOON: Duration = Duration::from_secs(2);

const NAMED: VethOptions<'_> = VethOptions {
    names: Some(["left", "right"]),
    mtu: 1500,
    queues: 1,
    far_namespace: None,
};

fn wait(receiver: &mut Receiver<'_, Frames>, time: Duration) -> Result<Wake, Error> {
    receiver.wait(Deadline::after(time), OnSignal::Continue)
}

/// An epoll instance that watches `fd` for packets and errors.
fn epoll_of(fd: BorrowedFd<'_>, trigger: EventFlags) -> Result<OwnedFd, Errno> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let events = EventFlags::IN | EventFlags::ERR | trigger;
    epoll::add(&epoll, fd, EventData::new_u64(0), events)?;
    Ok(epoll)
}

/// Whether one `epoll_wait` reports something within `time`, in whole milliseconds.
fn hears(epoll: &OwnedFd, time: Duration) -> Result<bool, Errno> {
    let timeout = Timespec::try_from(time).map_err(|_| Errno::INVAL)?;
    let mut events = Vec::with_capacity(1);
    epoll::wait(
        epoll,
        rustix::buffer::spare_capacity(&mut events),
        Some(&timeout),
    )?;
    Ok(!events.is_empty())
}

/// Whether `epoll` returns a thousand times although nothing happens.
fn spins(epoll: &OwnedFd) -> Result<bool, Errno> {
    for _ in 0..1000 {
        if !hears(epoll, Duration::from_millis(100))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn a_packet_is_ready_without_a_retire_timeout() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    // A block that is handed out when it is full, beside it: what a timeout holds back.
    let never = Geometry::new(4096, 4)?.retire_timeout(Duration::from_secs(60))?;
    let far = interface(&bench.pair.far)?;
    let mut blocks = Socket::configure(Rx::new(never))?.map()?.bind(far)?;
    bench.socket = receive_on(&bench.pair.far, RxV2::new(EIGHT))?;
    for lap in 0..20 {
        bench.flood(lap..lap + 1);
        let mut receiver = bench.socket.receiver();
        assert_eq!(next_number(&mut receiver)?, lap);
    }
    assert!(blocks.next_block().is_none());
    Ok(())
}

fn a_ready_frame_needs_no_system_call() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    bench.flood(0..8);
    let mut receiver = bench.socket.receiver();
    assert_eq!(wait(&mut receiver, PATIENCE)?, Wake::Ready);
    let (woken, activity) = procfs::activity_of(|| wait(&mut receiver, PATIENCE))?;
    assert_eq!((woken, activity.sleeps), (Ok(Wake::Ready), 0));
    assert_eq!(next_number(&mut receiver)?, 0);
    Ok(())
}

fn a_wait_sleeps_while_the_newest_frame_is_held() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut receiver = bench.socket.receiver();
    flood(&bench.injector, 0..1);
    let held = take(&mut receiver)?;
    let level = epoll_of(receiver.fd(), EventFlags::empty())?;
    assert!(spins(&level)?, "the case is not what it is taken for");
    let second = Duration::from_secs(1);
    let (woken, activity) = procfs::activity_of(|| wait(&mut receiver, second))?;
    assert_eq!(woken, Ok(Wake::TimedOut));
    // A nap takes a millisecond, and more on a busy machine. Who spins does not sleep at all.
    assert!((10..=1010).contains(&activity.sleeps), "{activity:?}");
    drop(held);
    assert!(!spins(&level)?);
    let (woken, activity) = procfs::activity_of(|| wait(&mut receiver, second))?;
    assert_eq!(woken, Ok(Wake::TimedOut));
    assert!(activity.sleeps < 10, "{activity:?}");
    Ok(())
}

fn a_frame_that_comes_while_the_newest_is_held_ends_the_wait() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut receiver = bench.socket.receiver();
    flood(&bench.injector, 0..1);
    let mut held = take(&mut receiver)?;
    for expected in 1..40 {
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(5));
                flood(&bench.injector, expected..expected + 1);
            });
            let newer = take(&mut receiver)?;
            assert_eq!(number(&newer), expected);
            held = newer;
            TestResult::Ok(())
        })?;
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
    drop(held);
    assert_eq!(receiver.statistics()?.drops, 0);
    Ok(())
}

fn an_edge_triggered_epoll_hears_of_every_frame() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut receiver = bench.socket.receiver();
    let edge = epoll_of(receiver.fd(), EventFlags::ET)?;
    let mut next = 0;
    // Nothing follows a burst until it has arrived: a wake-up that is lost is not made up for. The
    // newest frame stays held meanwhile.
    let mut held = None;
    for burst in 0..400 {
        let end = next + burst % 6 + 1;
        flood(&bench.injector, next..end);
        while next < end {
            while let Some(taken) = receiver.next_frame() {
                assert_eq!(number(&taken), next);
                held = Some(taken);
                next += 1;
            }
            assert!(
                next == end || hears(&edge, PATIENCE)?,
                "no wake-up after {next}"
            );
        }
    }
    drop(held);
    Ok(())
}

fn a_spinning_wait_sees_a_frame_without_sleeping() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut receiver = bench.socket.receiver();
    for expected in 0..20 {
        let sees =
            || receiver.spin_then_wait(PATIENCE, Deadline::after(PATIENCE), OnSignal::Continue);
        let (woken, activity) = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(2));
                flood(&bench.injector, expected..expected + 1);
            });
            procfs::activity_of(sees)
        })?;
        assert_eq!(woken, Ok(Wake::Ready));
        assert_eq!(activity.sleeps, 0, "{activity:?}");
        let taken = receiver.next_frame().ok_or("no frame")?;
        assert_eq!(number(&taken), expected);
    }
    Ok(())
}

fn a_spinning_wait_sleeps_once_it_has_spun() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut receiver = bench.socket.receiver();
    let spin = Duration::from_millis(20);
    let start = Instant::now();
    let (woken, activity) = procfs::activity_of(|| {
        let end = Deadline::after(Duration::from_millis(500));
        receiver.spin_then_wait(spin, end, OnSignal::Continue)
    })?;
    assert_eq!(woken, Ok(Wake::TimedOut));
    assert!(start.elapsed() >= Duration::from_millis(500));
    assert!((1..10).contains(&activity.sleeps), "{activity:?}");
    let spent = activity.processor;
    // It has looked as long as it was told, if it had the processor for itself, and no longer.
    assert!(spent < Duration::from_millis(100), "{activity:?}");
    Ok(())
}

fn a_spin_ends_at_the_deadline() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut receiver = bench.socket.receiver();
    let mut spin = |spin, deadline| receiver.spin_then_wait(spin, deadline, OnSignal::Continue);
    for time in [Duration::from_secs(60), Duration::MAX] {
        let start = Instant::now();
        assert_eq!(spin(time, Deadline::PASSED)?, Wake::TimedOut);
        let end = Deadline::after(Duration::from_millis(10));
        assert_eq!(spin(time, end)?, Wake::TimedOut);
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
    let end = Deadline::after(Duration::from_millis(10));
    assert_eq!(spin(Duration::ZERO, end)?, Wake::TimedOut);
    assert!(end.has_passed());
    Ok(())
}

fn a_link_that_goes_down_while_a_wait_spins_is_told() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    bench.pair.far.set_down()?;
    let mut receiver = bench.socket.receiver();
    let spin = Duration::from_millis(1);
    let start = Instant::now();
    let told = receiver.spin_then_wait(spin, Deadline::after(PATIENCE), OnSignal::Continue);
    assert_eq!(told, Err(Error::LinkDown));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    Ok(())
}

fn a_ring_of_blocks_can_be_spun_on_too() -> TestResult {
    let bench = Bench::new(EIGHT)?;
    let prompt = Geometry::new(4096, 4)?.retire_timeout(Duration::from_millis(5))?;
    let far = interface(&bench.pair.far)?;
    let mut blocks = Socket::configure(Rx::new(prompt))?.map()?.bind(far)?;
    bench.flood(0..1);
    let (woken, activity) = procfs::activity_of(|| {
        blocks.spin_then_wait(PATIENCE, Deadline::after(PATIENCE), OnSignal::Continue)
    })?;
    assert_eq!((woken, activity.sleeps), (Ok(Wake::Ready), 0));
    assert!(blocks.next_block().is_some());
    Ok(())
}

/// Sends the number from the near end and takes it from the ring.
fn passes(pair: &VethPair, socket: &mut Receiving, number: u64) -> TestResult {
    Injector::on(&pair.near)?.send(&frame::numbered(number, 60))?;
    assert_eq!(next_number(&mut socket.receiver())?, number);
    Ok(())
}

fn a_link_that_comes_back_goes_on_with_the_same_ring() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, RxV2::new(EIGHT))?;
    for number in 0..5 {
        passes(&pair, &mut socket, number)?;
        pair.far.set_down()?;
        let start = Instant::now();
        assert_eq!(wait(&mut socket.receiver(), PATIENCE), Err(Error::LinkDown));
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        assert_eq!(socket.take_error(), Err(Error::LinkDown));
        pair.set_up()?;
        assert_eq!(socket.take_error(), Ok(()));
    }
    passes(&pair, &mut socket, 5)
}

fn a_recreated_link_is_followed_by_rebind_alone() -> TestResult {
    let pair = VethPair::create(&NAMED)?;
    let mut socket = receive_on(&pair.far, RxV2::new(EIGHT))?;
    passes(&pair, &mut socket, 1)?;
    pair.delete()?;
    let again = VethPair::create(&NAMED)?;
    assert_eq!(wait(&mut socket.receiver(), PATIENCE), Err(Error::LinkGone));
    Injector::on(&again.near)?.send(&frame::numbered(2, 60))?;
    let soon = Duration::from_millis(200);
    assert_eq!(wait(&mut socket.receiver(), soon), Err(Error::LinkGone));
    assert!(socket.next_frame().is_none());
    socket.rebind(interface(&again.far)?)?;
    assert_eq!(socket.interface(), interface(&again.far)?);
    assert_eq!(socket.take_error(), Ok(()));
    for number in 3..20 {
        passes(&again, &mut socket, number)?;
    }
    Ok(())
}

fn a_link_that_is_down_wakes_rarely() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, RxV2::new(EIGHT))?;
    pair.far.set_down()?;
    let end = Deadline::after(Duration::from_secs(1));
    let mut returns = 0;
    let ((), activity) = procfs::activity_of(|| {
        while !end.has_passed() {
            let _ = socket.wait(end, OnSignal::Continue);
            returns += 1;
        }
    })?;
    assert!(returns < 10, "wait returned {returns} times in a second");
    assert!(activity.sleeps < 10, "{activity:?}");
    Ok(())
}

suite![
    a_packet_is_ready_without_a_retire_timeout,
    a_ready_frame_needs_no_system_call,
    a_wait_sleeps_while_the_newest_frame_is_held,
    a_frame_that_comes_while_the_newest_is_held_ends_the_wait,
    an_edge_triggered_epoll_hears_of_every_frame,
    a_spinning_wait_sees_a_frame_without_sleeping,
    a_spinning_wait_sleeps_once_it_has_spun,
    a_spin_ends_at_the_deadline,
    a_link_that_goes_down_while_a_wait_spins_is_told,
    a_ring_of_blocks_can_be_spun_on_too,
    a_link_that_comes_back_goes_on_with_the_same_ring,
    a_recreated_link_is_followed_by_rebind_alone,
    a_link_that_is_down_wakes_rarely,
];
