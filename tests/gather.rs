//! A socket that is left alone for a while after each wake-up: that no packet is overslept, and how often
//! a flood wakes.

mod data_path;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::packet::{FrameGeometry, Gather, RxV2, Socket};
use packet_ring::{Deadline, Error, OnSignal, Operation, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::time::Timespec;

use data_path::{PATIENCE, interface};

/// Longer than any test: a rest that only `listen` ends.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// What stands for a socket here: readable while its count is not zero.
fn source() -> Result<OwnedFd, Errno> {
    eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)
}

fn send(source: impl AsFd) -> Result<(), Errno> {
    rustix::io::write(source, &1_u64.to_ne_bytes()).map(drop)
}

/// How many were sent since the last time.
fn drain(source: impl AsFd) -> Result<u64, Errno> {
    let mut count = [0; 8];
    match rustix::io::read(source, &mut count) {
        Ok(_) => Ok(u64::from_ne_bytes(count)),
        Err(Errno::AGAIN) => Ok(0),
        Err(errno) => Err(errno),
    }
}

/// An executor's epoll instance.
fn executor(gather: impl AsFd, trigger: EventFlags) -> Result<OwnedFd, Errno> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        gather,
        EventData::new_u64(0),
        EventFlags::IN | trigger,
    )?;
    Ok(epoll)
}

/// Whether it is woken within this time.
fn woken(executor: &OwnedFd, time: Duration) -> Result<bool, Stopped> {
    let time = Timespec::try_from(time)?;
    let mut events = Vec::with_capacity(1);
    epoll::wait(
        executor,
        rustix::buffer::spare_capacity(&mut events),
        Some(&time),
    )?;
    Ok(!events.is_empty())
}

fn wait(gather: &mut Gather<impl AsFd>, time: Duration) -> Result<Wake, Error> {
    gather.wait(Deadline::after(time), OnSignal::Continue)
}

fn what_comes_is_heard_at_once_and_one_edge_long() -> TestResult {
    let source = source()?;
    let mut gather = Gather::new(&source)?;
    let edges = executor(&gather, EventFlags::ET)?;
    assert!(!woken(&edges, Duration::ZERO)?);
    send(&source)?;
    assert!(woken(&edges, PATIENCE)?);
    assert!(!woken(&edges, Duration::ZERO)?);
    assert_eq!(wait(&mut gather, PATIENCE)?, Wake::Ready);
    assert_eq!(drain(&source)?, 1);
    assert_eq!(wait(&mut gather, Duration::ZERO)?, Wake::TimedOut);
    Ok(())
}

fn nothing_wakes_during_a_rest() -> TestResult {
    let source = source()?;
    let mut gather = Gather::new(&source)?;
    let edges = executor(&gather, EventFlags::ET)?;
    let levels = executor(&gather, EventFlags::empty())?;
    gather.rest(FOR_EVER)?;
    for _ in 0..10 {
        send(&source)?;
        assert!(!woken(&edges, Duration::from_millis(1))?);
        assert!(!woken(&levels, Duration::ZERO)?);
    }
    let brief = Duration::from_millis(20);
    assert_eq!(wait(&mut gather, brief)?, Wake::TimedOut);
    assert_eq!(drain(gather.socket())?, 10);
    Ok(())
}

fn the_end_of_a_rest_wakes_whether_or_not_something_came() -> TestResult {
    let source = source()?;
    let mut gather = Gather::new(&source)?;
    let edges = executor(&gather, EventFlags::ET)?;
    for round in 0..100 {
        let time = Duration::from_micros(50);
        let start = Instant::now();
        gather.rest(time)?;
        if round % 2 == 0 {
            send(&source)?;
        }
        assert!(woken(&edges, PATIENCE)?, "round {round}");
        assert!(start.elapsed() >= time);
        assert!(!woken(&edges, Duration::ZERO)?, "round {round}");
        assert_eq!(drain(&source)?, u64::from(round % 2 == 0));
    }
    // No time at all is a short one, and not none for ever.
    gather.rest(Duration::ZERO)?;
    assert!(woken(&edges, PATIENCE)?);
    Ok(())
}

/// A moment between a wake-up and the next at which something can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    BeforeDraining,
    BetweenDrainingAndResting,
    WhileResting,
    OnceRested,
    BetweenDrainingAndListening,
    WhileListening,
}

