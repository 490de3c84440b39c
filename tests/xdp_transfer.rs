//! Packets through AF_XDP sockets: received whole and in order, sent as they were queued.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use core::time::Duration;

use packet_ring::xdp::{AttachMode, RxTxRings, UmemGeometry};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, Witness, frame, suite};
use xdp::rights::map;
use xdp_path::{GEOMETRY, MODES, Wired, receive_numbers};

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

suite! {
    frames_come_whole_and_in_order,
    one_flush_sends_all_that_is_queued,
}
