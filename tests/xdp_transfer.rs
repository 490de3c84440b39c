//! Packets through AF_XDP sockets: received whole and in order, sent as they were queued.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use core::time::Duration;

use packet_ring::xdp::{AttachMode, RxTxRings, UmemGeometry};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, Witness, frame, suite};
use xdp::rights::map;
use xdp_path::{GEOMETRY, MODES, PATIENCE, Polling, RINGS, Wired, reap, receive_numbers, send};

fn frames_come_whole_and_in_order() -> TestResult {
    for (mode, chunk) in MODES
        .into_iter()
        .flat_map(|mode| [(mode, 2048), (mode, 4096)])
    {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, mode)?;
        let (mut socket, umem, mut pool) = wired.socket(UmemGeometry::new(chunk, 256)?)?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        for first in (0..1024_u64).step_by(32) {
            let frames: Vec<_> = (first..first + 32)
                .map(|number| frame::numbered(number, 60 + number as usize))
                .collect();
            wired.injector.send_batch(&frames)?;
            let numbers = receive_numbers(rx, fill, &mut pool, 32)?;
            assert_eq!(numbers, (first..first + 32).collect::<Vec<_>>());
        }
        assert_eq!(wired.pair.far.counters()?.rx_packets, 1024);
        let census = umem.census();
        assert_eq!((census.held, census.dropped, census.with_tx), (0, 0, 0));
        assert_eq!(census.free + census.with_rx, 256);
        assert_eq!(umem.spurious(), 0);
    }
    Ok(())
}

fn one_flush_sends_all_that_is_queued() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let wired = Wired::new(map, AttachMode::Native)?;
    let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
    let (mut socket, _umem, mut pool) = wired.socket(GEOMETRY)?;
    let RxTxRings { tx, completion, .. } = socket.rings();
    let mut batch = tx.batch(64);
    for number in 0..64 {
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&frame::numbered(number, 60))?;
        batch.push(frame)?;
    }
    drop(batch);
    assert_eq!(tx.flush()?, 0);
    let numbers = witness.numbers_until_quiet(Duration::from_secs(1))?;
    assert_eq!(numbers, (0..64).collect::<Vec<_>>());
    assert_eq!(wired.pair.far.counters()?.tx_packets, 64);
    assert_eq!(completion.reap(&mut pool, 128)?, 64);
    Ok(())
}

fn a_socket_that_is_not_told_when_to_kick_sends_and_receives() -> TestResult {
    for mode in MODES {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let queue = wired.queue().always_wake();
        let (mut socket, umem, mut pool) =
            wired.open(RINGS, GEOMETRY, Polling::Interrupts, queue)?;
        let RxTxRings {
            rx,
            fill,
            tx,
            completion,
        } = socket.rings();
        for first in [0, 64] {
            let frames: Vec<_> = (first..first + 64)
                .map(|number| frame::numbered(number, 60))
                .collect();
            wired.injector.send_batch(&frames)?;
            let numbers = receive_numbers(rx, fill, &mut pool, 64)?;
            assert_eq!(numbers, (first..first + 64).collect::<Vec<_>>());
            assert!(!fill.needs_wakeup());
            send(tx, &mut pool, &frames)?;
            assert!(tx.needs_wakeup());
            reap(completion, &mut pool, 64)?;
        }
        let sent = witness.numbers_until_quiet(Duration::from_secs(1))?;
        assert_eq!(sent, (0..128).collect::<Vec<_>>());
        assert_eq!(umem.spurious(), 0);
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&frame::numbered(0, 60))?;
        tx.batch(1).push(frame)?;
        // A wait sends what is queued, too.
        let wake = rx.wait(
            Deadline::after(Duration::from_millis(50)),
            OnSignal::Continue,
        )?;
        assert_eq!(wake, Wake::TimedOut);
        assert_eq!(wired.pair.far.counters()?.tx_packets, 129);
    }
    Ok(())
}

fn a_batch_has_every_slot_that_is_free() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let wired = Wired::new(map, AttachMode::Native)?;
    let (mut socket, _umem, mut pool) = wired.socket(GEOMETRY)?;
    let RxTxRings {
        rx,
        fill,
        tx,
        completion,
    } = socket.rings();
    for first in [0, 40] {
        // So that some slots are known to be free, and the kernel has emptied the others.
        let frames: Vec<_> = (first..first + 40)
            .map(|number| frame::numbered(number, 60))
            .collect();
        send(tx, &mut pool, &frames)?;
        reap(completion, &mut pool, 40)?;
        assert_eq!(tx.batch(64).room(), 64);
        assert_eq!(tx.batch(10).room(), 10);
    }
    // The fill ring was full.
    let mut arrive = |first: u64| -> TestResult {
        let frames: Vec<_> = (first..first + 20)
            .map(|number| frame::numbered(number, 60))
            .collect();
        wired.injector.send_batch(&frames)?;
        let mut received = 0;
        while received < 20 {
            let wake = rx.wait(Deadline::after(PATIENCE), OnSignal::Continue)?;
            assert_eq!(wake, Wake::Ready);
            received += rx.batch(20).count();
        }
        Ok(())
    };
    arrive(0)?;
    assert_eq!(fill.stock(&mut pool, 5)?, 5);
    arrive(20)?;
    assert_eq!(fill.stock(&mut pool, 64)?, 35);
    Ok(())
}

suite! {
    frames_come_whole_and_in_order,
    one_flush_sends_all_that_is_queued,
    a_batch_has_every_slot_that_is_free,
    a_socket_that_is_not_told_when_to_kick_sends_and_receives,
}
