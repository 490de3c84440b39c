//! The link's states under AF_XDP, where the kernel tells a sleeper nothing; and signals meanwhile.

mod xdp_path;

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Interface, Queue, RxTx, RxTxRings, Socket, Umem};
use packet_ring::{Deadline, Error, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{
    LabError, Namespace, Sees, VethOptions, VethPair, Witness, frame, procfs, suite,
};
use rustix::process::{Pid, Signal, getpid};
use rustix::thread::gettid;
use signal_hook::consts::SIGUSR1;
use xdp_path::{GEOMETRY, PATIENCE, RINGS, SLOTS};

/// A look a second, and what a busy machine adds.
const SOON: Duration = Duration::from_secs(3);

/// A bound socket; no packet is ever received here, so no program is needed.
fn bound(pair: &VethPair) -> Result<Socket<Bound<RxTx>>, Stopped> {
    let interface = Interface::by_index(pair.far.index()?).ok_or("no interface")?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut socket = Socket::configure(RINGS, &umem)?.map()?;
    socket.rings().fill.stock(&mut pool, SLOTS.get())?;
    Ok(socket.bind(Queue::new(interface, 0))?)
}

fn wait(socket: &mut Socket<Bound<RxTx>>, time: Duration) -> Result<Wake, Error> {
    let deadline = Deadline::after(time);
    socket.rings().rx.wait(deadline, OnSignal::Continue)
}

/// What each ring says of the link.
fn looks(socket: &mut Socket<Bound<RxTx>>) -> [Result<(), Error>; 3] {
    let RxTxRings { rx, fill, tx, .. } = socket.rings();
    [rx.check_link(), fill.wake(), tx.check_link()]
}

/// Told within a look, once before the deadline, and at each deadline then.
fn tells(socket: &mut Socket<Bound<RxTx>>, error: Error) -> TestResult {
    let start = Instant::now();
    assert_eq!(wait(socket, PATIENCE), Err(error));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    for _ in 0..3 {
        // Longer than a look: what was told is not told by the next.
        let (start, time) = (Instant::now(), Duration::from_millis(1200));
        assert_eq!(wait(socket, time), Err(error));
        assert!(start.elapsed() >= time, "{:?}", start.elapsed());
        assert_eq!(looks(socket), [Err(error); 3]);
        assert_eq!(socket.rings().tx.kick(), Err(error));
    }
    Ok(())
}

fn a_link_that_goes_down_is_told_once_and_then_at_deadlines() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound(&pair)?;
    assert_eq!(looks(&mut socket), [Ok(()); 3]);
    pair.far.set_down()?;
    tells(&mut socket, Error::LinkDown)
}

fn a_deleted_link_is_gone() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound(&pair)?;
    pair.delete()?;
    tells(&mut socket, Error::LinkGone)
}

fn a_link_that_is_deleted_while_down_is_gone() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound(&pair)?;
    pair.far.set_down()?;
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkDown));
    pair.delete()?;
    tells(&mut socket, Error::LinkGone)
}

fn a_link_in_another_namespace_is_gone() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let elsewhere = Namespace::new()?;
    let mut socket = bound(&pair)?;
    pair.far.move_to(&elsewhere)?;
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkGone));
    Ok(())
}

fn a_sleeping_wait_hears_of_a_link_that_goes() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound(&pair)?;
    let start = Instant::now();
    let (heard, deleted) = thread::scope(|scope| {
        let deleted = scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            pair.delete()
        });
        (wait(&mut socket, PATIENCE), deleted.join())
    });
    deleted.map_err(|_| "the other thread panicked")??;
    assert_eq!(heard, Err(Error::LinkGone));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    Ok(())
}

fn a_link_that_was_up_between_two_looks_is_told_again() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound(&pair)?;
    pair.far.set_down()?;
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkDown));
    let start = Instant::now();
    let (heard, down) = thread::scope(|scope| {
        let down = scope.spawn(|| -> Result<(), LabError> {
            pair.set_up()?;
            // Up for a few looks of the one wait.
            thread::sleep(SOON);
            pair.far.set_down()
        });
        (wait(&mut socket, PATIENCE), down.join())
    });
    down.map_err(|_| "the other thread panicked")??;
    assert_eq!(heard, Err(Error::LinkDown));
    // Not at the deadline, at which it is told in any case.
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    Ok(())
}

fn what_a_deadline_has_told_no_look_tells_again() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound(&pair)?;
    pair.far.set_down()?;
    assert_eq!(wait(&mut socket, Duration::ZERO), Err(Error::LinkDown));
    let (start, time) = (Instant::now(), Duration::from_millis(1500));
    assert_eq!(wait(&mut socket, time), Err(Error::LinkDown));
    assert!(start.elapsed() >= time, "{:?}", start.elapsed());
    Ok(())
}

fn a_link_that_comes_back_goes_on_with_the_same_rings() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound(&pair)?;
    for _ in 0..3 {
        pair.far.set_down()?;
        assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkDown));
        let (heard, up) = thread::scope(|scope| {
            let up = scope.spawn(|| -> Result<(), LabError> {
                thread::sleep(Duration::from_millis(50));
                pair.set_up()
            });
            // Over a look that finds it up: that is no news for an error.
            (wait(&mut socket, Duration::from_millis(1500)), up.join())
        });
        up.map_err(|_| "the other thread panicked")??;
        assert_eq!(heard, Ok(Wake::TimedOut));
        assert_eq!(looks(&mut socket), [Ok(()); 3]);
    }
    // Down again: that is news again.
    pair.far.set_down()?;
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkDown));
    Ok(())
}

