//! Rings that run dry or full: what is lost is counted, what waits is sent, and packets flow again.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use core::time::Duration;

use packet_ring::xdp::{RxTxRings, Socket, Umem, UmemGeometry};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, Witness, frame, kernel, suite};
use xdp::rights::map;
use xdp_path::{
    PATIENCE, RINGS, Wired, assert_all_come_back, reap, receive_numbers, send, variants,
};

const QUIET: Duration = Duration::from_millis(200);

fn packets_come_again_when_an_empty_fill_ring_is_stocked() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let geometry = UmemGeometry::new(variant.chunk, 256)?;
        let (umem, mut pool) = Umem::new(geometry)?;
        let mut socket = Socket::configure(RINGS, &umem)?;
        if variant.polling == xdp_path::Polling::Busy {
            socket.busy_poll(Duration::from_micros(20), 64)?;
        }
        let mut socket = socket.map()?.bind(wired.queue())?;
        wired.map.insert(0, &socket)?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        let mut lost = 0;
        for round in 0..20 {
            // Nothing to receive into.
            let first = round * 12;
            for number in first..first + 8 {
                wired.injector.send(&frame::numbered(number, 60))?;
            }
            lost += 8;
            let deadline = Deadline::after(PATIENCE);
            while rx
                .statistics()?
                .more
                .ok_or("before Linux 5.9")?
                .fill_ring_empty
                < lost
            {
                assert!(!deadline.has_passed(), "it was not counted, {variant:?}");
                std::thread::yield_now();
            }
            assert_eq!(rx.statistics()?.rx_dropped, lost, "{variant:?}");
            assert!(!rx.is_ready());

            // Four frames: what comes then is received.
            assert_eq!(fill.stock(&mut pool, 4)?, 4);
            if fill.needs_wakeup() {
                fill.wake()?;
            }
            for number in first + 8..first + 12 {
                wired.injector.send(&frame::numbered(number, 60))?;
            }
            let mut numbers = Vec::new();
            while numbers.len() < 4 {
                let wake = rx.wait(Deadline::after(PATIENCE), OnSignal::Continue)?;
                assert_eq!(wake, Wake::Ready, "{variant:?}");
                for frame in rx.batch(32) {
                    numbers.extend(frame::number(frame.bytes()));
                    pool.give(frame).map_err(|_| "a foreign frame")?;
                }
            }
            assert_eq!(numbers, (first + 8..first + 12).collect::<Vec<_>>());
        }
        assert_eq!(wired.pair.far.counters()?.rx_packets, 20 * 12);
        fill.stock(&mut pool, 64)?;
        wired.injector.send(&frame::numbered(999, 60))?;
        assert_eq!(receive_numbers(rx, fill, &mut pool, 1)?, [999]);
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn what_a_full_completion_ring_holds_up_is_sent_when_it_is_drained() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let (mut socket, umem, mut pool) = wired.variant(variant)?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        let packets: Vec<_> = (0..128).map(|number| frame::numbered(number, 60)).collect();
        send(tx, &mut pool, &packets[..64])?;

        // The completion ring is full now: nothing more is taken, and nothing is lost.
        let mut batch = tx.batch(64);
        for packet in &packets[64..] {
            let mut frame = pool.take().ok_or("no frame")?;
            frame.write(packet)?;
            batch.push(frame)?;
        }
        drop(batch);
        for _ in 0..5 {
            assert_eq!(tx.flush()?, 64, "{variant:?}");
        }
        assert_eq!(tx.room(), 0);
        assert_eq!(tx.batch(1).room(), 0);
        let numbers = witness.numbers_until_quiet(QUIET)?;
        assert_eq!(numbers, (0..64).collect::<Vec<_>>(), "{variant:?}");
        assert_eq!(wired.pair.far.counters()?.tx_packets, 64);

        // A few are drained, and as many are sent; then all. Before Linux 6.17 the kernel does not tell of a few.
        reap(completion, &mut pool, 10)?;
        let left = if kernel::is_since(6, 17) { 54 } else { 64 };
        assert_eq!(tx.flush()?, left, "{variant:?}");
        let numbers = witness.numbers_until_quiet(QUIET)?;
        assert_eq!(numbers, (64..74).collect::<Vec<_>>(), "{variant:?}");
        reap(completion, &mut pool, 64)?;
        assert_eq!(tx.flush()?, 0, "{variant:?}");
        reap(completion, &mut pool, 54)?;
        let numbers = witness.numbers_until_quiet(QUIET)?;
        assert_eq!(numbers, (74..128).collect::<Vec<_>>(), "{variant:?}");
        assert_eq!(wired.pair.far.counters()?.tx_packets, 128);
        assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
        assert_eq!(umem.spurious(), 0);
        assert_eq!(umem.census().with_tx, 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn a_forgotten_batch_loses_its_frames_and_no_more() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let (mut socket, umem, mut pool) = wired.variant(variant)?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        let packets: Vec<_> = (0..64).map(|number| frame::numbered(number, 60)).collect();
        wired.injector.send_batch(&packets)?;
        let deadline = Deadline::after(PATIENCE);
        let mut forgotten = 0;
        while forgotten < 64 {
            assert!(!deadline.has_passed(), "{variant:?}");
            let batch = rx.batch(64);
            forgotten += batch.remaining();
            core::mem::forget(batch);
            std::thread::yield_now();
        }
        // The ring is full still: the next batch empties it, and none of the frames comes again.
        assert!(rx.is_ready(), "{variant:?}");
        assert_eq!(rx.wait(deadline, OnSignal::Continue)?, Wake::Ready);
        assert_eq!(rx.batch(64).count(), 0, "{variant:?}");
        assert!(!rx.is_ready(), "{variant:?}");
        assert_eq!(umem.census().with_rx, 64);
        assert_eq!(fill.stock(&mut pool, 64)?, 64);
        wired.injector.send_batch(&packets)?;
        let numbers = receive_numbers(rx, fill, &mut pool, 64)?;
        assert_eq!(numbers, (0..64).collect::<Vec<_>>(), "{variant:?}");
        assert_eq!(wired.pair.far.counters()?.rx_packets, 128);
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

suite! {
    packets_come_again_when_an_empty_fill_ring_is_stocked,
    what_a_full_completion_ring_holds_up_is_sent_when_it_is_drained,
    a_forgotten_batch_loses_its_frames_and_no_more,
}
