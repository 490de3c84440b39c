//! Packets both ways at once through one socket, far more of them than its memory has chunks.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use packet_ring::xdp::{RxTxRings, UmemGeometry};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, Witness, frame, suite};
use xdp::rights::map;
use xdp_path::{
    PATIENCE, RINGS, Wired, assert_all_come_back, reap, receive_numbers, send, variants,
};

const PACKETS: u64 = 10_000;
const ROUND: u64 = 16;

/// Chunks of the small memory: what the fill ring takes, and one round to send.
const CHUNKS: u32 = 64 + ROUND as u32;

fn ten_thousand_packets_go_both_ways_through_a_small_memory() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let geometry = UmemGeometry::new(variant.chunk, CHUNKS)?;
        let (mut socket, umem, mut pool) =
            wired.open(RINGS, geometry, variant.polling, wired.queue())?;
        let RxTxRings {
            rx,
            fill,
            tx,
            completion,
        } = socket.rings();
        for first in (0..PACKETS).step_by(ROUND as usize) {
            let numbers: Vec<_> = (first..first + ROUND).collect();
            let len = 60 + (first % 1000) as usize;
            let packets: Vec<_> = numbers
                .iter()
                .map(|&number| frame::numbered(number, len))
                .collect();
            wired.injector.send_batch(&packets)?;
            send(tx, &mut pool, &packets)?;
            let received = receive_numbers(rx, fill, &mut pool, packets.len())?;
            assert_eq!(received, numbers, "{variant:?}");
            for packet in &packets {
                let seen = witness.receive(PATIENCE)?.ok_or("a packet was not sent")?;
                assert_eq!(&seen.bytes, packet, "{variant:?}");
            }
            reap(completion, &mut pool, ROUND as u32)?;
        }
        let far = wired.pair.far.counters()?;
        assert_eq!((far.rx_packets, far.tx_packets), (PACKETS, PACKETS));
        assert_eq!(wired.pair.near.counters()?.rx_packets, PACKETS);
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

suite![ten_thousand_packets_go_both_ways_through_a_small_memory];
