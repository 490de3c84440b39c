//! Packets larger than a chunk: received whole, in fragments, and sent in as many as the kernel takes.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use core::time::Duration;

use packet_ring::xdp::{Fragments, Frame, Pool, RxRing, RxTxRings, Umem, UmemGeometry};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Sees, VethOptions, Witness, frame, suite};
use xdp::rights::map;
use xdp_path::older::refuses_fragments;
use xdp_path::{GEOMETRY, PATIENCE, RINGS, Variant, Wired, assert_all_come_back, reap, variants};

const JUMBO: VethOptions<'static> = VethOptions {
    names: None,
    mtu: 9000,
    queues: 1,
    far_namespace: None,
};

/// An Ethernet header and 9,000 bytes.
const LEN: usize = 9014;

/// The packet's bytes.
fn joined(packet: &Fragments) -> Vec<u8> {
    packet.iter().flat_map(Frame::bytes).copied().collect()
}

/// How many frames the kernel makes of a packet.
fn frames_of(len: usize, geometry: UmemGeometry) -> usize {
    len.div_ceil(geometry.receive_capacity() as usize)
}

/// Waits until so many frames have come.
fn until_frames_are_there(rx: &mut RxRing, frames: u32) -> TestResult {
    let deadline = Deadline::after(PATIENCE);
    loop {
        assert_eq!(rx.wait(deadline, OnSignal::Continue)?, Wake::Ready);
        // What a batch does not take stays.
        if rx.batch(u32::MAX).remaining() >= frames {
            return Ok(());
        }
        if deadline.has_passed() {
            return Err("they did not come".into());
        }
        std::thread::yield_now();
    }
}

fn give(pool: &mut Pool, packet: Fragments) -> TestResult {
    for mut frame in packet {
        frame.clear();
        assert!(!frame.continues() && frame.is_empty());
        pool.give(frame).map_err(|_| "a foreign frame")?;
    }
    Ok(())
}

fn a_packet_of_9000_bytes_comes_whole() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::with(map, variant.mode, &JUMBO)?;
        if refuses_fragments(&wired)? {
            return Ok(());
        }
        let geometry = UmemGeometry::new(variant.chunk, 256)?;
        let queue = wired.queue().multi_buffer();
        let (mut socket, umem, mut pool) = wired.open(RINGS, geometry, variant.polling, queue)?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        for number in 0..100 {
            // Alone, and with small ones about it.
            let packets = [LEN, 60, geometry.receive_capacity() as usize, LEN - 500]
                .map(|len| frame::numbered(number, len));
            wired.injector.send_batch(&packets)?;
            let counts = packets
                .each_ref()
                .map(|packet| frames_of(packet.len(), geometry));
            let frames: usize = counts.iter().sum();
            until_frames_are_there(rx, frames as u32)?;
            let mut batch = rx.batch(u32::MAX);
            for (packet, count) in packets.iter().zip(counts) {
                let received = batch.next_packet().ok_or("no packet")?;
                assert_eq!(received.len(), count, "{variant:?}");
                assert_eq!(received.packet_len(), packet.len(), "{variant:?}");
                // All but the last go on.
                let goes_on: Vec<_> = received.iter().map(Frame::continues).collect();
                let expected: Vec<_> = (1..=count).map(|frame| frame < count).collect();
                assert_eq!(goes_on, expected, "{variant:?}");
                assert!(&joined(&received) == packet, "{variant:?}");
                give(&mut pool, received)?;
            }
            assert!(batch.next_packet().is_none());
            drop(batch);
            fill.stock(&mut pool, 64)?;
        }
        assert_eq!(rx.statistics()?.rx_dropped, 0, "{variant:?}");
        assert_eq!(wired.pair.far.counters()?.rx_packets, 400);
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn no_batch_ends_within_a_packet() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::with(map, variant.mode, &JUMBO)?;
        if refuses_fragments(&wired)? {
            return Ok(());
        }
        let geometry = UmemGeometry::new(variant.chunk, 256)?;
        let count = frames_of(LEN, geometry) as u32;
        let queue = wired.queue().multi_buffer();
        let (mut socket, _umem, mut pool) = wired.open(RINGS, geometry, variant.polling, queue)?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        // Frames that are asked for, and whole packets in as many.
        let asked = [
            (0, 0),
            (1, 1),
            (2, 1),
            (count - 1, 1),
            (count, 1),
            (count + 1, 1),
            (2 * count - 1, 1),
            (2 * count, 2),
            (3 * count - 1, 2),
        ];
        for (max, whole) in asked {
            let packets: Vec<_> = (0..3).map(|number| frame::numbered(number, LEN)).collect();
            wired.injector.send_batch(&packets)?;
            until_frames_are_there(rx, 3 * count)?;
            let mut numbers = Vec::new();
            let mut batch = rx.batch(max);
            assert_eq!(batch.remaining(), whole * count, "{max}, {variant:?}");
            while let Some(packet) = batch.next_packet() {
                assert_eq!(packet.len() as u32, count, "{max}, {variant:?}");
                numbers.extend(frame::number(&joined(&packet)));
                give(&mut pool, packet)?;
            }
            drop(batch);
            assert_eq!(numbers.len() as u32, whole);
            // The others come in the next batches, one at a time.
            while numbers.len() < 3 {
                let packet = rx.batch(1).next_packet().ok_or("a packet is lost")?;
                let bytes = joined(&packet);
                assert!(frame::is_intact(&bytes) && bytes.len() == LEN);
                numbers.extend(frame::number(&bytes));
                give(&mut pool, packet)?;
            }
            assert_eq!(numbers, [0, 1, 2], "{max}, {variant:?}");
            assert!(rx.batch(1).next_packet().is_none());
            fill.stock(&mut pool, 64)?;
        }
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