const MOMENTS: [Moment; 6] = [
    Moment::BeforeDraining,
    Moment::BetweenDrainingAndResting,
    Moment::WhileResting,
    Moment::OnceRested,
    Moment::BetweenDrainingAndListening,
    Moment::WhileListening,
];

/// Goes once through drain, rest, drain, listen, with something coming at these moments and the executor
/// looked at after these; then demands that nothing lies unheard.
fn goes_round(
    trigger: EventFlags,
    comes: impl Fn(Moment) -> bool,
    looks: impl Fn(Moment) -> bool,
) -> TestResult {
    let source = source()?;
    let mut gather = Gather::new(&source)?;
    let executor = executor(&gather, trigger)?;
    let (mut sent, mut taken) = (1, 0);
    send(&source)?;
    assert!(woken(&executor, PATIENCE)?);
    let mut passes = |moment| -> Result<(), Stopped> {
        if comes(moment) {
            send(&source)?;
            sent += 1;
        }
        if looks(moment) {
            woken(&executor, Duration::ZERO)?;
        }
        Ok(())
    };
    passes(Moment::BeforeDraining)?;
    taken += drain(&source)?;
    passes(Moment::BetweenDrainingAndResting)?;
    gather.rest(Duration::from_micros(20))?;
    passes(Moment::WhileResting)?;
    assert_eq!(wait(&mut gather, PATIENCE)?, Wake::Ready);
    passes(Moment::OnceRested)?;
    taken += drain(&source)?;
    passes(Moment::BetweenDrainingAndListening)?;
    gather.listen()?;
    // From here on nobody looks at the source but for a wake-up.
    if comes(Moment::BetweenDrainingAndListening) {
        assert!(woken(&executor, PATIENCE)?, "overslept");
        taken += drain(&source)?;
    }
    passes(Moment::WhileListening)?;
    if comes(Moment::WhileListening) && !looks(Moment::WhileListening) {
        assert!(woken(&executor, PATIENCE)?, "overslept");
    }
    taken += drain(&source)?;
    assert_eq!(taken, sent);
    Ok(())
}

fn what_comes_at_any_moment_is_heard() -> TestResult {
    let bit = |set: u32| move |moment: Moment| set & 1 << moment as u32 != 0;
    for trigger in [EventFlags::ET, EventFlags::empty()] {
        for comes in 0..1_u32 << MOMENTS.len() {
            for looks in 0..1_u32 << MOMENTS.len() {
                goes_round(trigger, bit(comes), bit(looks)).map_err(|why| {
                    format!("{trigger:?}, coming {comes:b}, looked at {looks:b}: {why:?}")
                })?;
            }
        }
    }
    Ok(())
}

fn a_rest_that_is_broken_off_forgets_nothing() -> TestResult {
    let source = source()?;
    let mut gather = Gather::new(&source)?;
    let edges = executor(&gather, EventFlags::ET)?;
    for looks in [false, true] {
        // Readable when it is left, and drained: it stands in the kernel's list of what was ready.
        send(&source)?;
        assert!(woken(&edges, PATIENCE)?);
        assert_eq!(drain(&source)?, 1);
        gather.rest(FOR_EVER)?;
        if looks {
            assert!(!woken(&edges, Duration::ZERO)?);
        }
        send(&source)?;
        gather.listen()?;
        assert!(woken(&edges, PATIENCE)?, "looked at: {looks}");
        assert_eq!(drain(&source)?, 1);
        gather.listen()?;
        assert!(!woken(&edges, Duration::ZERO)?);
    }
    Ok(())
}

fn a_rest_that_was_over_does_not_wake_a_listener() -> TestResult {
    let source = source()?;
    let mut gather = Gather::new(&source)?;
    gather.rest(Duration::ZERO)?;
    assert_eq!(wait(&mut gather, PATIENCE)?, Wake::Ready);
    gather.listen()?;
    let levels = executor(&gather, EventFlags::empty())?;
    assert!(!woken(&levels, Duration::from_millis(10))?);
    Ok(())
}

