//! The link's states: down, up again, gone, recreated, as the kernel brings them about.

mod data_path;

use core::ops::ControlFlow;
use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::packet::{Ended, Geometry, Interface, Rx};
use packet_ring::{Deadline, Error, OnSignal, Operation, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, Link, Namespace, VethOptions, VethPair, frame, procfs, suite};
use rustix::io::Errno;

use data_path::{PATIENCE, Receiving, interface, receive_on};

/// Eight blocks of 64 KiB, retired after 10 ms.
const RING: Geometry = Geometry::new_assert(1 << 16, 8);

/// What "at once" is held to.
const SOON: Duration = Duration::from_secs(2);

const NAMED: VethOptions<'_> = VethOptions {
    names: Some(["left", "right"]),
    mtu: 1500,
    queues: 1,
    far_namespace: None,
};

fn bound_to(link: &Link) -> Result<Receiving, Stopped> {
    receive_on(link, Rx::new(RING))
}

fn wait(socket: &mut Receiving, time: Duration) -> Result<Wake, Error> {
    socket.wait(Deadline::after(time), OnSignal::Continue)
}

/// Sends the number from the near end and waits until it comes out of the ring.
fn passes(pair: &VethPair, socket: &mut Receiving, number: u64) -> TestResult {
    Injector::on(&pair.near)?.send(&frame::numbered(number, 60))?;
    let ended = socket.for_each(Deadline::after(PATIENCE), OnSignal::Continue, |packet| {
        if frame::number(packet.data()) == Some(number) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    assert_eq!(ended, Ended::Stopped, "number {number} did not come");
    Ok(())
}

fn a_link_that_goes_down_is_told_once_and_then_at_deadlines() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far)?;
    assert_eq!(socket.take_error(), Ok(()));
    pair.far.set_down()?;
    let start = Instant::now();
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkDown));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    for _ in 0..3 {
        let (start, time) = (Instant::now(), Duration::from_millis(200));
        assert_eq!(wait(&mut socket, time), Err(Error::LinkDown));
        assert!(start.elapsed() >= time, "{:?}", start.elapsed());
        assert_eq!(socket.take_error(), Err(Error::LinkDown));
    }
    Ok(())
}

fn a_sleeping_wait_hears_of_a_link_that_goes_down() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far)?;
    let start = Instant::now();
    let (heard, down) = thread::scope(|scope| {
        let down = scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            pair.far.set_down()
        });
        (wait(&mut socket, PATIENCE), down.join())
    });
    down.map_err(|_| "the other thread panicked")??;
    assert_eq!(heard, Err(Error::LinkDown));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    Ok(())
}

fn a_link_that_comes_back_goes_on_with_the_same_ring() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far)?;
    passes(&pair, &mut socket, 1)?;
    for number in 2..5 {
        pair.far.set_down()?;
        assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkDown));
        pair.set_up()?;
        assert_eq!(socket.take_error(), Ok(()));
        Injector::on(&pair.near)?.send(&frame::numbered(number, 60))?;
        assert_eq!(wait(&mut socket, PATIENCE), Ok(Wake::Ready));
        let block = socket.next_block().ok_or("no block")?;
        let numbers: Vec<_> = block.packets().map(|p| frame::number(p.data())).collect();
        assert_eq!(numbers, [Some(number)]);
        // A ring that was made anew would begin at 1 again.
        assert_eq!(block.sequence(), number);
    }
    Ok(())
}

fn a_wait_goes_on_when_the_link_comes_back() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far)?;
    pair.far.set_down()?;
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkDown));
    let (heard, sent) = thread::scope(|scope| {
        let sent = scope.spawn(|| -> Result<(), packet_ring_lab::LabError> {
            thread::sleep(Duration::from_millis(50));
            pair.set_up()?;
            Injector::on(&pair.near)?.send(&frame::numbered(1, 60))
        });
        (wait(&mut socket, PATIENCE), sent.join())
    });
    sent.map_err(|_| "the other thread panicked")??;
    assert_eq!(heard, Ok(Wake::Ready));
    Ok(())
}

