//! Where in its chunk a packet lies, how far a frame can be stretched, and what a ring refuses.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use packet_ring::Error;
use packet_ring::xdp::{Frame, Refusal, RxTxRings, Umem, UmemGeometry};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Sees, VethOptions, Witness, frame, suite};
use xdp::rights::map;
use xdp_path::{GEOMETRY, PATIENCE, RINGS, Variant, Wired, assert_all_come_back, reap, variants};

/// What the kernel keeps free before a packet, beside the headroom.
const XDP_HEADROOM: usize = 256;

fn jumbo() -> VethOptions<'static> {
    VethOptions {
        mtu: 9000,
        ..VethOptions::default()
    }
}

/// The bytes between the chunk's beginning and the packet.
fn offset(frame: &Frame) -> usize {
    (0..=frame.capacity() + 4096)
        .rev()
        .find(|&bytes| frame.before(bytes).is_some())
        .unwrap_or_default()
}

fn a_packet_begins_behind_the_headroom() -> TestResult {
    for variant in variants() {
        for headroom in [0, 64, 128, 1000] {
            let Some(map) = map()? else {
                return Ok(());
            };
            let wired = Wired::new(map, variant.mode)?;
            let geometry = UmemGeometry::new(variant.chunk, 256)?.headroom(headroom)?;
            let (mut socket, _umem, mut pool) =
                wired.open(RINGS, geometry, variant.polling, wired.queue())?;
            let RxTxRings { rx, .. } = socket.rings();
            // As large as one chunk takes of it, and the cable.
            let len = 1514.min(geometry.receive_capacity() as usize);
            let packet = frame::numbered(7, len);
            wired.injector.send(&packet)?;
            assert_eq!(
                rx.wait(Deadline::after(PATIENCE), OnSignal::Continue)?,
                Wake::Ready
            );
            let mut frame = rx.batch(1).next().ok_or("no frame")?;
            let before = XDP_HEADROOM + headroom as usize;
            assert_eq!(frame.bytes(), packet, "{variant:?}");
            assert_eq!(offset(&frame), before, "{variant:?}");
            assert_eq!(frame.capacity(), variant.chunk as usize - before);
            assert_eq!(frame.before(4).map(<[u8]>::len), Some(4));

            // Up to the chunk's beginning and no further; cut off again it is the same packet.
            let room = before as u64;
            assert_eq!(
                frame.grow_front(before + 1),
                Err(Error::FrameTooSmall {
                    room,
                    len: room + 1
                })
            );
            frame.grow_front(before)?;
            assert_eq!((offset(&frame), frame.len()), (0, before + len));
            assert_eq!(&frame.bytes()[before..], packet);
            frame.trim_front(before)?;
            assert_eq!(frame.bytes(), packet);
            let room = len as u64;
            assert_eq!(
                frame.trim_front(len + 1),
                Err(Error::FrameTooSmall {
                    room,
                    len: room + 1
                })
            );
            frame.trim_front(len)?;
            assert!(frame.is_empty());
            assert_eq!(frame.capacity(), variant.chunk as usize - before - len);
            pool.give(frame).map_err(|_| "a foreign frame")?;
            assert_all_come_back(socket, &mut pool)?;
        }
    }
    Ok(())
}

/// One received frame, of a packet of 60 bytes.
fn receive_one(wired: &Wired, rings: &mut RxTxRings) -> Result<Frame, Stopped> {
    wired.injector.send(&frame::numbered(0, 60))?;
    let wake = rings
        .rx
        .wait(Deadline::after(PATIENCE), OnSignal::Continue)?;
    assert_eq!(wake, Wake::Ready);
    Ok(rings.rx.batch(1).next().ok_or("no frame")?)
}

