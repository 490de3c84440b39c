//! A descriptor that is readable once for each event of a socket, as level-triggered polling sees it.

mod data_path;

use core::time::Duration;

use packet_ring::packet::{EdgeTriggered, Geometry, Receiver, Rx};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;

use data_path::{PATIENCE, numbers, receive_on, sleeps_between_bursts};

/// 64 blocks of 4 KiB, retired after 1 ms.
fn prompt() -> Result<Geometry, Stopped> {
    Ok(Geometry::new(4096, 64)?.retire_timeout(Duration::from_millis(1))?)
}

/// Whether it is readable within this time.
fn readable(fd: impl AsFd, time: Duration) -> Result<bool, Stopped> {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    Ok(poll(&mut fds, Some(&Timespec::try_from(time)?))? > 0)
}

/// Whether the socket itself is: what an executor would be told that asks it.
fn socket_readable(ring: &Receiver<'_>) -> Result<bool, Stopped> {
    readable(ring.fd(), Duration::ZERO)
}

fn a_held_block_is_told_once() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(prompt()?))?;
    let mut ring = socket.receiver();
    let events = EdgeTriggered::new(ring.fd())?;
    assert!(!readable(&events, Duration::ZERO)?);
    assert_eq!(events.take(), Ok(false));
    let injector = Injector::on(&pair.near)?;
    let mut held = Vec::new();
    for number in 0..3 {
        injector.send(&frame::numbered(number, 60))?;
        assert!(readable(&events, PATIENCE)?);
        assert_eq!(events.take(), Ok(true));
        let block = ring.next_block().ok_or("told, and no block")?;
        assert_eq!(numbers(&block), [number]);
        held.push(block);
        assert!(
            socket_readable(&ring)?,
            "the case is not what it is taken for"
        );
        assert!(!readable(&events, Duration::from_millis(100))?);
        assert_eq!(events.take(), Ok(false));
    }
    Ok(())
}

fn a_link_that_goes_down_is_told_while_a_block_is_held() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(prompt()?))?;
    let mut ring = socket.receiver();
    let events = EdgeTriggered::new(ring.fd())?;
    Injector::on(&pair.near)?.send(&frame::numbered(0, 60))?;
    assert!(readable(&events, PATIENCE)?);
    assert_eq!(events.take(), Ok(true));
    let _held = ring.next_block().ok_or("told, and no block")?;
    assert_eq!(ring.take_error(), Ok(()));
    pair.far.set_down()?;
    assert!(readable(&events, PATIENCE)?);
    assert_eq!(events.take(), Ok(true));
    assert!(ring.next_block().is_none());
    assert_eq!(ring.take_error(), Err(Error::LinkDown));
    assert!(!readable(&events, Duration::from_millis(100))?);
    Ok(())
}

fn what_was_there_before_is_an_event() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(prompt()?))?;
    let mut ring = socket.receiver();
    Injector::on(&pair.near)?.send(&frame::numbered(7, 60))?;
    assert!(readable(ring.fd(), PATIENCE)?);
    let events = EdgeTriggered::new(ring.fd())?;
    assert!(readable(&events, Duration::ZERO)?);
    assert_eq!(events.take(), Ok(true));
    assert_eq!(
        ring.next_block().map(|block| numbers(&block)),
        Some(vec![7])
    );
    Ok(())
}

fn no_block_is_overslept() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(Geometry::new(1 << 16, 256)?))?;
    let mut ring = socket.receiver();
    let events = EdgeTriggered::new(ring.fd())?;
    sleeps_between_bursts(&pair, &mut ring, 300, || {
        let heard = readable(&events, PATIENCE)?;
        events.take()?;
        Ok(heard)
    })
}

fn a_closed_socket_is_silent() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let socket = receive_on(&pair.far, Rx::new(prompt()?))?;
    let events = EdgeTriggered::new(&socket)?;
    Injector::on(&pair.near)?.send(&frame::numbered(0, 60))?;
    assert!(readable(&events, PATIENCE)?);
    drop(socket);
    assert!(!readable(&events, Duration::ZERO)?);
    assert_eq!(events.take(), Ok(false));
    Ok(())
}

fn what_cannot_be_polled_is_refused() -> TestResult {
    let file = std::fs::File::open("/proc/self/exe")?;
    let refused = Error::System {
        operation: Operation::ListenToSocket,
        errno: Errno::PERM,
    };
    assert_eq!(EdgeTriggered::new(&file).err(), Some(refused));
    Ok(())
}

suite![
    a_held_block_is_told_once,
    a_link_that_goes_down_is_told_while_a_block_is_held,
    what_was_there_before_is_an_event,
    no_block_is_overslept,
    a_closed_socket_is_silent,
    what_cannot_be_polled_is_refused,
];
