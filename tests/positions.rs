//! The ways through a block, and places within it.

mod data_path;

use core::ops::ControlFlow;

use packet_ring::handoff::{Handle, Slots};
use packet_ring::packet::{Block, Packet, Position};
use packet_ring::{Deadline, OnSignal};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{frame, suite};

use data_path::{Bench, FULL, PATIENCE, PROMPT, SMALL, next, numbers, take};

/// Frames of several lengths, enough to end one block of [`SMALL`] and to begin another.
fn frames() -> Vec<Vec<u8>> {
    (0..30)
        .map(|number| frame::numbered(number, 60 + number as usize * 13 % 101))
        .collect()
}

/// A bench, and how many of [`frames`] its first block has.
fn full_block() -> Result<Bench, Stopped> {
    let bench = Bench::new(SMALL)?;
    bench.injector.send_batch(&frames())?;
    Ok(bench)
}

/// An adapter that owns neither socket nor block, and takes one packet a call.
struct Adapter {
    position: Position,
}

impl Adapter {
    fn receive<'b, H: Handle>(&mut self, block: &'b Block<H>) -> Option<&'b [u8]> {
        block.packet(&mut self.position).map(|packet| packet.data())
    }
}

fn every_way_through_a_block_meets_the_same_packets() -> TestResult {
    let mut bench = full_block()?;
    let frames = frames();
    let mut block = next(&mut bench.socket)?;
    let count = block.packet_count() as usize;
    assert!(count > 10);
    let sent = &frames[..count];

    let mut by_iterator = Vec::new();
    for packet in &block {
        by_iterator.push(packet.data());
    }
    assert_eq!(by_iterator, sent);
    let by_fold: Vec<_> = block.packets().map(|packet| packet.data()).collect();
    assert_eq!(by_fold, sent);
    let mut by_closure = Vec::new();
    let flow = block.for_each(|packet| {
        by_closure.push(packet.data());
        ControlFlow::Continue(())
    });
    assert!(flow.is_continue());
    assert_eq!(by_closure, sent);
    let mut adapter = Adapter {
        position: block.start(),
    };
    for sent in sent {
        assert_eq!(adapter.receive(&block), Some(&**sent));
    }
    assert_eq!(adapter.receive(&block), None);
    assert_eq!(adapter.receive(&block), None);
    let mut position = block.start();
    for sent in sent {
        assert_eq!(block.packet_mut(&mut position).as_deref(), Some(&**sent));
    }
    assert_eq!(block.packet_mut(&mut position), None);
    let mut packets = block.packets();
    assert_eq!(packets.size_hint().1, Some(count));
    assert_eq!(packets.by_ref().count(), count);
    assert!(packets.next().is_none());
    Ok(())
}

fn a_break_ends_the_walk_of_a_block() -> TestResult {
    let mut bench = full_block()?;
    let block = next(&mut bench.socket)?;
    let mut seen = 0;
    let flow = block.for_each(|_: Packet<'_>| {
        seen += 1;
        if seen == 5 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!((flow, seen), (ControlFlow::Break(()), 5));
    Ok(())
}

fn a_break_gives_the_rest_of_the_block_back_unread() -> TestResult {
    let mut bench = Bench::new(SMALL)?;
    bench.flood(0..1 + 2 * FULL);
    let end = Deadline::after(PATIENCE);
    let mut first = || {
        let mut seen = None;
        let ended = bench.socket.for_each(end, OnSignal::Continue, |packet| {
            seen = frame::number(packet.data());
            ControlFlow::Break(())
        });
        ended.map(|ended| (ended, seen))
    };
    use packet_ring::packet::Ended::Stopped;
    assert_eq!(first()?, (Stopped, Some(0)));
    assert_eq!(first()?, (Stopped, Some(FULL)));
    assert_eq!(bench.socket.statistics()?.held, 0);
    Ok(())
}

fn a_place_is_kept_across_calls() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let mut adapter: Option<Adapter> = None;
    let mut seen = Vec::new();
    let frames = frames();
    for frame in &frames[..10] {
        bench.injector.send(frame)?;
        let block = next(&mut bench.socket)?;
        let adapter = adapter.insert(Adapter {
            position: block.start(),
        });
        let position = adapter.position;
        seen.extend(adapter.receive(&block).map(<[u8]>::to_vec));
        assert_ne!(adapter.position, position);
        assert_eq!(adapter.receive(&block), None);
        // A copy of the place is a place of its own.
        let mut again = Adapter { position };
        assert_eq!(again.receive(&block), Some(&**frame));
    }
    assert_eq!(seen, frames[..10]);
    Ok(())
}

