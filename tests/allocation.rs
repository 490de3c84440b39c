//! Receiving and transmitting allocate nothing: a global allocator counts.

mod counting;
mod data_path;
mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use core::hint::black_box;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::thread;

use packet_ring::packet::{Ended, FrameGeometry, Geometry, Membership, NoRing, RxV2, Socket, Tx};
use packet_ring::xdp::{AttachMode, RxTxRings};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};

use counting::ALLOCATIONS;
use data_path::{Bench, FRAME, PATIENCE, interface};
use xdp_path::{GEOMETRY, SLOTS, Wired};

/// How long a wait spins before it sleeps.
const SPIN: Duration = Duration::from_micros(50);

fn the_count_sees_an_allocation() -> TestResult {
    let before = ALLOCATIONS.get();
    drop(black_box(Box::new(7)));
    drop(black_box(vec![7_u8]));
    assert_eq!(ALLOCATIONS.get(), before + 2);
    Ok(())
}

fn nothing_is_allocated_from_bind_on() -> TestResult {
    const COUNT: u64 = 100_000;
    // The whole flood fits.
    let Bench {
        pair,
        injector,
        mut socket,
    } = Bench::new(Geometry::new(1 << 16, 256)?)?;
    let far = interface(&pair.far)?;
    let template = frame::numbered(0, FRAME);
    thread::scope(|scope| {
        scope.spawn(|| injector.flood(&template, 0..COUNT));
        let deadline = Deadline::after(PATIENCE);
        let before = ALLOCATIONS.get();
        let mut packets = 0;
        // Half by blocks, half by the closure.
        let mut receiver = socket.receiver();
        while packets < COUNT / 2 {
            let wake = receiver.wait(deadline, OnSignal::Continue)?;
            let Some(mut block) = receiver.next_block() else {
                return Err(format!("no block: {wake:?}").into());
            };
            let mut position = block.start();
            while let Some(bytes) = block.packet_mut(&mut position) {
                black_box(bytes);
            }
            for packet in &block {
                black_box((packet.timestamp(), packet.vlan(), packet.source()));
                packets += 1;
            }
        }
        receiver.take_error()?;
        black_box(receiver.statistics()?);
        let ended = socket.for_each(deadline, OnSignal::Continue, |packet| {
            black_box(packet.data());
            packets += 1;
            if packets == COUNT {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        assert_eq!(ended, Ended::Stopped);
        let soon = Deadline::after(Duration::from_millis(10));
        assert_eq!(socket.wait(soon, OnSignal::Continue)?, Wake::TimedOut);
        drop(Membership::AllMulticast.join(&socket, socket.interface())?);
        socket.rebind(far)?;
        assert_eq!(socket.statistics()?.packets, COUNT);
        assert_eq!((ALLOCATIONS.get() - before, packets), (0, COUNT));
        TestResult::Ok(())
    })?;
    assert_eq!(pair.far.counters()?.rx_packets, COUNT);
    Ok(())
}

fn frames_are_received_without_allocating_too() -> TestResult {
    const COUNT: u64 = 4096;
    let pair = VethPair::create(&VethOptions::default())?;
    let injector = Injector::on(&pair.near)?;
    let far = interface(&pair.far)?;
    // The whole flood fits.
    let rings = RxV2::new(FrameGeometry::new(2048, 1 << 16, 128)?);
    let mut socket = Socket::configure(rings)?.map()?.bind(far)?;
    let template = frame::numbered(0, FRAME);
    thread::scope(|scope| {
        scope.spawn(|| injector.flood(&template, 0..COUNT));
        let deadline = Deadline::after(PATIENCE);
        let before = ALLOCATIONS.get();
        let mut receiver = socket.receiver();
        for packets in 0..COUNT {
            // Some of them are waited for in either way.
            let wake = if packets % 2 == 0 {
                receiver.wait(deadline, OnSignal::Continue)?
            } else {
                receiver.spin_then_wait(SPIN, deadline, OnSignal::Continue)?
            };
            let Some(mut frame) = receiver.next_frame() else {
                return Err(format!("no frame: {wake:?}").into());
            };
            black_box(frame.data_mut());
            let packet = frame.packet();
            black_box((packet.timestamp(), packet.vlan(), packet.source()));
        }
        receiver.take_error()?;
        assert_eq!(receiver.statistics()?.packets, COUNT);
        socket.rebind(far)?;
        assert_eq!(ALLOCATIONS.get(), before);
        TestResult::Ok(())
    })
}

fn nothing_is_allocated_to_send() -> TestResult {
    const COUNT: u64 = 10_000;
    let pair = VethPair::create(&VethOptions::default())?;
    let near = interface(&pair.near)?;
    let mut ring = Socket::configure(Tx::new(FrameGeometry::DEFAULT))?
        .map()?
        .bind(near)?;
    let copied = Socket::configure(NoRing)?.map()?.bind(near)?;
    let packets = vec![frame::numbered(0, FRAME); 100];
    let deadline = Deadline::after(PATIENCE);
    let before = ALLOCATIONS.get();
    let mut transmitter = ring.transmitter();
    for number in 0..COUNT {
        assert_eq!(transmitter.wait(deadline, OnSignal::Continue)?, Wake::Ready);
        let mut frame = transmitter.reserve().ok_or("no frame")?;
        frame.data_mut()[..FRAME].copy_from_slice(&packets[0]);
        frame.send(FRAME)?;
        if number % 64 == 0 {
            transmitter.kick()?;
            black_box(transmitter.next_completion());
        }
    }
    assert_eq!(
        transmitter.drain(deadline, OnSignal::Continue)?,
        Wake::Ready
    );
    for _ in 0..COUNT / 100 {
        assert_eq!(copied.sender().send(&packets)?, 100);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(pair.near.counters()?.tx_packets, 2 * COUNT);
    Ok(())
}

/// Every second packet is sent back, where it lies.
fn nothing_is_allocated_by_the_rings_of_af_xdp() -> TestResult {
    const COUNT: u64 = 100_000;
    let Some(map) = xdp::rights::map()? else {
        return Ok(());
    };
    let wired = Wired::new(map, AttachMode::Native)?;
    let (mut socket, umem, mut pool) = wired.socket(GEOMETRY)?;
    let template = frame::numbered(0, FRAME);
    let over = AtomicBool::new(false);
    let counted = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                wired.injector.flood(&template, 0..100);
            }
        });
        let before = ALLOCATIONS.get();
        let mut receive = || -> Result<u64, packet_ring::Error> {
            let RxTxRings {
                rx,
                fill,
                tx,
                completion,
            } = socket.rings();
            let deadline = Deadline::after(PATIENCE * 6);
            let mut packets = 0;
            while packets < COUNT && !deadline.has_passed() {
                let _ = rx.spin_then_wait(SPIN, deadline, OnSignal::Continue)?;
                let mut back = tx.batch(SLOTS.get());
                for frame in rx.batch(SLOTS.get()) {
                    packets += 1;
                    // Where it is refused, it is dropped, and found by `take_back`.
                    let given = match packets % 2 {
                        0 => back.push(frame).is_ok(),
                        _ => pool.give(frame).is_ok(),
                    };
                    black_box(given);
                }
                drop(back);
                black_box(tx.flush()?);
                completion.reap(&mut pool, SLOTS.get())?;
                pool.take_back();
                fill.stock(&mut pool, SLOTS.get())?;
                if fill.needs_wakeup() {
                    fill.wake()?;
                }
            }
            rx.check_link()?;
            black_box((rx.statistics()?, umem.census()));
            Ok(packets)
        };
        let received = receive();
        over.store(true, Ordering::Relaxed);
        received.map(|packets| (packets >= COUNT, ALLOCATIONS.get() - before))
    })?;
    assert_eq!(counted, (true, 0));
    assert!(wired.pair.far.counters()?.tx_packets >= COUNT / 4);
    Ok(())
}

suite![
    the_count_sees_an_allocation,
    nothing_is_allocated_from_bind_on,
    frames_are_received_without_allocating_too,
    nothing_is_allocated_to_send,
    nothing_is_allocated_by_the_rings_of_af_xdp,
];
