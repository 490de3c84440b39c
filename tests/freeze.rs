//! The ring full: what the kernel drops and how it is counted, and how receiving resumes.

mod data_path;

use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::packet::{BlockStatus, Geometry, Rx, Statistics};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};

use data_path::{
    Bench, FRAME, FULL, PATIENCE, Receiving, SMALL, is_quiet, next, numbers, receive_on, settled,
    take,
};

/// What the four blocks of [`SMALL`] hold.
const RING: u64 = 4 * FULL;

/// A socket that learns of each packet last: the kernel shows a packet to the socket bound last
/// first.
struct Last(Receiving);

impl Last {
    /// Waits until every socket on the link was shown this many packets.
    fn wait(&mut self, packets: u64) -> TestResult {
        settled(packets, || self.0.statistics()).map(drop)
    }
}

fn drops_and_freezes_are_counted_exactly() -> TestResult {
    let mut bench = Bench::new(SMALL)?;
    bench.flood(0..1000);
    let counts = settled(1000, || bench.socket.statistics())?;
    assert_eq!((counts.drops, counts.freezes), (1000 - RING, 1));

    let mut receiver = bench.socket.receiver();
    let mut blocks = Vec::new();
    for sequence in 1..=4 {
        let block = take(&mut receiver)?;
        assert_eq!(block.sequence(), sequence);
        let first = (sequence - 1) * FULL;
        assert_eq!(
            numbers(&block),
            (first..first + FULL).collect::<Vec<_>>(),
            "block {sequence}"
        );
        blocks.push(block);
    }
    assert_eq!(receiver.statistics()?.held, 4);
    assert!(is_quiet(&mut receiver)?);
    drop(blocks);

    // The packet behind a full block ends it.
    bench.flood(1000..1001 + FULL);
    let block = next(&mut bench.socket)?;
    assert_eq!(block.sequence(), 5);
    assert_eq!(numbers(&block), (1000..1000 + FULL).collect::<Vec<_>>());
    drop(block);
    let counts = bench.socket.statistics()?;
    assert_eq!((counts.drops, counts.freezes), (1000 - RING, 1));

    // One packet is in the open block already.
    bench.flood(1001 + FULL..2000);
    let counts = settled(2000, || bench.socket.statistics())?;
    let fitted = RING + FULL + RING;
    assert_eq!((counts.drops, counts.freezes), (2000 - fitted, 2));
    assert_eq!(counts.held, 0);
    assert_eq!(bench.pair.far.counters()?.rx_packets, 2000);
    Ok(())
}

fn held_blocks_stay_as_they_are_while_the_ring_is_frozen() -> TestResult {
    let Bench {
        pair,
        injector,
        mut socket,
    } = Bench::new(SMALL)?;
    let template = frame::numbered(0, FRAME);
    let mut receiver = socket.receiver();
    injector.flood(&template, 0..RING + 1);
    let blocks: Vec<_> = (0..4)
        .map(|_| take(&mut receiver))
        .collect::<Result<_, _>>()?;
    injector.flood(&template, RING + 1..5000);
    settled(5000, || receiver.statistics())?;
    let held: Vec<_> = blocks.iter().flat_map(numbers).collect();
    assert_eq!(held, (0..RING).collect::<Vec<_>>());
    assert!(
        blocks
            .iter()
            .flat_map(|block| block.packets())
            .all(|packet| frame::is_intact(packet.data()))
    );
    drop(blocks);
    injector.flood(&template, 5000..5001 + FULL);
    assert_eq!(take(&mut receiver)?.sequence(), 5);
    assert_eq!(pair.far.counters()?.rx_packets, 5001 + FULL);
    Ok(())
}

fn a_frozen_ring_thaws_on_an_idle_link() -> TestResult {
    let prompt = SMALL.retire_timeout(Duration::from_millis(5))?;
    let mut bench = Bench::new(prompt)?;
    bench.flood(0..1000);
    settled(1000, || bench.socket.statistics())?;
    for sequence in 1..=4 {
        assert_eq!(next(&mut bench.socket)?.sequence(), sequence);
    }
    assert!(is_quiet(&mut bench.socket.receiver())?);
    for number in 1000..1010 {
        bench.send(number);
        let block = next(&mut bench.socket)?;
        assert_eq!(block.sequence(), number - 995);
        assert_eq!(numbers(&block), [number]);
    }
    assert_eq!(bench.socket.statistics()?.freezes, 1);
    Ok(())
}

fn blocks_say_losing_until_the_statistics_are_read() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut last = Last(receive_on(&pair.far, Rx::new(SMALL))?);
    let mut bench = Bench {
        socket: receive_on(&pair.far, Rx::new(SMALL))?,
        injector: Injector::on(&pair.near)?,
        pair,
    };
    let losing = |socket: &mut Receiving| -> Result<bool, Stopped> {
        Ok(next(socket)?.status().contains(BlockStatus::LOSING))
    };
    bench.flood(0..1000);
    last.wait(1000)?;
    // The drops came when all four had ended.
    for _ in 0..4 {
        assert!(!losing(&mut bench.socket)?);
    }
    bench.flood(1000..1001 + 2 * FULL);
    last.wait(1001 + 2 * FULL)?;
    assert!(losing(&mut bench.socket)?);
    assert!(losing(&mut bench.socket)?);
    assert_eq!(bench.socket.statistics()?.drops, 1000 - RING);
    bench.flood(1001 + 2 * FULL..1001 + 3 * FULL);
    assert!(!losing(&mut bench.socket)?);
    assert_eq!(bench.socket.statistics()?.drops, 1000 - RING);
    Ok(())
}

fn statistics_never_go_back() -> TestResult {
    const COUNT: u64 = 50_000;
    let mut bench = Bench::new(Geometry::new(4096, 4)?)?;
    let end = Instant::now() + PATIENCE;
    let mut before = Statistics::default();
    let mut delivered = 0;
    thread::scope(|scope| {
        let template = frame::numbered(0, FRAME);
        let injector = &bench.injector;
        scope.spawn(move || injector.flood(&template, 0..COUNT));
        while before.packets < COUNT && Instant::now() < end {
            delivered += bench
                .socket
                .next_block()
                .map_or(0, |block| u64::from(block.packet_count()));
            let now = bench.socket.statistics()?;
            assert!(now.packets >= before.packets, "{before:?} {now:?}");
            assert!(now.drops >= before.drops && now.freezes >= before.freezes);
            assert!(now.packets >= now.drops + delivered);
            before = now;
        }
        TestResult::Ok(())
    })?;
    assert_eq!(before.packets, COUNT);
    assert_eq!(bench.pair.far.counters()?.rx_packets, COUNT);
    while delivered + before.drops < COUNT {
        delivered += u64::from(next(&mut bench.socket)?.packet_count());
    }
    assert_eq!(delivered + before.drops, COUNT);
    Ok(())
}

suite![
    drops_and_freezes_are_counted_exactly,
    held_blocks_stay_as_they_are_while_the_ring_is_frozen,
    a_frozen_ring_thaws_on_an_idle_link,
    blocks_say_losing_until_the_statistics_are_read,
    statistics_never_go_back,
];