fn a_position_of_another_block_finds_nothing() -> TestResult {
    let Bench {
        injector,
        mut socket,
        ..
    } = Bench::new(SMALL)?;
    injector.flood(&frame::numbered(0, data_path::FRAME), 0..4 * FULL + 1);
    let mut receiver = socket.receiver();
    let mut first = take(&mut receiver)?;
    let mut second = take(&mut receiver)?;
    let (mut of_first, mut of_second) = (first.start(), second.start());
    assert!(second.packet(&mut of_first).is_none());
    assert!(second.packet_mut(&mut of_first).is_none());
    assert!(first.packet(&mut of_second).is_none());
    assert!(first.packet_mut(&mut of_second).is_none());
    // Neither place has moved.
    assert_eq!((of_first, of_second), (first.start(), second.start()));
    assert_eq!(
        first.packet(&mut of_first).map(|p| frame::number(p.data())),
        Some(Some(0))
    );
    drop((first, second));
    // The block in the same slot, one lap later.
    for _ in 0..2 {
        take(&mut receiver)?;
    }
    injector.flood(&frame::numbered(0, data_path::FRAME), 1000..1001 + FULL);
    let later: Block<&Slots> = take(&mut receiver)?;
    assert_eq!(later.sequence(), 5);
    assert!(later.packet(&mut of_first).is_none());
    Ok(())
}

fn writing_reaches_the_bytes_of_its_packet_alone() -> TestResult {
    let mut bench = full_block()?;
    let frames = frames();
    let mut block = next(&mut bench.socket)?;
    let count = block.packet_count() as usize;
    let used = block.used_bytes();
    let before: Vec<_> = block
        .packets()
        .map(|p| (p.timestamp(), p.source()))
        .collect();
    let mut position = block.start();
    for (nth, frame) in frames[..count].iter().enumerate() {
        let bytes = block.packet_mut(&mut position).ok_or("a packet less")?;
        assert_eq!(bytes, frame);
        if nth % 2 == 1 {
            bytes.fill(0xff);
        }
    }
    for (nth, packet) in block.packets().enumerate() {
        let len = frames[nth].len();
        if nth % 2 == 1 {
            assert_eq!(packet.data(), vec![0xff; len]);
        } else {
            assert_eq!(packet.data(), frames[nth]);
        }
        assert_eq!(packet.len() as usize, len);
        assert_eq!((packet.timestamp(), packet.source()), before[nth]);
        assert_eq!(packet.protocol(), frame::ETHERTYPE);
    }
    assert_eq!(
        (block.packet_count() as usize, block.used_bytes()),
        (count, used)
    );
    drop(block);
    bench.flood(1000..1000 + 4 * FULL);
    let rest = next(&mut bench.socket)?;
    assert_eq!(rest.sequence(), 2);
    assert_eq!(numbers(&rest)[0] as usize, count);
    drop(rest);
    Ok(bench.socket.take_error()?)
}

suite![
    every_way_through_a_block_meets_the_same_packets,
    a_break_ends_the_walk_of_a_block,
    a_break_gives_the_rest_of_the_block_back_unread,
    a_place_is_kept_across_calls,
    a_position_of_another_block_finds_nothing,
    writing_reaches_the_bytes_of_its_packet_alone,
];
