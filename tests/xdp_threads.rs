//! Four rings on four threads, and the socket put together again.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use std::sync::mpsc;
use std::thread;

use packet_ring::xdp::{AttachMode, Frame, RxTxRings, UmemGeometry};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Sees, Witness, frame, suite};
use xdp::rights::map;
use xdp_path::{PATIENCE, Wired};

/// Received, sent on, completed and filled, by a thread each, which pass frames along.
fn four_threads_have_a_ring_each() -> TestResult {
    const COUNT: u64 = 20_000;
    /// As many as come at once, and lie in the rings: none is dropped for want of frames.
    const LAP: u64 = 32;
    let Some(map) = map()? else {
        return Ok(());
    };
    let wired = Wired::new(map, AttachMode::Native)?;
    let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
    let (socket, umem, mut pool) = wired.socket(UmemGeometry::new(2048, 256)?)?;
    let (rings, joint) = socket.split();
    let RxTxRings {
        mut rx,
        mut fill,
        mut tx,
        mut completion,
    } = rings;
    let deadline = Deadline::after(PATIENCE * 3);
    let (received, to_send) = mpsc::channel::<Frame>();
    let (done, to_fill) = mpsc::channel::<Frame>();
    let rings = thread::scope(|scope| {
        let receiving = scope.spawn(move || -> Result<_, Stopped> {
            let mut count = 0;
            while count < COUNT {
                if rx.wait(deadline, OnSignal::Continue)? != Wake::Ready {
                    return Err(format!("{count} of {COUNT} frames came").into());
                }
                for frame in rx.batch(32) {
                    count += 1;
                    received.send(frame)?;
                }
            }
            Ok(rx)
        });
        let sending = scope.spawn(move || -> Result<_, Stopped> {
            while let Ok(frame) = to_send.recv() {
                while tx.room() == 0 && !deadline.has_passed() {
                    let _ = tx.flush()?;
                }
                tx.batch(1).push(frame)?;
                let _ = tx.flush()?;
            }
            while tx.flush()? > 0 && !deadline.has_passed() {}
            Ok(tx)
        });
        let completing = scope.spawn(move || -> Result<_, Stopped> {
            let mut count = 0;
            while count < COUNT && !deadline.has_passed() {
                for frame in completion.batch(32) {
                    count += 1;
                    done.send(frame)?;
                }
                thread::yield_now();
            }
            Ok(completion)
        });
        let filling = scope.spawn(move || -> Result<_, Stopped> {
            while let Ok(frame) = to_fill.recv() {
                while fill.room() == 0 && !deadline.has_passed() {
                    thread::yield_now();
                }
                fill.batch(1).push(frame)?;
                if fill.needs_wakeup() {
                    fill.wake()?;
                }
            }
            Ok(fill)
        });
        // So many at a time that the frames suffice, however the threads run.
        let mut seen = 0;
        for first in (0..COUNT).step_by(LAP as usize) {
            let frames: Vec<_> = (first..first + LAP)
                .map(|number| frame::numbered(number, 60))
                .collect();
            // All the way round: the kernel drops what it has no frames for.
            while umem.census().with_rx < 64 && !deadline.has_passed() {
                thread::yield_now();
            }
            wired.injector.send_batch(&frames)?;
            while seen < first + LAP && !deadline.has_passed() {
                let Some(frame) = witness.receive(PATIENCE)? else {
                    return Err(format!("{seen} of {COUNT} frames came back").into());
                };
                // One thread each: the order stays.
                assert_eq!(frame::number(&frame.bytes), Some(seen));
                assert!(frame::is_intact(&frame.bytes), "a frame was damaged");
                seen += 1;
            }
        }
        Ok::<_, Stopped>(RxTxRings {
            rx: receiving.join().map_err(|_| "receiving panicked")??,
            tx: sending.join().map_err(|_| "sending panicked")??,
            completion: completing.join().map_err(|_| "completing panicked")??,
            fill: filling.join().map_err(|_| "filling panicked")??,
        })
    })?;
    let counters = wired.pair.far.counters()?;
    assert_eq!((counters.rx_packets, counters.tx_packets), (COUNT, COUNT));
    let census = umem.census();
    assert_eq!((census.held, census.dropped, census.with_tx), (0, 0, 0));
    assert_eq!((census.with_rx, umem.spurious()), (64, 0));
    // They are back: the socket can be closed, and all of the memory is there.
    let closed = joint.close(rings)?;
    assert_eq!(closed.reclaim(Deadline::after(PATIENCE))?, 64);
    pool.take_back();
    assert_eq!(pool.len(), 256);
    Ok(())
}

fn a_ring_goes_on_without_the_thread_that_made_it() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let wired = Wired::new(map, AttachMode::Generic)?;
    let (socket, umem, pool) = wired.socket(UmemGeometry::new(2048, 256)?)?;
    let (RxTxRings { mut rx, .. }, joint) = socket.split();
    // The other rings, the joint, the handle and the pool are gone.
    drop((joint, umem, pool));
    wired.injector.send(&frame::numbered(7, 60))?;
    let frame = thread::spawn(move || {
        let deadline = Deadline::after(PATIENCE);
        rx.wait(deadline, OnSignal::Continue)
            .map(|_| rx.batch(1).next())
    });
    // The frame outlives its ring.
    let frame = frame.join().map_err(|_| "a thread panicked")??;
    let frame = frame.ok_or("no frame")?;
    assert_eq!(frame::number(frame.bytes()), Some(7));
    Ok(())
}

suite! {
    four_threads_have_a_ring_each,
    a_ring_goes_on_without_the_thread_that_made_it,
}
