//! Stamps of frames that were sent: where they come from, and what they cost those who wait.

mod data_path;
mod sending;

use core::time::Duration;
use std::time::SystemTime;

use linux_raw_sys::net::{SO_TIMESTAMPING_OLD, SOL_SOCKET};
use packet_ring::lifecycle::Configured;
use packet_ring::packet::{Completion, Rx, RxTx, Socket, TimestampSource, Tx};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, frame, kernel, option, procfs, set_option, suite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;

use data_path::{PROMPT, interface};
use sending::{EIGHT, Wire, completion, drain, number};

/// Flags of `linux/net_tstamp.h`.
const TX_HARDWARE: u32 = 1 << 0;
const TX_SOFTWARE: u32 = 1 << 1;
const RX_SOFTWARE: u32 = 1 << 3;
const SOFTWARE: u32 = 1 << 4;

/// Sends frames one by one until one came back that was stamped by `source`, and returns what came back.
fn stamped_by(source: TimestampSource) -> Result<Vec<Completion>, Stopped> {
    let wire = Wire::new()?;
    let mut socket = Socket::configure(Tx::new(EIGHT))?;
    socket.timestamp(source)?;
    let mut socket = socket.map()?.bind(interface(&wire.pair.near)?)?;
    let mut transmitter = socket.transmitter();
    let mut came_back = Vec::new();
    // The kernel begins to stamp soon after it was asked to.
    for _ in 0..1000 {
        number(&mut transmitter, 0, 60)?;
        transmitter.kick()?;
        let completion = completion(&mut transmitter)?;
        came_back.push(completion);
        if source != TimestampSource::Software || completion.timestamp.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(came_back)
}

fn a_frame_comes_back_with_the_time_it_was_sent() -> TestResult {
    let before = SystemTime::now();
    let came_back = stamped_by(TimestampSource::Software)?;
    let after = SystemTime::now();
    let stamp = came_back.last().and_then(|last| last.timestamp);
    if stamp.is_none() && kernel::is_since(6, 2) && !kernel::is_since(6, 18) {
        // As on 6.12, where 6.1 and 6.18 stamp: the documents say that not every kernel does.
        println!("NO STAMP of what is sent, on this kernel");
        assert_eq!(came_back.len(), 1000);
        return Ok(());
    }
    let stamp = stamp.ok_or("never stamped")?;
    assert_eq!(stamp.source, TimestampSource::Software);
    let time = SystemTime::from(stamp);
    assert!(
        before <= time && time <= after,
        "{before:?} {time:?} {after:?}"
    );
    Ok(())
}

fn without_the_option_frames_have_no_stamp() -> TestResult {
    for source in [TimestampSource::Ring, TimestampSource::Hardware] {
        for completion in stamped_by(source)? {
            assert_eq!(completion.timestamp, None);
        }
    }
    Ok(())
}

/// No interface here has a clock: that the interface is asked for stamps is all that can be seen.
fn the_interface_is_asked_to_stamp_what_is_sent() -> TestResult {
    for (source, asked) in [
        (TimestampSource::Ring, 0),
        (TimestampSource::Software, RX_SOFTWARE),
        (TimestampSource::Hardware, TX_HARDWARE),
    ] {
        let mut socket = Socket::configure(Tx::new(EIGHT))?;
        socket.timestamp(source)?;
        assert_eq!(option(&socket, SOL_SOCKET, SO_TIMESTAMPING_OLD)?, asked);
    }
    Ok(())
}

/// Has the kernel put a copy of each sent frame into the socket's error queue, as it does for an
/// interface that stamps them.
fn queue_stamps(socket: &Socket<Configured<RxTx>>) -> TestResult {
    let flags = TX_SOFTWARE | SOFTWARE;
    set_option(socket, SOL_SOCKET, SO_TIMESTAMPING_OLD, flags)?;
    Ok(())
}

fn hears_an_error(socket: impl AsFd) -> Result<bool, Stopped> {
    let mut fds = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default()))?;
    Ok(fds[0].revents().contains(PollFlags::ERR))
}

fn stamps_that_nobody_reads_do_not_keep_a_receiver_awake() -> TestResult {
    let wire = Wire::new()?;
    let rings = RxTx::new(Rx::new(PROMPT), Tx::new(EIGHT));
    let socket = Socket::configure(rings)?;
    queue_stamps(&socket)?;
    let mut socket = socket.map()?.bind(interface(&wire.pair.near)?)?;
    for sent in 0..5 {
        number(&mut socket.transmitter(), sent, 60)?;
        drain(&mut socket.transmitter())?;
    }
    assert!(
        hears_an_error(&socket)?,
        "the case is not what it is taken for"
    );
    let end = Deadline::after(Duration::from_millis(300));
    let (woken, activity) = procfs::activity_of(|| socket.wait(end, OnSignal::Continue))?;
    assert_eq!(woken, Ok(Wake::TimedOut));
    // Not a nap every 5 ms.
    assert!(activity.sleeps < 10, "{activity:?}");
    assert!(!hears_an_error(&socket)?);
    // The link is not taken for down, and packets come.
    socket.take_error()?;
    Injector::on(&wire.pair.far)?.send(&frame::numbered(9, 60))?;
    let block = data_path::take(&mut socket.receiver())?;
    assert_eq!(data_path::numbers(&block), [9]);
    Ok(())
}

suite![
    a_frame_comes_back_with_the_time_it_was_sent,
    without_the_option_frames_have_no_stamp,
    the_interface_is_asked_to_stamp_what_is_sent,
    stamps_that_nobody_reads_do_not_keep_a_receiver_awake,
];