fn what_came_before_the_link_went_down_still_arrives() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let late = RING.retire_timeout(Duration::from_millis(500))?;
    let mut socket = receive_on(&pair.far, Rx::new(late))?;
    Injector::on(&pair.near)?.send(&frame::numbered(7, 60))?;
    pair.far.set_down()?;
    let mut told = 0;
    while let Err(error) = wait(&mut socket, PATIENCE) {
        assert_eq!(error, Error::LinkDown);
        told += 1;
    }
    assert!(told <= 1, "told {told} times before a deadline");
    let block = socket.next_block().ok_or("no block")?;
    let packet = block.packets().next().ok_or("no packet")?;
    assert_eq!(frame::number(packet.data()), Some(7));
    Ok(())
}

fn a_deleted_link_is_gone() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far)?;
    pair.delete()?;
    let start = Instant::now();
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkGone));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(socket.take_error(), Err(Error::LinkGone));
    let (start, time) = (Instant::now(), Duration::from_millis(200));
    assert_eq!(wait(&mut socket, time), Err(Error::LinkGone));
    assert!(start.elapsed() >= time, "{:?}", start.elapsed());
    Ok(())
}

fn a_link_that_is_deleted_while_down_is_found_gone() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far)?;
    pair.far.set_down()?;
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkDown));
    pair.delete()?;
    // The kernel does not report this a second time: the wait has to look.
    let start = Instant::now();
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkGone));
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    Ok(())
}

fn take_error_tells_down_from_gone() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far)?;
    pair.far.set_down()?;
    assert_eq!(socket.take_error(), Err(Error::LinkDown));
    pair.delete()?;
    assert_eq!(socket.take_error(), Err(Error::LinkGone));
    Ok(())
}

fn a_recreated_link_is_followed_by_rebind_alone() -> TestResult {
    let pair = VethPair::create(&NAMED)?;
    let mut socket = bound_to(&pair.far)?;
    passes(&pair, &mut socket, 1)?;
    pair.delete()?;
    let again = VethPair::create(&NAMED)?;
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkGone));
    Injector::on(&again.near)?.send(&frame::numbered(2, 60))?;
    assert_eq!(again.far.counters()?.rx_packets, 1);
    assert_eq!(
        wait(&mut socket, Duration::from_millis(200)),
        Err(Error::LinkGone)
    );
    assert!(socket.next_block().is_none());

    socket.rebind(interface(&again.far)?)?;
    assert_eq!(socket.interface(), interface(&again.far)?);
    assert_eq!(socket.take_error(), Ok(()));
    Injector::on(&again.near)?.send(&frame::numbered(3, 60))?;
    assert_eq!(wait(&mut socket, PATIENCE), Ok(Wake::Ready));
    let block = socket.next_block().ok_or("no block")?;
    let numbers: Vec<_> = block.packets().map(|p| frame::number(p.data())).collect();
    // Number 2 went by while the socket was bound to nothing; the ring goes on at its second block.
    assert_eq!((numbers, block.sequence()), (vec![Some(3)], 2));
    Ok(())
}

fn a_link_in_another_namespace_is_gone() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let elsewhere = Namespace::new()?;
    let mut socket = bound_to(&pair.far)?;
    pair.far.move_to(&elsewhere)?;
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkGone));
    // It is up and receives there, with the index that it had here: that is not our business.
    let there = elsewhere.run(|| Link::named(pair.far.name()))??;
    there.set_up()?;
    assert_eq!(socket.take_error(), Err(Error::LinkGone));
    Ok(())
}

fn a_link_that_went_away_and_came_back_is_gone() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (home, elsewhere) = (Namespace::current()?, Namespace::new()?);
    let mut socket = bound_to(&pair.far)?;
    pair.far.move_to(&elsewhere)?;
    elsewhere.run(|| Link::named(pair.far.name()).and_then(|far| far.move_to(&home)))??;
    pair.set_up()?;
    // The same interface, index and all, and it is up: but the kernel has let the socket go.
    assert_eq!(socket.interface(), interface(&pair.far)?);
    assert_eq!(socket.take_error(), Err(Error::LinkGone));
    socket.rebind(interface(&pair.far)?)?;
    assert_eq!(socket.take_error(), Ok(()));
    passes(&pair, &mut socket, 1)
}

fn a_link_that_is_down_can_be_bound_to() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    pair.far.set_down()?;
    let mut socket = bound_to(&pair.far)?;
    let start = Instant::now();
    assert_eq!(wait(&mut socket, PATIENCE), Err(Error::LinkDown));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    pair.set_up()?;
    assert_eq!(socket.take_error(), Ok(()));
    passes(&pair, &mut socket, 1)
}

