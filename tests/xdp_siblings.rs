//! Several sockets on one queue, and one memory under several queues: every frame is somewhere, once.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use core::time::Duration;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;

use packet_ring::xdp::{
    AttachMode, Frame, Interface, Program, Queue, Rx, RxRing, RxTxRings, Socket, Umem, Xskmap,
};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{
    EbpfInstruction, Injector, Sees, VethOptions, VethPair, Witness, frame, load_xdp, suite,
};
use xdp::rights::map;
use xdp_path::older::refuses_fragments;
use xdp_path::{
    GEOMETRY, MODES, PATIENCE, Polling, RINGS, SLOTS, Wired, reap, receive_numbers, send,
};

fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

/// Redirects frames of even numbers to the map's first entry, and of odd ones to its second.
fn parity(map: &Xskmap) -> Result<Program, Stopped> {
    /// The last byte of a frame's number: behind the Ethernet header and a mark.
    const PARITY: i16 = 14 + 8 + 7;
    let op = EbpfInstruction::new;
    let fd = map.as_fd().as_raw_fd();
    Ok(Program::from_fd(load_xdp(&[
        // The packet, its end, and whether there are 60 bytes.
        op(0x61, 2, 1, 0, 0),
        op(0x61, 3, 1, 4, 0),
        op(0xbf, 4, 2, 0, 0),
        op(0x07, 4, 0, 0, 60),
        op(0x2d, 4, 3, 7, 0),
        op(0x71, 2, 2, PARITY, 0),
        op(0x57, 2, 0, 0, 1),
        // bpf_redirect_map(map, parity, XDP_PASS)
        op(0x18, 1, 1, 0, fd),
        op(0, 0, 0, 0, 0),
        op(0xb7, 3, 0, 0, 2),
        op(0x85, 0, 0, 0, 51),
        op(0x95, 0, 0, 0, 0),
        op(0xb7, 0, 0, 0, 2),
        op(0x95, 0, 0, 0, 0),
    ])?)?)
}

/// The numbers of so many frames, each of which goes back to where it came from: it is dropped.
fn numbers(rx: &mut RxRing, count: usize) -> Result<Vec<u64>, Stopped> {
    let deadline = soon();
    let mut numbers = Vec::new();
    while numbers.len() < count {
        if rx.wait(deadline, OnSignal::Continue)? != Wake::Ready {
            return Err(format!("{} of {count} frames came", numbers.len()).into());
        }
        for frame in rx.batch(32) {
            assert!(frame::is_intact(frame.bytes()), "a frame was damaged");
            numbers.extend(frame::number(frame.bytes()));
        }
    }
    Ok(numbers)
}

fn siblings_share_what_arrives() -> TestResult {
    const COUNT: u64 = 1024;
    for mode in MODES {
        if map()?.is_none() {
            return Ok(());
        }
        let map = Xskmap::create(2)?;
        let pair = VethPair::create(&VethOptions::default())?;
        let far = Interface::by_index(pair.far.index()?).ok_or("no interface")?;
        let _attachment = parity(&map)?.attach(far, mode)?;
        pair.wait_for_carrier()?;
        let injector = Injector::on(&pair.near)?;
        let (umem, mut pool) = Umem::new(GEOMETRY)?;
        let socket = Socket::configure(RINGS, &umem)?.map()?;
        let mut socket = socket.bind(Queue::new(far, 0))?.share();
        let mut sibling = socket.sibling_rx(SLOTS)?;
        map.insert(0, &socket)?;
        map.insert(1, &sibling)?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        for first in (0..COUNT).step_by(64) {
            // Only what a lap needs: a chunk that were lost or doubled would be missed at once.
            pool.take_back();
            assert_eq!(fill.stock(&mut pool, 64)?, 64);
            let frames: Vec<_> = (first..first + 64)
                .map(|number| frame::numbered(number, 60))
                .collect();
            let (even, odd) = thread::scope(|scope| {
                let even = scope.spawn(|| numbers(rx, 32));
                let odd = scope.spawn(|| numbers(&mut sibling, 32));
                injector.send_batch(&frames)?;
                Ok::<_, Stopped>((even.join(), odd.join()))
            })?;
            let even = even.map_err(|_| "a thread panicked")??;
            let odd = odd.map_err(|_| "a thread panicked")??;
            let all = first..first + 64;
            assert_eq!(even, all.clone().step_by(2).collect::<Vec<_>>());
            assert_eq!(odd, all.skip(1).step_by(2).collect::<Vec<_>>());
            let census = umem.census();
            assert_eq!((census.with_rx, census.held, census.dropped), (0, 0, 64));
        }
        assert_eq!(pair.far.counters()?.rx_packets, COUNT);
        assert_eq!(umem.spurious(), 0);
        // Both gone, all of it comes back.
        drop(sibling);
        socket.close()?.reclaim(soon())?;
        pool.take_back();
        assert_eq!(pool.len(), umem.geometry().count());
    }
    Ok(())
}

