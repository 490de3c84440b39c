//! What a network stack's device does not hand to its stack, nor lose, nor tell wrongly.

mod wired;

use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};

use packet_ring::device::{Device, PacketDevice, Rings, XdpDevice};
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{self, FrameGeometry, Geometry, LinkHeader, Rx, RxV2};
use packet_ring::xdp::{self, Queue, Umem};
use packet_ring::{Deadline, Error, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, frame, suite};
use smoltcp::phy::{Device as _, RxToken, TxToken};
use smoltcp::time::Instant as Moment;
use wired::{
    CHUNKS, PATIENCE, QUIET, ROOM, SLOTS, Wire, assert_come, next, over_both, receive, rights,
    transmit,
};

const BLOCKS: Geometry = Geometry::expect(
    Geometry::new_assert(4096, 8).retire_timeout(core::time::Duration::from_millis(1)),
);
const FRAMES: FrameGeometry = FrameGeometry::new_assert(2048, 4096, 4);

/// A socket to send by, beside one that receives alone.
fn sends(wire: &Wire) -> Result<packet::Socket<Bound<packet::Tx>>, Stopped> {
    let socket = packet::Socket::configure(packet::Tx::new(FRAMES))?.map()?;
    Ok(socket.bind(wire.interface()?)?)
}

fn a_ring_that_keeps_less_than_the_longest_packet_is_refused() -> TestResult {
    let wire = Wire::new()?;
    let far = wire.interface()?;
    let mut tx = sends(&wire)?;
    let blocks = |rx: Rx, tx: &mut packet::Socket<_>| -> Result<_, Stopped> {
        let mut socket = packet::Socket::configure(rx)?.map()?.bind(far)?;
        Ok(PacketDevice::new(socket.receiver(), tx.transmitter()).err())
    };
    let too_small = |room| Some(Error::FrameTooSmall { room, len: 1514 });
    let snapped = |bytes| BLOCKS.snap_length(bytes).map(Rx::new);
    assert_eq!(blocks(snapped(64)?, &mut tx)?, too_small(64));
    assert_eq!(blocks(snapped(1513)?, &mut tx)?, too_small(1513));
    assert_eq!(blocks(snapped(1514)?, &mut tx)?, None);
    let cooked = Rx::new(BLOCKS).link_header(LinkHeader::Removed);
    assert_eq!(blocks(cooked, &mut tx)?, Some(Error::LinkHeaderRemoved));
    wire.pair.far.set_mtu(9000)?;
    assert!(matches!(
        blocks(Rx::new(BLOCKS), &mut tx)?,
        Some(Error::FrameTooSmall {
            room: 3900..4096,
            len: 9014
        })
    ));
    Ok(())
}

fn a_ring_of_frames_is_refused_where_they_are_too_small() -> TestResult {
    let wire = Wire::new()?;
    let mut tx = sends(&wire)?;
    // The longest packet fits into the third as into the last, and only there.
    for (size, fits) in [(256, false), (1568, false), (1584, true), (2048, true)] {
        let rx = RxV2::new(FrameGeometry::new(size, 1 << 14, 2)?);
        let mut rx = packet::Socket::configure(rx)?
            .map()?
            .bind(wire.interface()?)?;
        let longest = frame::numbered(1, 1514);
        wire.injector.send(&longest)?;
        assert_eq!(
            rx.wait(Deadline::after(PATIENCE), OnSignal::Continue)?,
            Wake::Ready
        );
        let refused = match PacketDevice::new(rx.receiver(), tx.transmitter()) {
            Ok(mut device) => {
                assert!(next(&mut device)? == longest, "with {size}");
                None
            }
            Err(error) => Some(error),
        };
        assert_eq!(refused.is_none(), fits, "with {size}");
        if let Some(error) = refused {
            assert!(matches!(error, Error::FrameTooSmall { len: 1514, .. }));
            let frame = rx.next_frame().ok_or("no frame")?;
            assert!(frame.packet().captured_len() < 1514);
        }
    }
    Ok(())
}

fn packets_of_which_a_part_was_kept_are_passed_over_and_counted() -> TestResult {
    let wire = Wire::new()?;
    let mut tx = sends(&wire)?;
    let rx = packet::Socket::configure(Rx::new(BLOCKS))?.map()?;
    let mut rx = rx.bind(wire.interface()?)?;
    let mut device = PacketDevice::new(rx.receiver(), tx.transmitter())?;
    for end in [&wire.pair.near, &wire.pair.far] {
        end.set_mtu(9000)?;
    }
    for turn in 1..=5 {
        wire.injector.send(&frame::numbered(100, 9014))?;
        let small = frame::numbered(turn, 60);
        wire.injector.send(&small)?;
        assert_come(&mut device, &[small])?;
        assert_eq!(device.truncated(), turn);
    }
    Ok(())
}

fn a_frame_without_a_header_is_told_and_not_sent() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        for len in [0, 1, 13] {
            for _ in 0..2 * ROOM {
                let token = device.transmit(Moment::ZERO).ok_or("no room")?;
                assert_eq!(token.consume(len, |room| room.len()), len);
                let told = Error::FrameTooShort { len: len as u64 };
                assert_eq!(device.take_error(), Err(told));
            }
        }
        let least = frame::numbered(0, 60)[..14].to_vec();
        assert!(transmit(device, &least));
        assert_eq!(device.take_error(), Ok(()));
        let sent = frame::numbered(1, 60);
        assert!(transmit(device, &sent));
        wire.assert_arrive(&[least, sent])
    }
    over_both!(test)
}

