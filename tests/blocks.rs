//! Blocks: their numbers, their lengths, their times, and what does not fit into them.

mod data_path;

use core::ops::ControlFlow;
use core::time::Duration;

use packet_ring::InvalidGeometry;
use packet_ring::packet::{Geometry, Rx, TimestampSource};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{VethOptions, frame, suite};

use data_path::{BLOCK_HEADER, Bench, MAC, PROMPT, next, numbers, over_blocks, record};

/// The longest frame that a block of 4 KiB takes whole, in bytes.
const LONGEST: u32 = 4096 - BLOCK_HEADER - MAC;

fn jumbo() -> VethOptions<'static> {
    VethOptions {
        mtu: 65_000,
        ..Default::default()
    }
}

fn sequence_numbers_have_no_gap_and_lengths_add_up() -> TestResult {
    const COUNT: u64 = 5_000;
    // An odd size, so that its padding counts too.
    let geometry = Geometry::new(1 << 16, 128)?.private_area(101)?;
    let mut bench = Bench::new(geometry)?;
    let frames: Vec<_> = (0..COUNT)
        .map(|number| frame::numbered(number, 60 + (number as usize * 37) % 1455))
        .collect();
    bench.injector.send_batch(&frames)?;

    let mut sequences = 1..;
    let mut sent = frames.iter();
    over_blocks(&mut bench.socket, COUNT, |block| {
        assert_eq!(Some(block.sequence()), sequences.next());
        let mut records = 0;
        for packet in block.packets() {
            assert_eq!(Some(packet.data()), sent.next().map(Vec::as_slice));
            records += record(packet.captured_len());
        }
        assert_eq!(block.used_bytes() - BLOCK_HEADER - 104, records);
        assert_eq!(block.packets().count(), block.packet_count() as usize);
        Ok(())
    })?;
    assert_eq!(sent.next(), None);
    assert_eq!(bench.pair.far.counters()?.rx_packets, COUNT);
    assert_eq!(bench.socket.statistics()?.drops, 0);
    Ok(())
}

fn block_times_do_not_go_back() -> TestResult {
    let mut bench = Bench::new(Geometry::new(1 << 16, 128)?)?;
    bench.flood(0..10_000);
    let mut last = Duration::ZERO;
    over_blocks(&mut bench.socket, 10_000, |block| {
        let (opened, ended) = block.times();
        let first = block.packets().next().ok_or("a block without a packet")?;
        // A packet that was stamped on entry can be older than the block it came into.
        if first.timestamp().source == TimestampSource::Ring {
            assert!(opened <= first.timestamp().into());
        }
        let of_last = block.packets().last().map(|packet| packet.timestamp());
        assert_eq!(of_last.map(Duration::from), Some(ended));
        assert!(last <= opened, "{last:?} {opened:?}");
        last = ended;
        Ok(())
    })
}

fn a_packet_that_nearly_fills_a_block_leaves_an_empty_one_before_it() -> TestResult {
    // One byte less goes into the block that is open; one more is cut.
    for len in [LONGEST - 8, LONGEST - 7, LONGEST - 3, LONGEST, LONGEST + 1] {
        let mut bench = Bench::with(Rx::new(PROMPT), &jumbo())?;
        let sent = frame::numbered(7, len as usize);
        bench.injector.send(&sent)?;
        let mut sequence = 1;
        if len > LONGEST - 8 {
            let empty = next(&mut bench.socket)?;
            assert_eq!((empty.sequence(), empty.packet_count()), (1, 0), "{len}");
            assert_eq!(empty.used_bytes(), BLOCK_HEADER);
            assert!(empty.packets().next().is_none());
            assert!(empty.packet(&mut empty.start()).is_none());
            assert_eq!(
                empty.for_each(|_| ControlFlow::Break(())),
                ControlFlow::Continue(())
            );
            sequence = 2;
        }
        let full = next(&mut bench.socket)?;
        assert_eq!((full.sequence(), full.packet_count()), (sequence, 1));
        let packet = full.packets().next().ok_or("no packet")?;
        assert_eq!(packet.captured_len(), len.min(LONGEST));
        assert_eq!(packet.len(), len);
        assert_eq!(packet.data(), &sent[..len.min(LONGEST) as usize]);
        drop(full);
        bench.socket.take_error()?;
    }
    Ok(())
}