/// A packet of these bytes, in so many frames.
fn fragments(pool: &mut Pool, packet: &[u8], count: usize) -> Result<Fragments, Stopped> {
    let mut fragments = Fragments::new();
    for piece in packet.chunks(packet.len().div_ceil(count)) {
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(piece)?;
        fragments.push(frame).map_err(|_| "a fragment too many")?;
    }
    Ok(fragments)
}

fn eighteen_fragments_go_out_as_one_packet_and_nineteen_cannot_be() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::with(map, variant.mode, &JUMBO)?;
        if refuses_fragments(&wired)? {
            return Ok(());
        }
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let (mut socket, umem, mut pool) = wired.variant(variant)?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        assert!(tx.takes_fragments());
        for count in [1, 2, 5, 17, 18] {
            let packet = frame::numbered(count as u64, count * 500);
            let fragments = fragments(&mut pool, &packet, count)?;
            assert_eq!(fragments.len(), count);
            tx.batch(count as u32)
                .push_packet(fragments)
                .map_err(|_| "refused")?;
            assert_eq!(tx.flush()?, 0);
            let seen = witness.receive(PATIENCE)?.ok_or("it was not sent")?;
            assert!(seen.bytes == packet, "{count}, {variant:?}");
            reap(completion, &mut pool, count as u32)?;
        }
        assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
        assert_eq!(wired.pair.far.counters()?.tx_packets, 5);

        let mut most = fragments(&mut pool, &frame::numbered(0, 9000), Fragments::MOST)?;
        let nineteenth = pool.take().ok_or("no frame")?;
        let number = nineteenth.number();
        let nineteenth = most.push(nineteenth).expect_err("the kernel takes 18");
        assert_eq!(nineteenth.number(), number);
        assert_eq!(most.len(), 18);
        pool.give(nineteenth).map_err(|_| "a foreign frame")?;
        give(&mut pool, most)?;
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn a_packet_is_taken_whole_or_handed_back_whole() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::with(map, variant.mode, &JUMBO)?;
        if refuses_fragments(&wired)? {
            return Ok(());
        }
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let (mut socket, umem, mut pool) = wired.variant(variant)?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        refusals(tx, variant, &mut pool)?;
        // None of it was sent; what follows is.
        let packet = frame::numbered(9, 4000);
        let whole = fragments(&mut pool, &packet, 4)?;
        tx.batch(4).push_packet(whole).map_err(|_| "refused")?;
        assert_eq!(tx.flush()?, 0);
        let seen = witness.receive_until_quiet(Duration::from_millis(200))?;
        assert_eq!(seen.len(), 1, "{variant:?}");
        assert!(seen[0].bytes == packet, "{variant:?}");
        reap(completion, &mut pool, 4)?;
        assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

/// Packets that a batch does not take.
fn refusals(tx: &mut packet_ring::xdp::TxRing, variant: Variant, pool: &mut Pool) -> TestResult {
    let packet = frame::numbered(0, 4000);
    let (_other, mut others) = Umem::new(GEOMETRY)?;
    let mut batch = tx.batch(4);
    let refused = batch
        .push_packet(fragments(pool, &packet, 5)?)
        .expect_err("five in four slots");
    assert!(joined(&refused) == packet, "{variant:?}");
    give(pool, refused)?;

    let mut foreign = fragments(pool, &packet, 3)?;
    let mut frame = others.take().ok_or("no frame")?;
    frame.write(&packet[..100])?;
    foreign.push(frame).map_err(|_| "full")?;
    let refused = batch.push_packet(foreign).expect_err("another's frame");
    assert_eq!(refused.len(), 4);
    for frame in refused {
        if let Err(frame) = pool.give(frame) {
            others.give(frame).map_err(|_| "nobody's frame")?;
        }
    }
    assert_eq!(others.len(), 256);

    let mut hollow = fragments(pool, &packet, 3)?;
    let empty = pool.take().ok_or("no frame")?;
    hollow.push(empty).map_err(|_| "full")?;
    let refused = batch.push_packet(hollow).expect_err("an empty fragment");
    assert_eq!(refused.len(), 4);
    give(pool, refused)?;

    let refused = batch.push_packet(Fragments::new()).expect_err("no frames");
    assert!(refused.is_empty());
    assert_eq!(batch.room(), 4, "{variant:?}");
    Ok(())
}

suite! {
    a_packet_of_9000_bytes_comes_whole,
    no_batch_ends_within_a_packet,
    eighteen_fragments_go_out_as_one_packet_and_nineteen_cannot_be,
    a_packet_is_taken_whole_or_handed_back_whole,
}
