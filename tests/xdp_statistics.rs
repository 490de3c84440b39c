//! The kernel's counts of a socket, beside what the wire carried.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use packet_ring::xdp::{
    AttachMode, Kicked, MoreStatistics, RingSize, Rx, RxTx, RxTxRings, Statistics, Tx, UmemGeometry,
};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{VethOptions, frame, kernel, suite};
use xdp::rights::map;
use xdp_path::{PATIENCE, SLOTS, Wired, assert_all_come_back, receive_numbers, send, variants};

fn more(statistics: Statistics) -> Result<MoreStatistics, Stopped> {
    Ok(statistics.more.ok_or("before Linux 5.9")?)
}

/// Waits until the kernel has counted as many as `counted` asks for.
fn until(mut counted: impl FnMut() -> Result<bool, Stopped>) -> TestResult {
    let deadline = Deadline::after(PATIENCE);
    while !counted()? {
        if deadline.has_passed() {
            return Err("it was not counted".into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

fn a_packet_that_does_not_fit_one_frame_is_dropped_and_counted() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let options = VethOptions {
            mtu: 9000,
            ..VethOptions::default()
        };
        let wired = Wired::with(map, variant.mode, &options)?;
        let (mut socket, umem, mut pool) = wired.variant(variant)?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        wired.injector.send(&frame::numbered(0, 9014))?;
        wired.injector.send(&frame::numbered(1, 60))?;
        wired.injector.send(&frame::numbered(2, 4097))?;
        wired.injector.send(&frame::numbered(3, 60))?;
        let numbers = receive_numbers(rx, fill, &mut pool, 2)?;
        assert_eq!(numbers, [1, 3], "{variant:?}");
        // Before Linux 6.6 a packet in several pieces, as the driver has it, does not come as far as a socket.
        let counted = variant.mode == AttachMode::Generic || kernel::is_since(6, 6);
        let dropped = if counted { 2 } else { 0 };
        assert_eq!(rx.statistics()?.rx_dropped, dropped, "{variant:?}");
        assert_eq!(wired.pair.far.counters()?.rx_packets, 4, "{variant:?}");
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn what_a_full_receive_ring_loses_is_counted() -> TestResult {
    const FOUR: RingSize = RingSize::new_assert(4);
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let rings = RxTx::new(Rx::new(FOUR).fill(SLOTS), Tx::new(SLOTS));
        let geometry = UmemGeometry::new(variant.chunk, 256)?;
        let (mut socket, umem, mut pool) =
            wired.open(rings, geometry, variant.polling, wired.queue())?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        for number in 0..16 {
            wired.injector.send(&frame::numbered(number, 60))?;
        }
        until(|| Ok(more(rx.statistics()?)?.rx_ring_full >= 12))?;
        let statistics = rx.statistics()?;
        assert_eq!(more(statistics)?.rx_ring_full, 12, "{variant:?}");
        assert_eq!(statistics.rx_dropped, 0, "{variant:?}");
        assert_eq!(wired.pair.far.counters()?.rx_packets, 16);
        // Those that came first are there, and the next ones come.
        let numbers = receive_numbers(rx, fill, &mut pool, 4)?;
        assert_eq!(numbers, [0, 1, 2, 3], "{variant:?}");
        assert_eq!(
            rx.wait(Deadline::PASSED, OnSignal::Continue)?,
            Wake::TimedOut
        );
        wired.injector.send(&frame::numbered(16, 60))?;
        assert_eq!(receive_numbers(rx, fill, &mut pool, 1)?, [16]);
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn looking_into_an_empty_transmit_ring_is_counted() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let (mut socket, _umem, mut pool) = wired.variant(variant)?;
        let RxTxRings { tx, .. } = socket.rings();
        let before = more(tx.statistics()?)?.tx_ring_empty;
        assert_eq!(tx.flush()?, 0);
        assert_eq!(more(tx.statistics()?)?.tx_ring_empty, before, "no kick");
        for _ in 0..3 {
            assert_eq!(tx.kick()?, Kicked::Done);
        }
        let after = more(tx.statistics()?)?.tx_ring_empty;
        assert_eq!(after - before, 3, "{variant:?}");
        send(tx, &mut pool, &[frame::numbered(0, 60)])?;
        assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
        assert_eq!(wired.pair.far.counters()?.tx_packets, 1);
    }
    Ok(())
}

suite! {
    a_packet_that_does_not_fit_one_frame_is_dropped_and_counted,
    what_a_full_receive_ring_loses_is_counted,
    looking_into_an_empty_transmit_ring_is_counted,
}
