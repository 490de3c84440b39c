//! Blocks that are held: released late, out of order, elsewhere, by a panic, or never.

mod data_path;

use core::mem;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::collections::BTreeSet;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;

use packet_ring::handoff::Slots;
use packet_ring::packet::{Block, Geometry};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{frame, suite};

use data_path::{
    Bench, FRAME, FULL, PROMPT, Receiving, SMALL, is_quiet, next, numbers, settled, take,
};

/// What the four blocks of [`SMALL`] hold.
const RING: u64 = 4 * FULL;

/// Sends and receives one packet a block; demands that neither skips.
fn lap(bench: &mut Bench, numbers_: core::ops::Range<u64>, sequences: &mut u64) -> TestResult {
    for number in numbers_ {
        bench.send(number);
        let block = next(&mut bench.socket)?;
        *sequences += 1;
        assert_eq!(block.sequence(), *sequences);
        assert_eq!(numbers(&block), [number]);
    }
    Ok(())
}

fn a_held_block_stops_the_ring_and_its_release_moves_it_on() -> TestResult {
    let Bench {
        pair,
        injector,
        mut socket,
    } = Bench::new(SMALL)?;
    let template = frame::numbered(0, FRAME);
    let mut receiver = socket.receiver();
    injector.flood(&template, 0..RING + 1);
    let held = take(&mut receiver)?;
    for _ in 0..3 {
        take(&mut receiver)?;
    }
    // Three blocks are free; the kernel waits for the one in turn.
    injector.flood(&template, RING + 1..RING + 101);
    let counts = settled(RING + 101, || receiver.statistics())?;
    assert_eq!((counts.drops, counts.freezes, counts.held), (101, 1, 1));
    assert!(is_quiet(&mut receiver)?);
    assert_eq!(held.sequence(), 1);
    assert_eq!(numbers(&held), (0..FULL).collect::<Vec<_>>());
    drop(held);
    let first = RING + 101;
    injector.flood(&template, first..first + RING);
    for sequence in 5..8 {
        let block = take(&mut receiver)?;
        assert_eq!(block.sequence(), sequence);
        assert_eq!(numbers(&block)[0], first + (sequence - 5) * FULL);
    }
    let counts = settled(first + RING, || receiver.statistics())?;
    assert_eq!((counts.drops, counts.freezes, counts.held), (101, 1, 0));
    assert_eq!(pair.far.counters()?.rx_packets, first + RING);
    Ok(())
}

fn a_block_that_is_out_is_not_handed_out_twice() -> TestResult {
    let two = Geometry::new(4096, 2)?.retire_timeout(Duration::from_millis(5))?;
    let Bench {
        injector,
        mut socket,
        ..
    } = Bench::new(two)?;
    let mut receiver = socket.receiver();
    let mut sequence = 0;
    for _ in 0..10 {
        injector.send(&frame::numbered(1, FRAME))?;
        let held = take(&mut receiver)?;
        injector.send(&frame::numbered(2, FRAME))?;
        drop(take(&mut receiver)?);
        for _ in 0..1000 {
            assert!(receiver.next_block().is_none());
        }
        assert!(is_quiet(&mut receiver)?);
        sequence += 2;
        assert_eq!(held.sequence(), sequence - 1);
        assert_eq!(numbers(&held), [1]);
    }
    Ok(())
}

fn other_threads_release_blocks_in_any_order() -> TestResult {
    const ROUNDS: u64 = 20;
    const ROUND: u64 = 8 * FULL;
    let geometry = Geometry::new(4096, 64)?.retire_timeout(Duration::from_millis(50))?;
    let Bench {
        injector,
        mut socket,
        pair,
    } = Bench::new(geometry)?;
    let mut receiver = socket.receiver();
    let mut sequence = 0;
    for round in 0..ROUNDS {
        let sent = round * ROUND..(round + 1) * ROUND;
        injector.flood(&frame::numbered(0, FRAME), sent.clone());
        let mut shares: [Vec<Block<&Slots>>; 3] = Default::default();
        let mut packets = 0;
        while packets < ROUND {
            let block = take(&mut receiver)?;
            sequence += 1;
            assert_eq!(block.sequence(), sequence);
            packets += u64::from(block.packet_count());
            shares[sequence as usize % 3].push(block);
        }
        let released = thread::scope(|scope| {
            let workers = shares.map(|share| {
                scope.spawn(|| share.into_iter().rev().flat_map(|b| numbers(&b)).collect())
            });
            workers.map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        let all: BTreeSet<u64> = released.into_iter().flat_map(Vec::into_iter).collect();
        assert_eq!(all, sent.collect());
    }
    let counts = receiver.statistics()?;
    assert_eq!((counts.drops, counts.held), (0, 0));
    assert_eq!(pair.far.counters()?.rx_packets, ROUNDS * ROUND);
    Ok(())
}

fn blocks_are_taken_while_others_are_being_released() -> TestResult {
    const COUNT: u64 = 20_000;
    // The whole flood fits: nothing is lost, however slow the workers are.
    let mut bench = Bench::new(Geometry::new(1 << 12, 1024)?)?;
    let pair = bench.pair;
    let mut receiver = bench.socket.receiver();
    let mut seen: Vec<u64> = thread::scope(|scope| {
        scope.spawn(|| bench.injector.flood(&frame::numbered(0, FRAME), 0..COUNT));
        let (to_workers, workers): (Vec<_>, Vec<_>) = (0..3)
            .map(|_| {
                let (sender, blocks) = mpsc::channel::<Block<&Slots>>();
                let worker = scope.spawn(move || blocks.iter().flat_map(|b| numbers(&b)).collect());
                (sender, worker)
            })
            .unzip();
        let mut packets = 0;
        while packets < COUNT {
            let block = take(&mut receiver)?;
            packets += u64::from(block.packet_count());
            let worker = block.sequence() as usize % 3;
            to_workers[worker]
                .send(block)
                .map_err(|_| "a worker died")?;
        }
        drop(to_workers);
        let seen = workers.into_iter().map(|worker| {
            let seen: Vec<u64> = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            seen
        });
        Ok::<_, Stopped>(seen.flatten().collect())
    })?;
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..COUNT));
    assert_eq!(receiver.statistics()?.held, 0);
    assert_eq!(pair.far.counters()?.rx_packets, COUNT);
    Ok(())
}