fn a_sibling_receives_packets_in_several_frames_as_the_first_does() -> TestResult {
    const LEN: usize = 9014;
    const JUMBO: VethOptions<'static> = VethOptions {
        names: None,
        mtu: 9000,
        queues: 1,
        far_namespace: None,
    };
    for mode in MODES {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::with(map, mode, &JUMBO)?;
        if refuses_fragments(&wired)? {
            return Ok(());
        }
        let queue = wired.queue().multi_buffer();
        let (socket, umem, mut pool) = wired.open(RINGS, GEOMETRY, Polling::Interrupts, queue)?;
        let socket = socket.share();
        let mut sibling = socket.sibling_rx(SLOTS)?;
        wired.map.insert(0, &sibling)?;
        for number in 0..3 {
            let packet = frame::numbered(number, LEN);
            wired.injector.send(&packet)?;
            assert_eq!(sibling.wait(soon(), OnSignal::Continue)?, Wake::Ready);
            // Whole, whatever is asked for.
            let received = sibling.batch(1).next_packet().ok_or("no packet")?;
            let bytes: Vec<_> = received.iter().flat_map(Frame::bytes).copied().collect();
            assert!(bytes == packet, "{mode:?}");
            for frame in received {
                pool.give(frame).map_err(|_| "a foreign frame")?;
            }
        }
        assert_eq!(wired.pair.far.counters()?.rx_packets, 3);
        assert_eq!(umem.spurious(), 0);
    }
    Ok(())
}

fn siblings_send_over_one_queue() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let far = Interface::by_index(pair.far.index()?).ok_or("no interface")?;
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut socket = Socket::configure(RINGS, &umem)?
        .map()?
        .bind(Queue::new(far, 0))?
        .share();
    let mut siblings = [socket.sibling_tx(SLOTS)?, socket.sibling_tx(SLOTS)?];
    let frames: Vec<_> = (0..48).map(|number| frame::numbered(number, 60)).collect();
    let [first, second] = &mut siblings;
    send(first, &mut pool, &frames[..16])?;
    send(second, &mut pool, &frames[16..32])?;
    let RxTxRings { tx, completion, .. } = socket.rings();
    send(tx, &mut pool, &frames[32..])?;
    let mut numbers = witness.numbers_until_quiet(Duration::from_millis(300))?;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..48).collect::<Vec<_>>());
    // All of it comes back by the one completion ring.
    reap(completion, &mut pool, 48)?;
    assert_eq!(pool.len(), umem.geometry().count());
    assert_eq!(umem.spurious(), 0);
    Ok(())
}