fn a_lost_carrier_is_no_error() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far)?;
    for number in 0..5 {
        pair.near.set_down()?;
        // Before Linux 6.8 the kernel may say so somewhat later.
        let deadline = Deadline::after(PATIENCE);
        while pair.far.facts()?.is_running() {
            assert!(!deadline.has_passed());
            thread::yield_now();
        }
        assert_eq!(
            wait(&mut socket, Duration::from_millis(20)),
            Ok(Wake::TimedOut)
        );
        assert_eq!(socket.take_error(), Ok(()));
        pair.set_up()?;
        passes(&pair, &mut socket, number)?;
    }
    Ok(())
}

fn a_refused_rebind_leaves_the_socket_receiving() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far)?;
    let absent = Interface::by_index(i32::MAX as u32).ok_or("no index")?;
    let refused = Error::System {
        operation: Operation::Bind {
            interface: absent.index(),
        },
        errno: Errno::NODEV,
    };
    assert_eq!(socket.rebind(absent), Err(refused));
    assert_eq!(socket.interface(), interface(&pair.far)?);
    assert_eq!(socket.take_error(), Ok(()));
    passes(&pair, &mut socket, 1)
}

/// Waits for a second, as often as `wait` returns, and demands that this, and the kernel's account
/// of this thread, stay below ten.
fn wakes_up_rarely(socket: &mut Receiving) -> TestResult {
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
    assert!(
        activity.processor < Duration::from_millis(50),
        "{activity:?}"
    );
    Ok(())
}

fn an_idle_link_wakes_rarely() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    wakes_up_rarely(&mut bound_to(&pair.far)?)
}

fn a_link_that_is_down_wakes_rarely() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far)?;
    pair.far.set_down()?;
    wakes_up_rarely(&mut socket)?;
    // And once it has been told, and once it is gone too.
    wakes_up_rarely(&mut socket)?;
    pair.delete()?;
    wakes_up_rarely(&mut socket)
}

fn a_link_that_is_gone_wakes_rarely() -> TestResult {
    let pair = VethPair::create(&NAMED)?;
    let mut socket = bound_to(&pair.far)?;
    pair.delete()?;
    wakes_up_rarely(&mut socket)?;
    let again = VethPair::create(&NAMED)?;
    wakes_up_rarely(&mut socket)?;
    again.far.set_down()?;
    socket.rebind(interface(&again.far)?)?;
    wakes_up_rarely(&mut socket)
}

fn a_link_that_was_down_when_bound_wakes_rarely() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    pair.far.set_down()?;
    wakes_up_rarely(&mut bound_to(&pair.far)?)
}

fn a_link_without_carrier_wakes_rarely() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = bound_to(&pair.far)?;
    pair.near.set_down()?;
    wakes_up_rarely(&mut socket)
}

fn a_link_that_moved_away_wakes_rarely() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let elsewhere = Namespace::new()?;
    let mut socket = bound_to(&pair.far)?;
    pair.far.move_to(&elsewhere)?;
    wakes_up_rarely(&mut socket)
}

suite![
    a_link_that_goes_down_is_told_once_and_then_at_deadlines,
    a_sleeping_wait_hears_of_a_link_that_goes_down,
    a_link_that_comes_back_goes_on_with_the_same_ring,
    a_wait_goes_on_when_the_link_comes_back,
    what_came_before_the_link_went_down_still_arrives,
    a_deleted_link_is_gone,
    a_link_that_is_deleted_while_down_is_found_gone,
    take_error_tells_down_from_gone,
    a_recreated_link_is_followed_by_rebind_alone,
    a_link_in_another_namespace_is_gone,
    a_link_that_went_away_and_came_back_is_gone,
    a_link_that_is_down_can_be_bound_to,
    a_lost_carrier_is_no_error,
    a_refused_rebind_leaves_the_socket_receiving,
    an_idle_link_wakes_rarely,
    a_link_that_is_down_wakes_rarely,
    a_link_that_is_gone_wakes_rarely,
    a_link_that_was_down_when_bound_wakes_rarely,
    a_link_without_carrier_wakes_rarely,
    a_link_that_moved_away_wakes_rarely,
];
