//! What a transmit ring can be asked for, and what that does to real packets.

mod sending;

use core::time::Duration;

use packet_ring::packet::{FrameGeometry, Socket, TimestampSource, Tx, TxClock};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, TokenBucket, Witness, frame, suite};
use rustix::io::Errno;
use rustix::net::{TxTimeFlags, sockopt};
use rustix::time::ClockId;

use sending::{EIGHT, LONGEST, STUCK, Wire, completion, drain, interface, number};

/// Lets everything through, and counts it.
const COUNTING: TokenBucket = TokenBucket {
    rate: u32::MAX,
    burst: 1 << 20,
    limit: 1 << 20,
};

fn a_bypassed_queue_does_not_see_what_is_sent() -> TestResult {
    for bypass in [false, true] {
        let wire = Wire::new()?;
        let near = &wire.pair.near;
        near.set_token_bucket(&COUNTING)?;
        let tap = Witness::on(near, Sees::Everything)?;
        let mut socket = Socket::configure(Tx::new(EIGHT))?;
        if bypass {
            socket.bypass_qdisc()?;
        }
        let mut socket = socket.map()?.bind(interface(near)?)?;
        let mut transmitter = socket.transmitter();
        let mut sent = Vec::new();
        for number in 0..8 {
            self::number(&mut transmitter, number, 60)?;
            sent.push(frame::numbered(number, 60));
        }
        drain(&mut transmitter)?;
        wire.assert_arrive(&sent)?;
        assert_eq!(near.counters()?.tx_packets, 8);
        // The queue counts them, and those who watch what goes out see them, or neither does.
        let seen = tap.numbers_until_quiet(sending::QUIET)?.len();
        let expected = if bypass { (0, 0) } else { (8, 8) };
        assert_eq!((near.queue_counters()?.packets, seen), expected);
    }
    Ok(())
}

fn a_packet_begins_anywhere_in_its_frame() -> TestResult {
    let wire = Wire::new()?;
    let rings = Tx::new(FrameGeometry::new(2048, 4096, 1)?).offsets();
    let mut socket = wire.transmit(rings)?;
    let mut transmitter = socket.transmitter();
    let mut sent = Vec::new();
    for start in [0, 1, 2, 3, 16, 333, 2000 - 60] {
        let bytes = frame::numbered(start as u64, 60);
        let mut frame = transmitter.reserve().ok_or("no frame")?;
        frame.data_mut().fill(0xee);
        frame.data_mut()[start..start + 60].copy_from_slice(&bytes);
        frame.send_from(start, 60)?;
        drain(&mut transmitter)?;
        sent.push(bytes);
    }
    wire.assert_arrive(&sent)?;
    // Not a byte further than the frame goes.
    for (start, len) in [(2000 - 59, 60), (2001, 0), (usize::MAX, 1), (1, usize::MAX)] {
        let frame = transmitter.reserve().ok_or("no frame")?;
        let refused = frame.send_from(start, len).err().ok_or("sent")?;
        assert!(matches!(refused, Error::FrameTooSmall { room: 2000, .. }));
    }
    Ok(())
}

fn without_the_option_packets_begin_at_the_start() -> TestResult {
    let wire = Wire::new()?;
    let mut socket = wire.transmit(Tx::new(EIGHT))?;
    let mut transmitter = socket.transmitter();
    let frame = transmitter.reserve().ok_or("no frame")?;
    assert!(frame.send_from(1, 60).is_err());
    assert_eq!(transmitter.kick()?, 0);
    Ok(())
}

fn a_kick_at_a_time_needs_the_option() -> TestResult {
    let wire = Wire::new()?;
    let mut socket = wire.transmit(Tx::new(EIGHT))?;
    let mut transmitter = socket.transmitter();
    number(&mut transmitter, 1, 60)?;
    let refused = Error::System {
        operation: Operation::Kick,
        errno: Errno::INVAL,
    };
    assert_eq!(transmitter.kick_at(Duration::from_secs(1)), Err(refused));
    // Nothing is wrong with the frame.
    assert!(transmitter.refused().is_none());
    assert_eq!(transmitter.queued(), 1);
    drain(&mut transmitter)?;
    wire.assert_arrive(&[frame::numbered(1, 60)])
}

fn a_kick_at_a_time_sends_where_nobody_keeps_the_time() -> TestResult {
    for clock in [TxClock::Monotonic, TxClock::Tai] {
        let wire = Wire::new()?;
        let mut socket = wire.transmit(Tx::new(EIGHT).transmit_times(clock))?;
        let mut transmitter = socket.transmitter();
        assert_eq!(transmitter.kick_at(Duration::ZERO)?, 0);
        let mut sent = Vec::new();
        for time in [Duration::ZERO, Duration::from_secs(1), Duration::MAX] {
            let frame = number(&mut transmitter, 5, 60)?;
            assert_eq!(transmitter.kick_at(time)?, 1);
            drain(&mut transmitter)?;
            sent.push(frame::numbered(5, 60));
            assert_eq!(frame + 1, transmitter.completed());
        }
        wire.assert_arrive(&sent)?;
    }
    Ok(())
}

/// Shows the time of a kick where the kernel keeps it: a frame that is thrown away in the interface's
/// queue comes back with it in place of a stamp, if it was given by the clock of the stamps.
fn the_kernel_takes_the_time_of_a_kick() -> TestResult {
    let time = Duration::new(1_234_567_890, 123_456_789);
    let wire = Wire::new()?;
    let near = &wire.pair.near;
    near.set_token_bucket(&STUCK)?;
    let mut socket = Socket::configure(Tx::new(EIGHT))?;
    socket.timestamp(TimestampSource::Software)?;
    // No queueing discipline reads this clock, so there is no `TxClock` for it.
    sockopt::set_txtime(&socket, ClockId::Realtime, TxTimeFlags::empty())?;
    let mut socket = socket.map()?.bind(interface(near)?)?;
    let mut transmitter = socket.transmitter();
    for sent in 0..3 {
        number(&mut transmitter, sent, LONGEST)?;
    }
    assert_eq!(transmitter.kick_at(time)?, 3);
    near.remove_token_bucket()?;
    // The first has left before.
    completion(&mut transmitter)?;
    let thrown_away = completion(&mut transmitter)?;
    let stamp = thrown_away.timestamp.ok_or("no stamp")?;
    assert_eq!(Duration::from(stamp), time);
    Ok(())
}

suite![
    a_bypassed_queue_does_not_see_what_is_sent,
    a_packet_begins_anywhere_in_its_frame,
    without_the_option_packets_begin_at_the_start,
    a_kick_at_a_time_needs_the_option,
    a_kick_at_a_time_sends_where_nobody_keeps_the_time,
    the_kernel_takes_the_time_of_a_kick,
];