fn a_frame_goes_on_to_another_interface_where_it_lies() -> TestResult {
    const COUNT: u64 = 512;
    let Some(map) = map()? else {
        return Ok(());
    };
    let wired = Wired::new(map, AttachMode::Native)?;
    let onward = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&onward.near, Sees::Incoming)?;
    let (mut inside, umem, mut pool) = wired.socket(GEOMETRY)?;
    let interface = Interface::by_index(onward.far.index()?).ok_or("no interface")?;
    let mut outside = Socket::configure(RINGS, &umem)?
        .map()?
        .bind(Queue::new(interface, 0))?;
    let (RxTxRings { rx, fill, .. }, RxTxRings { tx, completion, .. }) =
        (inside.rings(), outside.rings());
    let mut lay = BTreeMap::new();
    for first in (0..COUNT).step_by(32) {
        let frames: Vec<_> = (first..first + 32)
            .map(|number| frame::numbered(number, 60 + number as usize))
            .collect();
        wired.injector.send_batch(&frames)?;
        let mut passed = 0;
        while passed < 32 {
            if rx.wait(soon(), OnSignal::Continue)? != Wake::Ready {
                return Err(format!("{passed} of 32 frames came").into());
            }
            let mut batch = tx.batch(32);
            for frame in rx.batch(32) {
                lay.insert(frame.number(), frame.bytes().as_ptr().addr());
                batch.push(frame)?;
                passed += 1;
            }
            drop(batch);
            assert_eq!(tx.flush()?, 0);
        }
        let mut sent = 0;
        while sent < 32 {
            for mut frame in completion.batch(32) {
                // The very chunk that was received into, at the place where the packet lay.
                frame.set_len(1)?;
                let lies = frame.bytes().as_ptr().addr();
                assert_eq!(lay.remove(&frame.number()), Some(lies));
                pool.give(frame).map_err(|_| "a foreign frame")?;
                sent += 1;
            }
        }
        fill.stock(&mut pool, SLOTS.get())?;
    }
    let seen = witness.receive_until_quiet(Duration::from_millis(300))?;
    assert!(seen.iter().all(|seen| frame::is_intact(&seen.bytes)));
    let numbers: Vec<_> = seen
        .iter()
        .filter_map(|seen| frame::number(&seen.bytes))
        .collect();
    assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
    assert_eq!(onward.far.counters()?.tx_packets, COUNT);
    assert_eq!((umem.spurious(), umem.census().held), (0, 0));
    Ok(())
}

fn a_ring_of_another_memory_takes_no_frame_of_this_one() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let far = Interface::by_index(pair.far.index()?).ok_or("no interface")?;
    let ((umem, _pool), (_other, mut others)) = (Umem::new(GEOMETRY)?, Umem::new(GEOMETRY)?);
    let socket = Socket::configure(RINGS, &umem)?.map()?;
    let mut socket = socket.bind(Queue::new(far, 0))?.share();
    let mut sibling = socket.sibling_tx(SLOTS)?;
    let mut frame = others.take().ok_or("no frame")?;
    frame.set_len(60)?;
    let refused = sibling.batch(1).push(frame).err().ok_or("it was taken")?;
    let refused = socket.rings().fill.batch(1).push(refused.into_frame());
    let refused = refused.err().ok_or("it was taken")?;
    assert_eq!(
        others.give(refused.into_frame()).map_err(|_| "foreign"),
        Ok(())
    );
    Ok(())
}

fn the_first_socket_goes_on_when_its_sibling_is_gone() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let wired = Wired::new(map, AttachMode::Native)?;
    let (socket, umem, mut pool) = wired.socket(GEOMETRY)?;
    let mut socket = socket.share();
    // The map leads to the sibling, and then to nobody: it leaves by itself.
    let mut sibling = socket.sibling_rx(SLOTS)?;
    wired.map.insert(0, &sibling)?;
    wired.injector.send(&frame::numbered(1, 60))?;
    assert_eq!(numbers(&mut sibling, 1)?, [1]);
    drop(sibling);
    wired.map.insert(0, &socket)?;
    wired.injector.send(&frame::numbered(2, 60))?;
    let RxTxRings { rx, fill, .. } = socket.rings();
    assert_eq!(receive_numbers(rx, fill, &mut pool, 1)?, [2]);
    assert_eq!((umem.census().held, umem.census().dropped), (0, 1));
    // No flags, no memory of its own: a socket that only transmits has siblings too.
    let pair = VethPair::create(&VethOptions::default())?;
    let far = Interface::by_index(pair.far.index()?).ok_or("no interface")?;
    let receiving = Socket::configure(Rx::new(SLOTS), &umem)?.map()?;
    let receiving = receiving.bind(Queue::new(far, 0))?.share();
    assert_eq!(receiving.sibling_rx(SLOTS)?.size(), SLOTS);
    Ok(())
}

suite! {
    siblings_share_what_arrives,
    a_sibling_receives_packets_in_several_frames_as_the_first_does,
    siblings_send_over_one_queue,
    a_frame_goes_on_to_another_interface_where_it_lies,
    a_ring_of_another_memory_takes_no_frame_of_this_one,
    the_first_socket_goes_on_when_its_sibling_is_gone,
}