fn a_panic_releases_the_block_once() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let mut sequence = 0;
    for round in 0..6 {
        bench.send(round);
        sequence += 1;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let block = next(&mut bench.socket).ok();
            let sequence = block.as_ref().map(Block::sequence);
            // Without the report that a panic prints.
            resume_unwind(Box::new(sequence));
        }));
        let seen = caught
            .map(|()| None)
            .unwrap_or_else(|payload| payload.downcast_ref::<Option<u64>>().copied().flatten());
        assert_eq!(seen, Some(sequence));
        let counts = bench.socket.statistics()?;
        assert_eq!((counts.held, counts.taken_back), (0, 0));
        lap(&mut bench, 100..105, &mut sequence)?;
    }
    assert_eq!(bench.socket.statistics()?.drops, 0);
    Ok(())
}

fn a_panic_in_for_each_releases_the_block() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let mut sequence = 0;
    for round in 0..6 {
        bench.send(round);
        let end = packet_ring::Deadline::after(data_path::PATIENCE);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            bench
                .socket
                .for_each(end, packet_ring::OnSignal::Continue, |packet| {
                    resume_unwind(Box::new(frame::number(packet.data())))
                })
        }));
        let payload = caught.err().ok_or("the closure did not run")?;
        assert_eq!(payload.downcast_ref(), Some(&Some(round)));
        sequence += 1;
        assert_eq!(bench.socket.statistics()?.held, 0);
        lap(&mut bench, 100..105, &mut sequence)?;
    }
    assert_eq!(bench.socket.statistics()?.taken_back, 0);
    Ok(())
}

fn a_forgotten_block_comes_back() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let mut sequence = 0;
    for forgotten in 1..=6 {
        lap(&mut bench, 0..forgotten, &mut sequence)?;
        bench.send(50);
        let block = next(&mut bench.socket)?;
        sequence += 1;
        assert_eq!(block.sequence(), sequence);
        mem::forget(block);
        lap(&mut bench, 100..102, &mut sequence)?;
        let counts = bench.socket.statistics()?;
        assert_eq!((counts.taken_back, counts.held), (forgotten, 0));
    }
    let counts = bench.socket.statistics()?;
    assert_eq!((counts.drops, counts.freezes), (0, 0));
    Ok(())
}

fn a_block_forgotten_under_a_living_receiver_comes_back_with_the_next() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let template = frame::numbered(0, FRAME);
    let mut receiver = bench.socket.receiver();
    for sequence in 1..=4 {
        bench.injector.flood(&template, sequence..sequence + 1);
        let block = take(&mut receiver)?;
        assert_eq!(block.sequence(), sequence);
        if sequence == 2 {
            mem::forget(block);
        }
    }
    // The block in turn is free, the next was forgotten.
    bench.injector.flood(&template, 5..6);
    assert_eq!(take(&mut receiver)?.sequence(), 5);
    bench.injector.flood(&template, 6..26);
    let counts = settled(25, || receiver.statistics())?;
    assert_eq!((counts.drops, counts.held, counts.taken_back), (20, 1, 0));
    assert!(counts.freezes >= 1);
    assert!(is_quiet(&mut receiver)?);

    let mut sequence = 5;
    let counts = bench.socket.statistics()?;
    assert_eq!((counts.drops, counts.held, counts.taken_back), (20, 0, 1));
    lap(&mut bench, 100..110, &mut sequence)?;
    assert_eq!(bench.socket.statistics()?.drops, 20);
    Ok(())
}

fn a_leaked_socket_gives_blocks_without_an_end() -> TestResult {
    let bench = Bench::new(PROMPT)?;
    let socket: &'static mut Receiving = Box::leak(Box::new(bench.socket));
    let mut receiver = socket.receiver();
    for number in 0..10 {
        bench
            .injector
            .flood(&frame::numbered(0, FRAME), number..number + 1);
        let block: Block<&'static Slots> = take(&mut receiver)?;
        let seen = thread::spawn(move || (block.sequence(), numbers(&block))).join();
        assert_eq!(
            seen.map_err(|_| "the thread panicked")?,
            (number + 1, vec![number])
        );
    }
    assert_eq!(receiver.statistics()?.held, 0);
    Ok(())
}

suite![
    a_held_block_stops_the_ring_and_its_release_moves_it_on,
    a_block_that_is_out_is_not_handed_out_twice,
    other_threads_release_blocks_in_any_order,
    blocks_are_taken_while_others_are_being_released,
    a_panic_releases_the_block_once,
    a_panic_in_for_each_releases_the_block,
    a_forgotten_block_comes_back,
    a_block_forgotten_under_a_living_receiver_comes_back_with_the_next,
    a_leaked_socket_gives_blocks_without_an_end,
];
