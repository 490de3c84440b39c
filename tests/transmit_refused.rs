//! Frames that the kernel does not send at once: which these are, why, and that none is lost.

mod sending;

use packet_ring::packet::{FrameGeometry, Socket, Tx};
use packet_ring::{Error, Unsent};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, TokenBucket, VethOptions, VethPair, Witness, frame, suite};
use rustix::net::sockopt;

use sending::{
    EIGHT, HEADER, LONGEST, QUIET, STUCK, Wire, drain, interface, number, put, transmitting,
};

fn a_full_queue_is_told_and_keeps_its_place() -> TestResult {
    let wire = Wire::new()?;
    let near = &wire.pair.near;
    let mut socket = wire.transmit_into_a_full_queue()?;
    let mut transmitter = socket.transmitter();
    let why = Unsent::NoBuffers;
    for kicks in 1..4 {
        assert_eq!(transmitter.kick(), Err(Error::Unsent { frame: 2, why }));
        assert_eq!((transmitter.queued(), transmitter.in_flight()), (6, 2));
        assert_eq!(near.queue_counters()?.drops, kicks);
    }
    // It is no refusal: there is nothing to mend.
    assert!(transmitter.refused().is_none());
    // Frame 1 waits in the queue and is dropped with it: it comes back, and the interface tells the truth.
    near.remove_token_bucket()?;
    drain(&mut transmitter)?;
    assert_eq!(transmitter.completed(), 8);
    assert_eq!(
        wire.witness.numbers_until_quiet(QUIET)?,
        [0, 2, 3, 4, 5, 6, 7]
    );
    assert_eq!(near.counters()?.tx_packets, 7);
    Ok(())
}

fn frames_wait_while_the_interface_is_gone_and_leave_by_another() -> TestResult {
    let names = Some(["near", "far"]);
    let options = VethOptions {
        names,
        ..VethOptions::default()
    };
    let pair = VethPair::create(&options)?;
    let mut socket = transmitting(Tx::new(EIGHT), &pair.near)?;
    for sent in 0..3 {
        number(&mut socket.transmitter(), sent, 60)?;
    }
    pair.delete()?;
    let why = Unsent::LinkGone;
    assert_eq!(
        socket.transmitter().kick(),
        Err(Error::Unsent { frame: 0, why })
    );
    // The interface is made again: the socket does not follow by itself.
    let again = VethPair::create(&options)?;
    let witness = Witness::on(&again.far, Sees::Incoming)?;
    assert_eq!(
        socket.transmitter().kick(),
        Err(Error::Unsent { frame: 0, why })
    );
    assert_eq!(socket.transmitter().queued(), 3);
    socket.rebind(interface(&again.near)?)?;
    assert_eq!(socket.interface(), interface(&again.near)?);
    drain(&mut socket.transmitter())?;
    assert_eq!(witness.numbers_until_quiet(QUIET)?, [0, 1, 2]);
    assert_eq!(again.near.counters()?.tx_packets, 3);
    Ok(())
}

fn the_longest_frame_goes_and_one_byte_more_does_not() -> TestResult {
    const TAG: usize = 4;
    let wire = Wire::new()?;
    let mut socket = wire.transmit(Tx::new(FrameGeometry::DEFAULT))?;
    let mut transmitter = socket.transmitter();
    let tagged = |number, len| frame::numbered_vlan(5, number, len);
    for (longest, too_long) in [
        (frame::numbered(1, LONGEST), frame::numbered(2, LONGEST + 1)),
        (tagged(3, LONGEST + TAG), tagged(4, LONGEST + TAG + 1)),
    ] {
        put(&mut transmitter, &longest)?;
        let refused = put(&mut transmitter, &too_long)?;
        let why = Unsent::TooLong;
        assert_eq!(
            transmitter.kick(),
            Err(Error::Unsent {
                frame: refused,
                why
            })
        );
        assert_eq!(transmitter.recall(), 1);
    }
    drain(&mut transmitter)?;
    assert_eq!(wire.witness.numbers_until_quiet(QUIET)?, [1, 3]);
    let bytes = wire.pair.near.counters()?.tx_bytes;
    assert_eq!(bytes, (2 * LONGEST + TAG) as u64);
    Ok(())
}

fn the_shortest_frame_is_a_header() -> TestResult {
    let wire = Wire::new()?;
    let mut socket = wire.transmit(Tx::new(EIGHT))?;
    let mut transmitter = socket.transmitter();
    let whole = frame::numbered(1, 60);
    for len in [0, HEADER - 1] {
        let mut short = transmitter.reserve().ok_or("no frame")?;
        short.data_mut()[..60].copy_from_slice(&whole);
        let frame = short.send(len)?;
        let why = Unsent::Malformed;
        assert_eq!(transmitter.kick(), Err(Error::Unsent { frame, why }));
        assert_eq!(transmitter.recall(), 1);
    }
    put(&mut transmitter, &whole[..HEADER + 1])?;
    drain(&mut transmitter)?;
    wire.assert_arrive(&[whole[..HEADER + 1].to_vec()])
}

