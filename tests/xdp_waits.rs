//! Waiting for packets: what ends a wait, and what a poll of the caller's own sees.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use packet_ring::xdp::{AttachMode, RxTxRings};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Sees, Witness, frame, suite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::process::{Pid, Signal, getpid};
use rustix::thread::gettid;
use xdp::rights::map;
use xdp_path::{GEOMETRY, PATIENCE, Wired, receive_numbers, variants};

const SHORT: Duration = Duration::from_millis(50);

fn a_wait_ends_at_its_deadline_or_with_a_packet() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let (mut socket, _umem, mut pool) = wired.variant(variant)?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        let start = Instant::now();
        let wake = rx.wait(Deadline::after(SHORT), OnSignal::Continue)?;
        assert_eq!(wake, Wake::TimedOut, "{variant:?}");
        assert!(start.elapsed() >= SHORT, "{variant:?}");
        let wake = rx.wait(Deadline::PASSED, OnSignal::Continue)?;
        assert_eq!(wake, Wake::TimedOut);
        let spinning = rx.spin_then_wait(SHORT, Deadline::after(SHORT), OnSignal::Continue)?;
        assert_eq!(spinning, Wake::TimedOut);
        // The deadline ends the spinning too.
        let start = Instant::now();
        let spinning = rx.spin_then_wait(PATIENCE, Deadline::after(SHORT), OnSignal::Continue)?;
        assert_eq!(spinning, Wake::TimedOut);
        assert!(start.elapsed() < PATIENCE, "{variant:?}");

        // Packets that come while it sleeps.
        for number in 0..3 {
            let injected = thread::scope(|scope| {
                let injected = scope.spawn(|| {
                    thread::sleep(SHORT);
                    wired.injector.send(&frame::numbered(number, 60))
                });
                let wake = rx.wait(Deadline::after(PATIENCE), OnSignal::Continue);
                assert_eq!(wake, Ok(Wake::Ready), "{variant:?}");
                injected.join()
            });
            injected.map_err(|_| "the injector panicked")??;
            assert_eq!(receive_numbers(rx, fill, &mut pool, 1)?, [number]);
        }

        // One that is there already: no deadline comes before it.
        wired.injector.send(&frame::numbered(3, 60))?;
        assert_eq!(receive_numbers(rx, fill, &mut pool, 1)?, [3]);
        assert_eq!(wired.pair.far.counters()?.rx_packets, 4);
    }
    Ok(())
}

/// Sends `SIGUSR1` to one thread of this process.
fn interrupt(thread: Pid) -> Result<(), syscalls::Errno> {
    let (process, thread) = (getpid().as_raw_nonzero(), thread.as_raw_nonzero());
    // SAFETY: the signal has a handler, and the system call takes no pointer.
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

/// Runs `work` while a signal handler runs on this thread every 10 ms.
fn in_a_storm<T>(work: impl FnOnce() -> T) -> Result<T, Stopped> {
    let caught = Arc::new(AtomicBool::new(false));
    let handler = signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&caught))?;
    let (target, over) = (gettid(), AtomicBool::new(false));
    let done = thread::scope(|scope| {
        let storm = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(10));
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
    assert!(caught.load(Ordering::Relaxed), "no signal came");
    Ok(done)
}

fn a_signal_ends_a_wait_that_asks_for_it_and_no_other() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let (mut socket, _umem, _pool) = wired.variant(variant)?;
        let RxTxRings { rx, .. } = socket.rings();
        let wake = in_a_storm(|| rx.wait(Deadline::after(PATIENCE), OnSignal::Return))??;
        assert_eq!(wake, Wake::Interrupted, "{variant:?}");
        let start = Instant::now();
        let wake = in_a_storm(|| rx.wait(Deadline::after(SHORT), OnSignal::Continue))??;
        assert_eq!(wake, Wake::TimedOut, "{variant:?}");
        assert!(start.elapsed() >= SHORT, "{variant:?}");
        wired.injector.send(&frame::numbered(0, 60))?;
        let wake = in_a_storm(|| {
            let wake = rx.wait(Deadline::after(PATIENCE), OnSignal::Continue);
            // The storm is to rage for once at least.
            thread::sleep(SHORT);
            wake
        })??;
        assert_eq!(wake, Wake::Ready, "{variant:?}");
    }
    Ok(())
}

/// What a poll of at most 50 ms finds.
fn polled(ring: impl AsFd, flags: PollFlags) -> Result<PollFlags, Stopped> {
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: SHORT.subsec_nanos().into(),
    };
    let mut fds = [PollFd::new(&ring, flags)];
    poll(&mut fds, Some(&timeout))?;
    Ok(fds[0].revents())
}

fn a_poll_of_the_callers_own_sees_packets_and_room_and_sends() -> TestResult {
    for mode in [AttachMode::Native, AttachMode::Generic] {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let (mut socket, _umem, mut pool) = wired.socket(GEOMETRY)?;
        let RxTxRings {
            rx,
            fill,
            tx,
            completion,
        } = socket.rings();
        assert_eq!(polled(&*rx, PollFlags::IN)?, PollFlags::empty());
        wired.injector.send(&frame::numbered(0, 60))?;
        assert_eq!(
            rx.wait(Deadline::after(PATIENCE), OnSignal::Continue)?,
            Wake::Ready
        );
        assert_eq!(polled(&*rx, PollFlags::IN)?, PollFlags::IN);
        receive_numbers(rx, fill, &mut pool, 1)?;
        assert_eq!(polled(&*rx, PollFlags::IN)?, PollFlags::empty());

        // The ring has room; then it and the completion ring are full; then they have room again.
        assert_eq!(polled(&*tx, PollFlags::OUT)?, PollFlags::OUT);
        for first in [0, 64] {
            let mut batch = tx.batch(64);
            for number in first..first + 64 {
                let mut frame = pool.take().ok_or("no frame")?;
                frame.write(&frame::numbered(number, 60))?;
                batch.push(frame)?;
            }
            drop(batch);
            tx.flush()?;
        }
        assert_eq!(polled(&*tx, PollFlags::OUT)?, PollFlags::empty());
        assert_eq!(wired.pair.far.counters()?.tx_packets, 64);
        assert_eq!(completion.reap(&mut pool, 64)?, 64);
        // In copy mode the poll sends: 32 frames each.
        polled(&*tx, PollFlags::OUT)?;
        assert_eq!(polled(&*tx, PollFlags::OUT)?, PollFlags::OUT);
        let numbers = witness.numbers_until_quiet(Duration::from_secs(1))?;
        assert_eq!(numbers, (0..128).collect::<Vec<_>>());
    }
    Ok(())
}

suite! {
    a_wait_ends_at_its_deadline_or_with_a_packet,
    a_poll_of_the_callers_own_sees_packets_and_room_and_sends;
    alone:
    a_signal_ends_a_wait_that_asks_for_it_and_no_other,
}
