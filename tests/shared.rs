//! Blocks that own a share of the ring.

mod data_path;

use core::mem;
use core::ops::ControlFlow;
use core::time::Duration;
use std::panic::resume_unwind;
use std::thread;

use packet_ring::handoff::Shared;
use packet_ring::packet::{Block, Ended, Geometry, Owner, SharedReceiver};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{frame, procfs, suite};

use data_path::{Bench, FRAME, PATIENCE, PROMPT, interface, numbers, settled};

/// The next block, waited for.
fn take(receiver: &mut SharedReceiver) -> Result<Block<Shared<Owner>>, Stopped> {
    match receiver.wait(Deadline::after(PATIENCE), OnSignal::Continue)? {
        Wake::Ready => Ok(receiver.next_block().ok_or("a ready block was not there")?),
        other => Err(format!("no block came: {other:?}").into()),
    }
}

fn blocks_are_released_by_threads_that_borrow_nothing() -> TestResult {
    const COUNT: u64 = 5_000;
    let bench = Bench::new(Geometry::new(4096, 512)?)?;
    bench.flood(0..COUNT);
    let mut receiver = bench.socket.into_shared();
    let mut threads = Vec::new();
    let mut packets = 0;
    let mut sequence = 0;
    while packets < COUNT {
        let block = take(&mut receiver)?;
        sequence += 1;
        assert_eq!(block.sequence(), sequence);
        packets += u64::from(block.packet_count());
        threads.push(thread::spawn(move || numbers(&block)));
    }
    let seen: Vec<u64> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
        .collect();
    assert!(seen.into_iter().eq(0..COUNT));
    let counts = receiver.statistics()?;
    assert_eq!((counts.packets, counts.drops, counts.held), (COUNT, 0, 0));
    assert_eq!(bench.pair.far.counters()?.rx_packets, COUNT);
    Ok(())
}

fn a_shared_block_that_is_out_is_not_handed_out_twice() -> TestResult {
    let bench = Bench::new(PROMPT)?;
    let template = frame::numbered(0, FRAME);
    let mut receiver = bench.socket.into_shared();
    let mut blocks = Vec::new();
    for number in 0..4 {
        bench.injector.flood(&template, number..number + 1);
        blocks.push(take(&mut receiver)?);
    }
    bench.injector.flood(&template, 4..10);
    settled(10, || receiver.statistics())?;
    let end = Deadline::after(Duration::from_millis(50));
    assert_eq!(receiver.wait(end, OnSignal::Continue)?, Wake::TimedOut);
    assert!(receiver.next_block().is_none());
    assert_eq!(receiver.statistics()?.held, 4);
    // In any order: the first moves the ring on.
    drop(blocks.split_off(1));
    assert!(receiver.next_block().is_none());
    assert_eq!(numbers(&blocks[0]), [0]);
    drop(blocks);
    bench.injector.flood(&template, 10..11);
    let block = take(&mut receiver)?;
    assert_eq!((block.sequence(), numbers(&block)), (5, vec![10]));
    Ok(())
}

fn packets_are_run_over_until_the_closure_or_the_deadline_ends_it() -> TestResult {
    let bench = Bench::new(PROMPT)?;
    let template = frame::numbered(0, FRAME);
    bench.injector.flood(&template, 0..10);
    let mut receiver = bench.socket.into_shared();
    assert_eq!(receiver.interface(), interface(&bench.pair.far)?);
    let mut seen = Vec::new();
    let ended = receiver.for_each(Deadline::after(PATIENCE), OnSignal::Continue, |packet| {
        seen.extend(frame::number(packet.data()));
        if seen.len() == 10 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    assert_eq!(ended, Ended::Stopped);
    assert!(seen.into_iter().eq(0..10));
    let soon = Deadline::after(Duration::from_millis(10));
    let ended = receiver.for_each(soon, OnSignal::Continue, |_| ControlFlow::Break(()))?;
    assert_eq!(ended, Ended::TimedOut);
    // Every block went back.
    assert_eq!(receiver.statistics()?.held, 0);
    Ok(())
}

fn a_forgotten_shared_block_is_counted_and_stops_the_ring() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    // One forgotten before, which the way into sharing takes back.
    bench.send(0);
    mem::forget(data_path::next(&mut bench.socket)?);
    let template = frame::numbered(0, FRAME);
    let mut receiver = bench.socket.into_shared();
    for number in 1..5 {
        bench.injector.flood(&template, number..number + 1);
        let block = take(&mut receiver)?;
        assert_eq!(
            (block.sequence(), numbers(&block)),
            (number + 1, vec![number])
        );
        if number == 4 {
            mem::forget(block);
        }
    }
    let counts = receiver.statistics()?;
    assert_eq!((counts.held, counts.taken_back, counts.drops), (1, 1, 0));
    for number in 5..8 {
        bench.injector.flood(&template, number..number + 1);
        let block = take(&mut receiver)?;
        assert_eq!(
            (block.sequence(), numbers(&block)),
            (number + 1, vec![number])
        );
    }
    bench.injector.flood(&template, 8..18);
    let counts = settled(18, || receiver.statistics())?;
    assert_eq!((counts.held, counts.taken_back, counts.drops), (1, 1, 10));
    assert!(receiver.next_block().is_none());
    Ok(())
}

fn the_ring_lives_as_long_as_its_last_block() -> TestResult {
    let maps = || procfs::maps("socket:[");
    let before = (maps()?, procfs::open_fds()?);
    let Bench {
        pair,
        injector,
        socket,
    } = Bench::new(PROMPT)?;
    injector.send(&frame::numbered(7, FRAME))?;
    let mut receiver = socket.into_shared();
    let block = take(&mut receiver)?;
    let another = {
        injector.send(&frame::numbered(8, FRAME))?;
        take(&mut receiver)?
    };
    let with_ring = (maps()?, procfs::open_fds()?);
    assert_eq!(with_ring.0, before.0 + 1);
    drop(receiver);
    drop(another);
    assert_eq!((maps()?, procfs::open_fds()?), with_ring);
    assert_eq!(numbers(&block), [7]);
    let seen = thread::spawn(move || numbers(&block)).join();
    assert_eq!(seen.map_err(|_| "the thread panicked")?, [7]);
    drop((pair, injector));
    assert_eq!((maps()?, procfs::open_fds()?), before);
    Ok(())
}

suite![
    blocks_are_released_by_threads_that_borrow_nothing,
    a_shared_block_that_is_out_is_not_handed_out_twice,
    packets_are_run_over_until_the_closure_or_the_deadline_ends_it,
    a_forgotten_shared_block_is_counted_and_stops_the_ring;
    alone: the_ring_lives_as_long_as_its_last_block,
];
