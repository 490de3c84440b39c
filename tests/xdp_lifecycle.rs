//! Sockets that come and go on one queue, over one memory.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use core::time::Duration;

use packet_ring::xdp::{RxTxRings, Socket, Umem, UmemGeometry};
use packet_ring::{Deadline, Error};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, Witness, frame, procfs, suite};
use xdp::rights::map;
use xdp_path::{
    PATIENCE, Polling, RINGS, SLOTS, Wired, assert_all_come_back, receive_numbers, send, variants,
};

fn a_queue_is_closed_and_opened_again_fifty_times_and_nothing_is_left() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let geometry = UmemGeometry::new(variant.chunk, 256)?;
        let (umem, mut pool) = Umem::new(geometry)?;
        let left = procfs::open_fds()?;
        for number in 0..50 {
            let mut socket = Socket::configure(RINGS, &umem)?;
            if variant.polling == Polling::Busy {
                socket.busy_poll(Duration::from_micros(20), 64)?;
            }
            let mut socket = socket.map()?;
            assert_eq!(socket.rings().fill.stock(&mut pool, SLOTS.get())?, 64);
            let mut socket = socket.bind_until(wired.queue(), Deadline::after(PATIENCE))?;
            wired.map.insert(0, &socket)?;
            let RxTxRings { rx, fill, tx, .. } = socket.rings();
            wired.injector.send(&frame::numbered(number, 60))?;
            assert_eq!(receive_numbers(rx, fill, &mut pool, 1)?, [number]);
            send(tx, &mut pool, &[frame::numbered(number, 60)])?;
            let seen = witness.receive(PATIENCE)?.ok_or("it was not sent")?;
            assert_eq!(frame::number(&seen.bytes), Some(number));
            // Closed with frames in every ring but that of received ones.
            assert_all_come_back(socket, &mut pool)?;
            assert_eq!(umem.census().free, 256);
        }
        assert_eq!(procfs::open_fds()?, left, "{variant:?}");
        let far = wired.pair.far.counters()?;
        assert_eq!((far.rx_packets, far.tx_packets), (50, 50), "{variant:?}");
        assert_eq!(umem.spurious(), 0);
    }
    Ok(())
}

fn a_queue_that_is_taken_is_busy_until_it_is_closed() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let (holder, _umem, mut pool) = wired.variant(variant)?;
        let geometry = UmemGeometry::new(variant.chunk, 256)?;
        let (umem, mut own) = Umem::new(geometry)?;
        let mut socket = Socket::configure(RINGS, &umem)?.map()?;
        socket.rings().fill.stock(&mut own, 8)?;
        let busy = Error::QueueBusy {
            interface: wired.interface.index(),
            queue: 0,
        };
        let failed = socket.bind(wired.queue()).expect_err("it is taken");
        assert_eq!(failed.error(), busy, "{variant:?}");
        let soon = Deadline::after(Duration::from_millis(20));
        let failed = failed
            .into_socket()
            .bind_until(wired.queue(), soon)
            .expect_err("it is taken still");
        assert_eq!(failed.error(), busy, "{variant:?}");
        assert_all_come_back(holder, &mut pool)?;

        // The same socket, with what its fill ring had.
        let later = Deadline::after(PATIENCE);
        let mut socket = failed.into_socket().bind_until(wired.queue(), later)?;
        wired.map.insert(0, &socket)?;
        assert_eq!(umem.census().with_rx, 8);
        wired.injector.send(&frame::numbered(1, 60))?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        assert_eq!(receive_numbers(rx, fill, &mut own, 1)?, [1]);
        assert_eq!(wired.pair.far.counters()?.rx_packets, 1);
    }
    Ok(())
}

suite! {
    a_queue_that_is_taken_is_busy_until_it_is_closed;
    alone:
    a_queue_is_closed_and_opened_again_fifty_times_and_nothing_is_left,
}