fn what_was_queued_while_the_link_was_down_is_sent_later() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let interface = Interface::by_index(pair.far.index()?).ok_or("no interface")?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut socket = Socket::configure(RINGS, &umem)?
        .map()?
        .bind(Queue::new(interface, 0))?;
    pair.far.set_down()?;
    let tx = &mut socket.rings().tx;
    let mut batch = tx.batch(8);
    for number in 0..8 {
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&frame::numbered(number, 60))?;
        batch.push(frame)?;
    }
    drop(batch);
    assert_eq!(tx.flush(), Err(Error::LinkDown));
    assert_eq!(tx.outstanding(), 8);
    pair.set_up()?;
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    assert_eq!(tx.flush()?, 0);
    let numbers = witness.numbers_until_quiet(Duration::from_millis(200))?;
    assert_eq!(numbers, (0..8).collect::<Vec<_>>());
    assert_eq!(pair.far.counters()?.tx_packets, 8);
    Ok(())
}

/// Waits for a second, as often as `wait` returns: this, and the kernel's account of this thread, stay below
/// ten.
fn wakes_up_rarely(socket: &mut Socket<Bound<RxTx>>) -> TestResult {
    let end = Deadline::after(Duration::from_secs(1));
    let mut returns = 0;
    let ((), activity) = procfs::activity_of(|| {
        while !end.has_passed() {
            let _ = socket.rings().rx.wait(end, OnSignal::Continue);
            returns += 1;
        }
    })?;
    assert!(returns < 10, "wait returned {returns} times in a second");
    assert!(activity.sleeps < 10, "{activity:?}");
    let processor = activity.processor;
    assert!(processor < Duration::from_millis(50), "{activity:?}");
    Ok(())
}

fn every_state_of_the_link_wakes_rarely() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound(&pair)?;
    wakes_up_rarely(&mut socket)?;
    pair.far.set_down()?;
    // Before it was told, and since.
    wakes_up_rarely(&mut socket)?;
    wakes_up_rarely(&mut socket)?;
    pair.delete()?;
    wakes_up_rarely(&mut socket)?;
    wakes_up_rarely(&mut socket)
}

/// Sends `SIGUSR1` to one thread of this process.
fn interrupt(thread: Pid) -> Result<(), syscalls::Errno> {
    let (process, thread) = (getpid().as_raw_nonzero(), thread.as_raw_nonzero());
    let signal = Signal::USR1.as_raw();
    // SAFETY: the signal has a handler (`in_a_storm`), and the system call takes no pointer.
    unsafe { syscalls::syscall!(syscalls::Sysno::tgkill, process.get(), thread.get(), signal) }
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
                thread::sleep(Duration::from_millis(20));
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

fn signals_do_not_move_the_deadline() -> TestResult {
    const TIME: Duration = Duration::from_millis(100);
    const LATEST: Duration = Duration::from_millis(120);
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound(&pair)?;
    let mut took = Vec::new();
    // A busy machine makes a wait late, a deadline that signals move is late every time.
    for _ in 0..5 {
        let ((ended, time), caught) = in_a_storm(|| {
            let start = Instant::now();
            (wait(&mut socket, TIME), start.elapsed())
        })?;
        assert_eq!(ended, Ok(Wake::TimedOut));
        assert!(time >= TIME, "{time:?} is too early");
        took.push(time);
        if caught >= 3 && time <= LATEST {
            return Ok(());
        }
    }
    Err(format!("never within {LATEST:?}: {took:?}").into())
}

fn a_signal_ends_the_wait_where_that_is_asked_for() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound(&pair)?;
    let (ended, caught) = in_a_storm(|| {
        let deadline = Deadline::after(PATIENCE);
        socket.rings().rx.wait(deadline, OnSignal::Return)
    })?;
    assert_eq!(ended, Ok(Wake::Interrupted));
    assert!(caught >= 1);
    Ok(())
}

fn signals_do_not_keep_the_link_from_being_looked_at() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound(&pair)?;
    pair.delete()?;
    // The storm lasts three seconds, shorter than the deadline.
    let ((heard, time), caught) = in_a_storm(|| {
        let start = Instant::now();
        (wait(&mut socket, PATIENCE), start.elapsed())
    })?;
    assert_eq!(heard, Err(Error::LinkGone));
    assert!(caught >= 1);
    assert!(time < Duration::from_millis(2500), "{time:?}");
    Ok(())
}

suite! {
    a_link_that_goes_down_is_told_once_and_then_at_deadlines,
    a_deleted_link_is_gone,
    a_link_that_is_deleted_while_down_is_gone,
    a_link_in_another_namespace_is_gone,
    a_sleeping_wait_hears_of_a_link_that_goes,
    a_link_that_was_up_between_two_looks_is_told_again,
    what_a_deadline_has_told_no_look_tells_again,
    a_link_that_comes_back_goes_on_with_the_same_rings,
    what_was_queued_while_the_link_was_down_is_sent_later;
    alone: every_state_of_the_link_wakes_rarely,
    signals_do_not_move_the_deadline,
    a_signal_ends_the_wait_where_that_is_asked_for,
    signals_do_not_keep_the_link_from_being_looked_at,
}
