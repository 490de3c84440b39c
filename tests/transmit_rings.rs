//! Rings of every size, and frames that are used again: what was put in is what arrives.

mod data_path;
mod sending;

use packet_ring::packet::{FrameGeometry, Geometry, Rx, Tx};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{VethOptions, VethPair, frame, suite};

use data_path::receive_on;
use sending::{HEADER, LONGEST, STUCK, Wire, drain, number, put, transmitting};

/// Frame size, block size and number of blocks.
const SIZES: [(u32, u32, u32); 12] = [
    (128, 4096, 1),
    (128, 4096, 3),
    (512, 4096, 2),
    (1504, 4096, 4),
    (2048, 4096, 1),
    (2048, 4096, 7),
    (2048, 8192, 4),
    (4096, 4096, 1),
    (4096, 4096, 5),
    (3840, 8192, 3),
    (2064, 1 << 16, 1),
    (1 << 16, 1 << 16, 2),
];

/// The longest frames that fit, each of its own number.
fn frames(geometry: &FrameGeometry, count: u32) -> Vec<Vec<u8>> {
    let len = (geometry.capacity() as usize).min(LONGEST);
    (0..count.into())
        .map(|number| frame::numbered(number, len))
        .collect()
}

/// Three laps of each ring, full at each kick.
fn every_ring_of_frames_sends_what_was_put_into_it() -> TestResult {
    let wire = Wire::new()?;
    let mut before = 0;
    for (frame_size, block_size, blocks) in SIZES {
        let geometry = FrameGeometry::new(frame_size, block_size, blocks)?;
        let mut socket = wire.transmit(Tx::new(geometry))?;
        let mut transmitter = socket.transmitter();
        let count = geometry.frame_count().get();
        for lap in frames(&geometry, 3 * count).chunks(count as usize) {
            for bytes in lap {
                put(&mut transmitter, bytes)?;
            }
            assert_eq!(transmitter.kick()?, count);
            wire.assert_arrive(lap)?;
            drain(&mut transmitter)?;
        }
        let sent = wire.pair.near.counters()?.tx_packets;
        assert_eq!(sent - before, u64::from(3 * count));
        before = sent;
    }
    Ok(())
}

/// From a transmit ring to receive rings of every size, walked to the end.
fn every_ring_of_blocks_keeps_what_was_sent() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut sending = transmitting(Tx::new(FrameGeometry::DEFAULT), &pair.near)?;
    for (block_size, blocks) in [
        (4096, 2),
        (4096, 64),
        (8192, 3),
        (1 << 14, 5),
        (1 << 16, 1),
        (1 << 20, 4),
    ] {
        let ring = Geometry::new(block_size, blocks)?
            .retire_timeout(core::time::Duration::from_millis(5))?;
        let mut receiving = receive_on(&pair.far, Rx::new(ring))?;
        let mut transmitter = sending.transmitter();
        let mut next = 0;
        // Two frames at a time fit into any of these rings.
        for turn in 0..100_u64 {
            let lens = [60 + 13 * turn as usize, 1514 - turn as usize];
            for (number, len) in (next..).zip(lens) {
                self::number(&mut transmitter, number, len)?;
            }
            drain(&mut transmitter)?;
            data_path::over_blocks(&mut receiving, 2, |block| {
                for packet in block.packets() {
                    let len = lens[(next % 2) as usize];
                    assert!(packet.data() == frame::numbered(next, len), "frame {next}");
                    next += 1;
                }
                Ok(())
            })?;
        }
        assert_eq!(receiving.statistics()?.drops, 0);
    }
    Ok(())
}

/// Frames lie in the receiver's queue while their slots are filled anew: the kernel has copied them
/// before it gave the slot back, or keeps the slot.
fn frames_that_nobody_has_read_yet_are_not_overwritten() -> TestResult {
    for blocks in [1, 2] {
        let wire = Wire::new()?;
        let mut socket = wire.transmit(Tx::new(FrameGeometry::new(4096, 4096, blocks)?))?;
        let mut transmitter = socket.transmitter();
        let sent: Vec<_> = (0..40_u8)
            .map(|fill| {
                let mut bytes = frame::numbered(0, 1000);
                bytes[HEADER..].fill(fill);
                bytes
            })
            .collect();
        for bytes in &sent {
            put(&mut transmitter, bytes)?;
            drain(&mut transmitter)?;
        }
        wire.assert_arrive(&sent)?;
    }
    Ok(())
}

/// The interface keeps the frames: their slots are not handed out again until it has let go of them.
fn a_frame_that_is_under_way_is_not_handed_out() -> TestResult {
    for blocks in [1, 2] {
        let wire = Wire::new()?;
        let mut socket = wire.transmit(Tx::new(FrameGeometry::new(4096, 4096, blocks)?))?;
        let mut transmitter = socket.transmitter();
        wire.pair.near.set_token_bucket(&STUCK)?;
        // The first leaves, and uses up what may leave.
        number(&mut transmitter, 100, LONGEST)?;
        drain(&mut transmitter)?;
        for sent in 0..blocks.into() {
            number(&mut transmitter, sent, LONGEST)?;
        }
        assert_eq!(transmitter.kick()?, blocks);
        assert!(transmitter.reserve().is_none());
        assert!(transmitter.next_completion().is_none());
        assert_eq!((transmitter.queued(), transmitter.in_flight()), (0, blocks));
        assert_eq!(wire.pair.near.queue_counters()?.waiting, blocks);
        wire.pair.near.remove_token_bucket()?;
        drain(&mut transmitter)?;
        assert!(transmitter.reserve().is_some());
    }
    Ok(())
}

suite![
    every_ring_of_frames_sends_what_was_put_into_it,
    every_ring_of_blocks_keeps_what_was_sent,
    frames_that_nobody_has_read_yet_are_not_overwritten,
    a_frame_that_is_under_way_is_not_handed_out,
];