/// A peer's flush sends half of what is queued and says that all is well: the kernel takes what the
/// send buffer has room for, and the rest needs another call. Here a kick says how many it took, and a
/// drain ends when the last frame has left.
fn a_drain_sends_all_where_a_kick_takes_a_part() -> TestResult {
    const COUNT: u64 = 64;
    let wire = Wire::new()?;
    let near = &wire.pair.near;
    near.set_token_bucket(&TokenBucket {
        rate: 2_000_000,
        ..STUCK
    })?;
    let socket = Socket::configure(Tx::new(FrameGeometry::DEFAULT))?;
    sockopt::set_socket_send_buffer_size(&socket, 4096)?;
    let mut socket = socket.map()?.bind(interface(near)?)?;
    let mut transmitter = socket.transmitter();
    for sent in 0..COUNT {
        number(&mut transmitter, sent, 1000)?;
    }
    let taken = transmitter.kick()?;
    assert!((1..COUNT as u32).contains(&taken), "{taken}");
    assert_eq!(transmitter.queued(), COUNT as u32 - taken);
    drain(&mut transmitter)?;
    assert_eq!((transmitter.completed(), transmitter.queued()), (COUNT, 0));
    assert_eq!(near.counters()?.tx_packets, COUNT);
    assert_eq!(
        wire.witness.numbers_until_quiet(QUIET)?,
        (0..COUNT).collect::<Vec<_>>()
    );
    Ok(())
}

/// A peer fills frames in a layout that the kernel does not read: its send says `Ok(10)`, and nothing
/// leaves. Here what came back is what the interface has sent, kick by kick.
fn what_came_back_is_what_the_interface_has_sent() -> TestResult {
    let wire = Wire::new()?;
    let mut socket = wire.transmit(Tx::new(EIGHT))?;
    let mut transmitter = socket.transmitter();
    assert_eq!(transmitter.kick(), Ok(0));
    assert_eq!(wire.pair.near.counters()?.tx_packets, 0);
    let mut sent = 0;
    for batch in 1..=8_u64 {
        for _ in 0..batch {
            number(&mut transmitter, sent, 60)?;
            sent += 1;
        }
        // Handed over is not sent.
        assert_eq!(wire.pair.near.counters()?.tx_packets, sent - batch);
        assert_eq!(transmitter.kick()?, batch as u32);
        drain(&mut transmitter)?;
        assert_eq!(transmitter.completed(), sent);
        assert_eq!(wire.pair.near.counters()?.tx_packets, sent);
    }
    assert_eq!(
        wire.witness.numbers_until_quiet(QUIET)?,
        (0..sent).collect::<Vec<_>>()
    );
    Ok(())
}

/// A peer skips frames that it finds in use or refused, and leaves one it took and did not send: the
/// kernel waits for that frame for ever. Here there is no hole whatever becomes of a frame.
fn no_hole_is_left_whatever_becomes_of_a_frame() -> TestResult {
    let wire = Wire::new()?;
    let mut socket = wire.transmit(Tx::new(EIGHT))?;
    let mut expected = Vec::new();
    let mut next = 0;
    for turn in 0..100 {
        let mut transmitter = socket.transmitter();
        match turn % 4 {
            0 => drop(transmitter.reserve()),
            1 => {
                let frame = transmitter.reserve().ok_or("no frame")?;
                let room = frame.data().len();
                assert!(frame.send(room + 1).is_err());
            }
            // Refused and mended: it leaves in its place.
            2 => {
                let mut wrong = transmitter.reserve().ok_or("no frame")?;
                wrong.data_mut()[..60].copy_from_slice(&frame::numbered(next, 60));
                wrong.send(HEADER - 1)?;
                expected.push(next);
                next += 1;
                assert!(transmitter.kick().is_err());
                let mended = transmitter.refused().ok_or("no refused frame")?;
                mended.send(60)?;
            }
            // Refused and recalled: its successors leave.
            _ => {
                number(&mut transmitter, 999, LONGEST + 1)?;
                assert!(transmitter.kick().is_err());
                assert_eq!(transmitter.recall(), 1);
            }
        }
        number(&mut transmitter, next, 60)?;
        expected.push(next);
        next += 1;
        drain(&mut transmitter)?;
    }
    assert_eq!(wire.witness.numbers_until_quiet(QUIET)?, expected);
    Ok(())
}

suite![
    a_full_queue_is_told_and_keeps_its_place,
    frames_wait_while_the_interface_is_gone_and_leave_by_another,
    the_longest_frame_goes_and_one_byte_more_does_not,
    the_shortest_frame_is_a_header,
    a_drain_sends_all_where_a_kick_takes_a_part,
    what_came_back_is_what_the_interface_has_sent,
    no_hole_is_left_whatever_becomes_of_a_frame,
];