fn a_received_frame_then_carries_a_packet_of_the_whole_chunk() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::with(map, variant.mode, &jumbo())?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let (mut socket, umem, mut pool) = wired.variant(variant)?;
        let rings = socket.rings();
        let chunk = variant.chunk as usize;
        let mut frame = receive_one(&wired, rings)?;
        let packet = frame::numbered(1, chunk);
        let too_small = Error::FrameTooSmall {
            room: (chunk - XDP_HEADROOM) as u64,
            len: chunk as u64,
        };
        assert_eq!(frame.write(&packet), Err(too_small));
        frame.clear();
        assert_eq!((frame.len(), frame.capacity()), (0, chunk));
        assert!(frame.write(&frame::numbered(1, chunk + 1)).is_err());
        frame.write(&packet)?;
        rings.tx.batch(1).push(frame)?;
        assert_eq!(rings.tx.flush()?, 0);
        let seen = witness.receive(PATIENCE)?.ok_or("it was not sent")?;
        assert!(seen.bytes == packet, "{variant:?}");
        assert_eq!(rings.tx.statistics()?.tx_invalid_descriptors, 0);
        let far = wired.pair.far.counters()?;
        assert_eq!((far.tx_packets, far.tx_bytes), (1, chunk as u64));
        reap(&mut rings.completion, &mut pool, 1)?;
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn a_received_frame_is_answered_in_place_with_a_header_more() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let (mut socket, _umem, mut pool) = wired.variant(variant)?;
        let rings = socket.rings();
        let mut frame = receive_one(&wired, rings)?;
        let mut longer = frame::numbered(0, 60);
        longer.splice(12..12, [0x81, 0, 0, 7]);
        frame.grow_front(4)?;
        frame.bytes_mut().copy_within(4..16, 0);
        frame.bytes_mut()[12..16].copy_from_slice(&[0x81, 0, 0, 7]);
        assert_eq!(frame.bytes(), longer);
        let number = frame.number();
        rings.tx.batch(1).push(frame)?;
        assert_eq!(rings.tx.flush()?, 0);
        // The kernel carries the tag beside the frame that it shows the witness.
        let seen = witness.receive(PATIENCE)?.ok_or("it was not sent")?;
        assert_eq!(frame::number(&seen.bytes), Some(0), "{variant:?}");
        let far = wired.pair.far.counters()?;
        assert_eq!((far.tx_packets, far.tx_bytes), (1, 64), "{variant:?}");
        // It comes back where it was sent from.
        let deadline = Deadline::after(PATIENCE);
        while !rings.completion.is_ready() && !deadline.has_passed() {
            std::thread::yield_now();
        }
        let frame = rings.completion.batch(1).next().ok_or("not completed")?;
        assert_eq!((frame.number(), frame.len()), (number, 0));
        assert_eq!(offset(&frame), XDP_HEADROOM - 4);
        pool.give(frame).map_err(|_| "a foreign frame")?;
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn what_a_ring_does_not_take_is_handed_back_as_it_was() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let (mut socket, umem, mut pool) = wired.variant(variant)?;
        let (other, mut others) = Umem::new(GEOMETRY)?;
        refusals(socket.rings(), variant, &mut pool, &mut others)?;
        assert_eq!(other.census().free, 256);
        assert_eq!(others.len(), 256);
        // None of what was refused was sent, or is lost.
        assert_eq!(socket.rings().tx.flush()?, 0);
        reap(&mut socket.rings().completion, &mut pool, 1)?;
        assert_eq!(wired.pair.far.counters()?.tx_packets, 1);
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

/// Has the rings refuse what they can, and puts one packet into the transmit ring.
fn refusals(
    rings: &mut RxTxRings,
    variant: Variant,
    pool: &mut packet_ring::xdp::Pool,
    others: &mut packet_ring::xdp::Pool,
) -> TestResult {
    let packet = frame::numbered(3, 60);
    let mut foreign = others.take().ok_or("no frame")?;
    foreign.write(&packet)?;

    let mut batch = rings.tx.batch(1);
    let refused = batch.push(foreign).expect_err("another memory's frame");
    assert_eq!(refused.why(), Refusal::Foreign, "{variant:?}");
    let foreign = refused.into_frame();
    assert_eq!(foreign.bytes(), packet);
    let refused = batch
        .push(pool.take().ok_or("no frame")?)
        .expect_err("no bytes");
    assert_eq!(refused.why(), Refusal::Empty, "{variant:?}");
    let mut frame = refused.into_frame();
    frame.write(&packet)?;
    batch.push(frame)?;
    assert_eq!(batch.room(), 0);
    let mut frame = pool.take().ok_or("no frame")?;
    frame.write(&packet)?;
    let refused = batch.push(frame).expect_err("no room");
    assert_eq!(refused.why(), Refusal::Full, "{variant:?}");
    drop(batch);
    let frame = refused.into_frame();
    assert_eq!(frame.bytes(), packet);
    pool.give(frame).map_err(|_| "a foreign frame")?;

    // The fill ring is full, a slot apart from none.
    let mut batch = rings.fill.batch(1);
    let refused = batch.push(foreign).expect_err("no room, and another's");
    let whys = [Refusal::Full, Refusal::Foreign];
    assert!(whys.contains(&refused.why()), "{variant:?}");
    let foreign = refused.into_frame();
    assert_eq!(foreign.bytes(), packet);
    drop(batch);
    assert_eq!(rings.fill.stock(others, 1), Err(Error::ForeignPool));
    assert_eq!(rings.completion.reap(others, 1), Err(Error::ForeignPool));

    // Pools keep to their own as well.
    let foreign = pool.give(foreign).expect_err("another memory's frame");
    assert_eq!(foreign.bytes(), packet);
    others.give(foreign).map_err(|_| "a foreign frame")?;
    Ok(())
}

suite! {
    a_packet_begins_behind_the_headroom,
    a_received_frame_then_carries_a_packet_of_the_whole_chunk,
    a_received_frame_is_answered_in_place_with_a_header_more,
    what_a_ring_does_not_take_is_handed_back_as_it_was,
}
