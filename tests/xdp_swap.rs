//! The map's entry changes hands while packets flow: each goes to one socket or to the other.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use packet_ring::Deadline;
use packet_ring::xdp::{Pool, RxRing, RxTxRings, UmemGeometry};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{LabError, frame, suite};
use xdp::rights::map;
use xdp_path::{PATIENCE, RINGS, SLOTS, Wired, variants};

const PACKETS: u64 = 10_000;

/// How many packets may be on their way: the rings hold twice as many.
const WINDOW: u64 = 32;

/// Takes what has arrived; tells how many there were.
fn drain(rx: &mut RxRing, pool: &mut Pool, received: &mut Vec<u64>) -> Result<u64, Stopped> {
    let mut count = 0;
    for frame in rx.batch(8) {
        assert!(frame::is_intact(frame.bytes()));
        received.extend(frame::number(frame.bytes()));
        pool.give(frame).map_err(|_| "a foreign frame")?;
        count += 1;
    }
    Ok(count)
}

fn no_packet_is_lost_between_two_sockets_and_none_comes_to_both() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let geometry = UmemGeometry::new(variant.chunk, 256)?;
        let (socket, umem, mut pool) =
            wired.open(RINGS, geometry, variant.polling, wired.queue())?;
        let mut socket = socket.share();
        let mut sibling = socket.sibling_rx(SLOTS)?;
        let RxTxRings { rx, fill, .. } = socket.rings();

        let (arrived, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let inject = || -> Result<(), LabError> {
            let mut sent = 0;
            while sent < PACKETS && !over.load(Ordering::Relaxed) {
                if sent + 8 > arrived.load(Ordering::Relaxed) + WINDOW {
                    thread::yield_now();
                    continue;
                }
                let packets: Vec<_> = (sent..sent + 8)
                    .map(|number| frame::numbered(number, 60))
                    .collect();
                wired.injector.send_batch(&packets)?;
                sent += 8;
            }
            Ok(())
        };
        let mut swaps = 0_u32;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let mut swap_and_receive = || -> TestResult {
            let deadline = Deadline::after(PATIENCE);
            while ((first.len() + second.len()) as u64) < PACKETS {
                swaps += 1;
                match swaps % 2 {
                    0 => wired.map.insert(0, &*rx)?,
                    _ => wired.map.insert(0, &sibling)?,
                }
                let taken = drain(rx, &mut pool, &mut first)?
                    + drain(&mut sibling, &mut pool, &mut second)?;
                arrived.fetch_add(taken, Ordering::Relaxed);
                fill.stock(&mut pool, SLOTS.get())?;
                if fill.needs_wakeup() {
                    fill.wake()?;
                }
                if taken == 0 && deadline.has_passed() {
                    let (first, second) = (first.len(), second.len());
                    return Err(format!("{first} and {second} packets came").into());
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let injected = scope.spawn(inject);
            let received = swap_and_receive();
            over.store(true, Ordering::Relaxed);
            let injected = injected.join().map_err(|_| "the injector panicked")?;
            received?;
            Ok::<_, Stopped>(injected?)
        })?;

        assert_eq!(
            wired.pair.far.counters()?.rx_packets,
            PACKETS,
            "{variant:?}"
        );
        assert!(!first.is_empty() && !second.is_empty(), "one had them all");
        for numbers in [&first, &second] {
            assert!(numbers.is_sorted(), "out of order, {variant:?}");
        }
        let mut numbers = [first, second].concat();
        numbers.sort_unstable();
        assert!(
            numbers.into_iter().eq(0..PACKETS),
            "lost or doubled, {variant:?}"
        );
        assert_eq!(umem.spurious(), 0, "{variant:?}");
        let census = umem.census();
        assert_eq!(census.free + census.with_rx, 256, "{census:?}");
    }
    Ok(())
}

suite![no_packet_is_lost_between_two_sockets_and_none_comes_to_both];