fn the_last_error_is_told_and_once() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, _: &Wire) -> TestResult {
        for len in [5000, 6000, 3, 7000] {
            let token = device.transmit(Moment::ZERO).ok_or("no room")?;
            token.consume(len, |_| ());
        }
        let told = device.take_error();
        assert!(matches!(told, Err(Error::FrameTooSmall { len: 7000, .. })));
        assert_eq!(device.take_error(), Ok(()));
        Ok(())
    }
    over_both!(test)
}

fn a_stack_that_panics_takes_no_frame_with_it() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        for turn in 0..3 * ROOM {
            let token = device.transmit(Moment::ZERO);
            let token = token.ok_or_else(|| format!("no room after {turn}"))?;
            let panics = || token.consume(60, |_| resume_unwind(Box::new(())));
            assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        }
        let sent = frame::numbered(0, 60);
        // More than all memory to receive into.
        for _ in 0..2 * CHUNKS.count() {
            wire.injector.send(&sent)?;
            let woken = device.wait(Deadline::after(PATIENCE), OnSignal::Continue)?;
            assert_eq!(woken, Wake::Ready);
            let (token, _) = device.receive(Moment::ZERO).ok_or("no packet")?;
            let panics = || token.consume(|_| resume_unwind(Box::new(())));
            assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
            // It was the stack's, be it that it panicked.
            assert_eq!(receive(device), None);
        }
        let all: Vec<_> = (0..ROOM as u64).map(|n| frame::numbered(n, 60)).collect();
        for sent in &all {
            assert!(transmit(device, sent));
        }
        wire.assert_arrive(&all)
    }
    over_both!(test)
}

fn a_wait_goes_on_where_nothing_came_for_the_stack() -> TestResult {
    let wire = Wire::new()?;
    wire.with_packet(|mut device| {
        let own = Injector::on(&wire.pair.far)?;
        for turn in 0..5 {
            wire.injector.send(&frame::numbered_vlan(5, turn, 80))?;
            own.send(&frame::numbered(turn, 60))?;
            let woken = device.wait(Deadline::after(QUIET), OnSignal::Continue)?;
            assert_eq!((woken, receive(&mut device)), (Wake::TimedOut, None));
            wire.injector.send(&frame::numbered_vlan(5, turn, 80))?;
            let sent = frame::numbered(turn, 60);
            wire.injector.send(&sent)?;
            let woken = device.wait(Deadline::after(PATIENCE), OnSignal::Continue)?;
            assert_eq!(woken, Wake::Ready);
            assert_eq!(receive(&mut device), Some(sent));
        }
        Ok(())
    })
}

fn a_packet_that_nobody_took_is_a_frame_of_the_parts() -> TestResult {
    let Some(map) = rights::map()? else {
        return Ok(());
    };
    let wire = Wire::new()?;
    let (socket, _umem, pool) = wire.xdp_socket()?;
    let _attached = wire.attach(&map, &socket)?;
    let left = pool.len();
    let mut device = XdpDevice::new(socket, pool)?;
    wire.injector.send(&frame::numbered(0, 60))?;
    let woken = device.wait(Deadline::after(PATIENCE), OnSignal::Continue)?;
    assert_eq!(woken, Wake::Ready);
    let (_rings, _joint, pool) = device.into_parts();
    assert_eq!(pool.len(), left + 1);
    Ok(())
}

fn no_more_than_half_of_the_pool_is_to_receive_into() -> TestResult {
    if rights::map()?.is_none() {
        return Ok(());
    }
    let wire = Wire::new()?;
    let (umem, pool) = Umem::new(CHUNKS)?;
    assert!(CHUNKS.count() / 2 < SLOTS.get());
    let rings = xdp::RxTx::new(xdp::Rx::new(SLOTS), xdp::Tx::new(SLOTS));
    let socket = xdp::Socket::configure(rings, &umem)?.map()?;
    let socket = socket.bind(Queue::new(wire.interface()?, 0))?;
    let device = XdpDevice::new(socket, pool)?;
    let burst = device.capabilities().max_burst_size;
    let (_rings, _joint, pool) = device.into_parts();
    let half = CHUNKS.count() / 2;
    assert_eq!((pool.len(), burst), (half, Some(half as usize)));
    Ok(())
}

suite![
    a_ring_that_keeps_less_than_the_longest_packet_is_refused,
    a_ring_of_frames_is_refused_where_they_are_too_small,
    packets_of_which_a_part_was_kept_are_passed_over_and_counted,
    a_frame_without_a_header_is_told_and_not_sent,
    the_last_error_is_told_and_once,
    a_stack_that_panics_takes_no_frame_with_it,
    a_wait_goes_on_where_nothing_came_for_the_stack,
    a_packet_that_nobody_took_is_a_frame_of_the_parts,
    no_more_than_half_of_the_pool_is_to_receive_into,
];