/// Sends, each time that the last was taken, after ever another pause: what is overslept is never followed
/// by another that would wake for both.
fn one_by_one(edges: bool) -> TestResult {
    const COUNT: u64 = 5000;
    let source = source()?;
    let (taken, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut gather = Gather::new(source.as_fd())?;
    let executor = executor(&gather, EventFlags::ET)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=COUNT {
                // Over all that a round of the receiver takes.
                for _ in 0..number * 7 % 5000 {
                    core::hint::spin_loop();
                }
                send(&source).expect("an eventfd takes a number");
                while taken.load(Ordering::Acquire) < number {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    thread::yield_now();
                }
            }
        });
        let receive = || -> TestResult {
            while taken.load(Ordering::Relaxed) < COUNT {
                let heard = if edges {
                    woken(&executor, PATIENCE)?
                } else {
                    wait(&mut gather, PATIENCE)? == Wake::Ready
                };
                if !heard {
                    return Err(format!("overslept {}", taken.load(Ordering::Relaxed) + 1).into());
                }
                let found = drain(&source)?;
                // Now the next may come.
                taken.fetch_add(found, Ordering::Release);
                if found > 0 {
                    gather.rest(Duration::from_micros(5))?;
                } else {
                    gather.listen()?;
                }
            }
            Ok(())
        };
        let received = { receive }();
        over.store(true, Ordering::Relaxed);
        received
    })
}

fn nothing_is_overslept_between_edges() -> TestResult {
    one_by_one(true)
}

fn nothing_is_overslept_by_a_wait() -> TestResult {
    one_by_one(false)
}

fn a_flood_wakes_once_a_rest() -> TestResult {
    const RING: FrameGeometry = FrameGeometry::new_assert(2048, 4096, 512);
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = Socket::configure(RxV2::new(RING))?
        .map()?
        .bind(interface(&pair.far)?)?;
    let mut receiver = socket.receiver();
    let mut gather = Gather::new(receiver.fd())?;
    let edges = executor(&gather, EventFlags::ET)?;
    let injector = Injector::on(&pair.near)?;
    let (mut taken, mut wakes) = (0, 0);
    // Ten times a hundred packets, all of which come during a rest or before one.
    for round in 0..10 {
        injector.flood(&frame::numbered(0, 60), round * 100..round * 100 + 100);
        while woken(&edges, Duration::from_millis(100))? {
            wakes += 1;
            let before = taken;
            while receiver.next_frame().is_some() {
                taken += 1;
            }
            if taken > before {
                gather.rest(Duration::from_millis(10))?;
            } else {
                gather.listen()?;
            }
        }
    }
    assert_eq!(taken, 1000);
    // One for the packets, one for the end of the rest, and one for those that came before it.
    assert!(wakes <= 30, "{wakes} wake-ups");
    Ok(())
}

fn what_cannot_be_polled_is_refused() -> TestResult {
    let file = std::fs::File::open("/proc/self/status")?;
    let refused = Error::System {
        operation: Operation::ListenToSocket,
        errno: Errno::PERM,
    };
    assert_eq!(Gather::new(&file).err(), Some(refused));
    assert!(
        refused.to_string().contains("cannot be polled"),
        "{refused}"
    );
    Ok(())
}

fn the_socket_comes_back() -> TestResult {
    let source = source()?;
    let mut gather = Gather::new(source)?;
    send(gather.socket_mut())?;
    let source = gather.into_socket();
    assert_eq!(drain(&source)?, 1);
    // What it listened to before is listened to by nobody: another may.
    let borrowed: BorrowedFd<'_> = source.as_fd();
    Gather::new(borrowed)?.rest(FOR_EVER)?;
    Ok(())
}

fn a_margin_is_taken_off() -> TestResult {
    let source = source()?;
    let mut gather = Gather::new(&source)?;
    let margin = Gather::measure_margin(Duration::from_micros(50))?;
    assert!(margin > Duration::ZERO, "a clock that stands still");
    gather.set_margin(FOR_EVER);
    assert_eq!(gather.margin(), FOR_EVER);
    // All of it and more is taken off: the shortest rest is left.
    gather.rest(FOR_EVER / 2)?;
    assert_eq!(wait(&mut gather, PATIENCE)?, Wake::Ready);
    Ok(())
}

suite![
    what_comes_is_heard_at_once_and_one_edge_long,
    nothing_wakes_during_a_rest,
    the_end_of_a_rest_wakes_whether_or_not_something_came,
    what_comes_at_any_moment_is_heard,
    a_rest_that_is_broken_off_forgets_nothing,
    a_rest_that_was_over_does_not_wake_a_listener,
    nothing_is_overslept_between_edges,
    nothing_is_overslept_by_a_wait,
    a_flood_wakes_once_a_rest,
    what_cannot_be_polled_is_refused,
    the_socket_comes_back,
    a_margin_is_taken_off,
];
