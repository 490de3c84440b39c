//! How a transmitter waits while no frame comes back: until its deadline, and asleep.

mod sending;

use core::time::Duration;

use packet_ring::packet::{Transmitter, Tx};
use packet_ring::{Deadline, Error, OnSignal, Unsent, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{procfs, suite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use sending::{EIGHT, LONGEST, STUCK, Transmitting, Wire, drain, number};

const WAIT: Duration = Duration::from_millis(300);

/// A ring of which every frame is with an interface that keeps it.
fn stuck() -> Result<(Wire, Transmitting), Stopped> {
    let wire = Wire::new()?;
    let mut socket = wire.transmit(Tx::new(EIGHT))?;
    let mut transmitter = socket.transmitter();
    wire.pair.near.set_token_bucket(&STUCK)?;
    number(&mut transmitter, 100, LONGEST)?;
    drain(&mut transmitter)?;
    for sent in 0..8 {
        number(&mut transmitter, sent, LONGEST)?;
    }
    assert_eq!(transmitter.kick()?, 8);
    Ok((wire, socket))
}

/// Asserts that `wait` passes its deadline, asleep for nearly all of the time.
fn assert_sleeps(
    expected: Result<Wake, Error>,
    wait: impl FnOnce(Deadline) -> Result<Wake, Error>,
) -> TestResult {
    let start = std::time::Instant::now();
    let (woken, activity) = procfs::activity_of(|| wait(Deadline::after(WAIT)))?;
    assert_eq!(woken, expected);
    assert!(start.elapsed() >= WAIT);
    // Naps of 50 us to 5 ms.
    assert!(activity.sleeps < 80, "{activity:?}");
    assert!(
        activity.processor < Duration::from_millis(50),
        "{activity:?}"
    );
    Ok(())
}

fn waits_sleep(transmitter: &mut Transmitter<'_>, expected: Result<Wake, Error>) -> TestResult {
    assert_sleeps(expected, |end| transmitter.wait(end, OnSignal::Continue))?;
    assert_sleeps(expected, |end| transmitter.drain(end, OnSignal::Continue))
}

fn a_full_ring_is_waited_for_asleep() -> TestResult {
    let (wire, mut socket) = stuck()?;
    // The case is what it is taken for: a poll for room would spin.
    let mut room = [PollFd::new(&socket, PollFlags::OUT)];
    let at_once = Timespec::default();
    assert_eq!(poll(&mut room, Some(&at_once))?, 1);
    let mut transmitter = socket.transmitter();
    waits_sleep(&mut transmitter, Ok(Wake::TimedOut))?;
    assert_eq!((transmitter.queued(), transmitter.in_flight()), (0, 8));
    wire.pair.near.remove_token_bucket()?;
    drain(&mut transmitter)
}

fn a_full_queue_is_waited_for_asleep() -> TestResult {
    let wire = Wire::new()?;
    let near = &wire.pair.near;
    let mut socket = wire.transmit_into_a_full_queue()?;
    let mut transmitter = socket.transmitter();
    let why = Unsent::NoBuffers;
    let full = Err(Error::Unsent { frame: 2, why });
    assert_sleeps(full, |end| transmitter.drain(end, OnSignal::Continue))?;
    // There is a free frame: the first is back.
    let woken = transmitter.wait(Deadline::PASSED, OnSignal::Continue)?;
    assert_eq!(
        (woken, transmitter.reserve().is_some()),
        (Wake::Ready, true)
    );
    near.remove_token_bucket()?;
    drain(&mut transmitter)
}

fn a_deadline_that_has_passed_looks_once() -> TestResult {
    let (wire, mut socket) = stuck()?;
    let mut transmitter = socket.transmitter();
    for _ in 0..3 {
        let looked = transmitter.wait(Deadline::PASSED, OnSignal::Continue);
        assert_eq!(looked, Ok(Wake::TimedOut));
        let looked = transmitter.drain(Deadline::PASSED, OnSignal::Continue);
        assert_eq!(looked, Ok(Wake::TimedOut));
    }
    wire.pair.near.remove_token_bucket()?;
    drain(&mut transmitter)
}

fn a_frame_that_comes_back_ends_the_wait() -> TestResult {
    let (wire, mut socket) = stuck()?;
    let near = &wire.pair.near;
    let mut transmitter = socket.transmitter();
    let woken = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            near.remove_token_bucket()
        });
        transmitter.wait(Deadline::after(sending::PATIENCE), OnSignal::Continue)
    });
    assert_eq!(woken, Ok(Wake::Ready));
    assert!(transmitter.reserve().is_some());
    drain(&mut transmitter)
}

fn a_free_frame_is_no_wait_at_all() -> TestResult {
    let wire = Wire::new()?;
    let mut socket = wire.transmit(Tx::new(EIGHT))?;
    let mut transmitter = socket.transmitter();
    let never = Deadline::NEVER;
    let (woken, activity) = procfs::activity_of(|| transmitter.wait(never, OnSignal::Return))?;
    assert_eq!((woken, activity.sleeps), (Ok(Wake::Ready), 0));
    Ok(())
}

suite![
    a_full_ring_is_waited_for_asleep,
    a_full_queue_is_waited_for_asleep,
    a_deadline_that_has_passed_looks_once,
    a_frame_that_comes_back_ends_the_wait,
    a_free_frame_is_no_wait_at_all,
];
