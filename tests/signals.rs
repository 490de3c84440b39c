//! A wait under a storm of signals: whose handlers run, and what becomes of the deadline.

mod data_path;
mod sending;

use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use packet_ring::packet::{Ended, Rx, Tx};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};
use rustix::process::{Pid, Signal, getpid};
use rustix::thread::gettid;
use signal_hook::consts::SIGUSR1;

use data_path::{PROMPT, receive_on};
use sending::{EIGHT, LONGEST, STUCK, Transmitting, Wire};

const INTERVAL: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_millis(100);
/// The deadline and the tolerance.
const LATEST: Duration = Duration::from_millis(120);

/// Sends `SIGUSR1` to one thread of this process.
fn interrupt(thread: Pid) -> Result<(), syscalls::Errno> {
    let (process, thread) = (getpid().as_raw_nonzero(), thread.as_raw_nonzero());
    // SAFETY: the signal has a handler (`in_a_storm`), and the system call takes no pointer.
    unsafe {
        syscalls::syscall!(
            syscalls::Sysno::tgkill,
            process.get(),
            thread.get(),
            Signal::USR1.as_raw()
        )
    }
    .map(drop)
}

/// Runs `work` while a signal handler runs on this thread every 20 ms, and tells how often it ran.
fn in_a_storm<T>(work: impl FnOnce() -> T) -> Result<(T, usize), Stopped> {
    let caught = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&caught);
    // SAFETY: the handler adds to an atomic, which a signal handler may.
    let handler = unsafe {
        signal_hook::low_level::register(SIGUSR1, move || {
            count.fetch_add(1, Ordering::Relaxed);
        })
    }?;
    let (target, over) = (gettid(), AtomicBool::new(false));
    let done = thread::scope(|scope| {
        let storm = scope.spawn(|| {
            // Three seconds at most: a wait that signals prolong is to fail, not to hang.
            for _ in 0..150 {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(INTERVAL);
                interrupt(target)?;
            }
            Ok::<(), syscalls::Errno>(())
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        storm.join().map(|sent| sent.map(|()| done))
    });
    signal_hook::low_level::unregister(handler);
    let done = done.map_err(|_| "the storm panicked")??;
    Ok((done, caught.load(Ordering::Relaxed)))
}

/// Runs a wait of 100 ms under signals, at the most five times: a busy machine makes a wait late, a
/// deadline that signals move is late every time.
fn keeps_its_deadline<T>(mut wait: impl FnMut(Deadline) -> T, expected: T) -> TestResult
where
    T: PartialEq + core::fmt::Debug,
{
    let mut took = Vec::new();
    for _ in 0..5 {
        let ((ended, time), caught) = in_a_storm(|| {
            let start = Instant::now();
            (wait(Deadline::after(DEADLINE)), start.elapsed())
        })?;
        assert_eq!(ended, expected);
        assert!(time >= DEADLINE, "{time:?} is too early");
        took.push(time);
        // The storm passes four or five times; where it came late, nothing was tried.
        if caught >= 3 && time <= LATEST {
            return Ok(());
        }
    }
    Err(format!("never within {LATEST:?}: {took:?}").into())
}

fn signals_do_not_move_the_deadline() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(PROMPT))?;
    keeps_its_deadline(
        |end| socket.wait(end, OnSignal::Continue),
        Ok(Wake::TimedOut),
    )
}

fn signals_do_not_move_the_deadline_of_for_each() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(PROMPT))?;
    keeps_its_deadline(
        |end| socket.for_each(end, OnSignal::Continue, |_| ControlFlow::Continue(())),
        Ok(Ended::TimedOut),
    )
}

fn a_signal_ends_the_wait_where_that_is_asked_for() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(PROMPT))?;
    let never = || Deadline::after(Duration::from_secs(10));
    let start = Instant::now();
    let (woken, _) = in_a_storm(|| socket.wait(never(), OnSignal::Return))?;
    assert_eq!(woken, Ok(Wake::Interrupted));
    let (ended, _) =
        in_a_storm(|| socket.for_each(never(), OnSignal::Return, |_| ControlFlow::Continue(())))?;
    assert_eq!(ended, Ok(Ended::Interrupted));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    Ok(())
}

fn an_interrupted_wait_loses_nothing() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(PROMPT))?;
    let injector = Injector::on(&pair.near)?;
    let (numbers, _) = in_a_storm(|| -> TestResult {
        for number in 0..50 {
            injector.send(&frame::numbered(number, 60))?;
            let end = Deadline::after(Duration::from_secs(10));
            while socket.wait(end, OnSignal::Return)? == Wake::Interrupted {}
            let block = socket.next_block().ok_or("ready, and no block")?;
            let packet = block.packets().next().ok_or("no packet")?;
            assert_eq!(frame::number(packet.data()), Some(number));
        }
        Ok(())
    })?;
    numbers
}

/// A ring of which a frame never comes back, and none is free.
fn stuck() -> Result<(Wire, Transmitting), Stopped> {
    let wire = Wire::new()?;
    wire.pair.near.set_token_bucket(&STUCK)?;
    let mut socket = wire.transmit(Tx::new(EIGHT))?;
    let mut transmitter = socket.transmitter();
    // The first leaves, the others stay.
    for number in 0..9 {
        sending::number(&mut transmitter, number, LONGEST)?;
        transmitter.kick()?;
    }
    Ok((wire, socket))
}

/// A peer waits for room by poll and starts its timeout anew at each signal.
fn signals_do_not_move_the_deadline_of_a_transmitter() -> TestResult {
    let (_wire, mut socket) = stuck()?;
    let mut transmitter = socket.transmitter();
    keeps_its_deadline(
        |end| transmitter.wait(end, OnSignal::Continue),
        Ok(Wake::TimedOut),
    )?;
    keeps_its_deadline(
        |end| transmitter.drain(end, OnSignal::Continue),
        Ok(Wake::TimedOut),
    )
}

fn a_signal_ends_a_transmitters_wait_where_that_is_asked_for() -> TestResult {
    let (_wire, mut socket) = stuck()?;
    let mut transmitter = socket.transmitter();
    let never = || Deadline::after(Duration::from_secs(10));
    let start = Instant::now();
    let (woken, _) = in_a_storm(|| transmitter.wait(never(), OnSignal::Return))?;
    assert_eq!(woken, Ok(Wake::Interrupted));
    let (woken, _) = in_a_storm(|| transmitter.drain(never(), OnSignal::Return))?;
    assert_eq!(woken, Ok(Wake::Interrupted));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    Ok(())
}

// Signals go to one thread, but their handlers are the process's, and time is measured.
suite![; alone:
    signals_do_not_move_the_deadline,
    signals_do_not_move_the_deadline_of_for_each,
    a_signal_ends_the_wait_where_that_is_asked_for,
    an_interrupted_wait_loses_nothing,
    signals_do_not_move_the_deadline_of_a_transmitter,
    a_signal_ends_a_transmitters_wait_where_that_is_asked_for,
];