fn packets_longer_than_a_block_are_cut_and_say_so() -> TestResult {
    let mut bench = Bench::with(Rx::new(PROMPT), &jumbo())?;
    let mut packets = 0;
    for number in 0..20 {
        let sent = frame::numbered(number, 5_000 + number as usize);
        bench.injector.send(&sent)?;
        over_blocks(&mut bench.socket, 1, |block| {
            for packet in block.packets() {
                assert_eq!(packet.captured_len(), LONGEST);
                assert_eq!(packet.len() as usize, sent.len());
                assert_eq!(packet.data(), &sent[..LONGEST as usize]);
                packets += 1;
            }
            Ok(())
        })?;
    }
    assert_eq!(packets, 20);
    assert_eq!(bench.pair.far.counters()?.rx_packets, 20);
    Ok(())
}

fn jumbo_frames_arrive_whole() -> TestResult {
    let mut bench = Bench::with(Rx::new(Geometry::new(1 << 18, 8)?), &jumbo())?;
    let lens = [9_014, 32_000, 65_000, 60];
    for (number, &len) in (0..).zip(&lens) {
        bench.injector.send(&frame::numbered(number, len))?;
    }
    let mut expected = (0..).zip(lens);
    over_blocks(&mut bench.socket, 4, |block| {
        for packet in block.packets() {
            let (number, len) = expected.next().ok_or("one packet too many")?;
            assert_eq!(packet.data(), frame::numbered(number, len));
        }
        Ok(())
    })
}

fn the_private_area_is_there_again_when_the_block_comes_round() -> TestResult {
    const BYTES: usize = 37;
    let mut bench = Bench::new(PROMPT.private_area(BYTES as u32)?)?;
    for number in 0..40 {
        bench.send(number);
        let mut block = next(&mut bench.socket)?;
        assert_eq!(block.sequence(), number + 1);
        let left = block.private_area();
        assert_eq!(left.len(), BYTES);
        if number >= 4 {
            // What was left there one lap ago.
            assert_eq!(left, [number as u8 - 4; BYTES]);
        }
        block.private_area_mut().fill(number as u8);
        assert_eq!(numbers(&block), [number]);
    }
    Ok(())
}

fn a_private_area_leaves_room_for_a_packet_or_is_refused() -> TestResult {
    // The kernel takes any that leaves room for a packet's header.
    let refused = PROMPT.private_area(3937);
    assert_eq!(refused, Err(InvalidGeometry::BlockTooSmall));
    let with_snap_length = PROMPT.private_area(3936)?.snap_length(9);
    assert_eq!(with_snap_length, Err(InvalidGeometry::BlockTooSmall));

    let mut bench = Bench::new(PROMPT.private_area(3936)?)?;
    let sent = frame::numbered(7, 60);
    for _ in 0..8 {
        bench.injector.send(&sent)?;
        over_blocks(&mut bench.socket, 1, |block| {
            block.private_area_mut().fill(0xff);
            for packet in block.packets() {
                assert_eq!((packet.data(), packet.len()), (&sent[..30], 60));
            }
            Ok(())
        })?;
    }
    Ok(bench.socket.take_error()?)
}

suite![
    sequence_numbers_have_no_gap_and_lengths_add_up,
    block_times_do_not_go_back,
    a_packet_that_nearly_fills_a_block_leaves_an_empty_one_before_it,
    packets_longer_than_a_block_are_cut_and_say_so,
    jumbo_frames_arrive_whole,
    the_private_area_is_there_again_when_the_block_comes_round,
    a_private_area_leaves_room_for_a_packet_or_is_refused,
];
