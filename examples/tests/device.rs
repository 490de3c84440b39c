//! Rings as a network stack's device, without the stack: what each call of its trait comes to, on the wire.

mod wired;

use core::net::Ipv4Addr;
use core::slice;
use core::time::Duration;
use std::net::UdpSocket;

use packet_ring::device::{Device, Kicks, PacketDevice, Rings, XdpDevice};
use packet_ring::packet::{self, FrameGeometry, Geometry};
use packet_ring::xdp::{self, AttachMode, Interface, Queue, Redirect, Umem};
use packet_ring::{Deadline, Error, OnSignal, Unsent, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Namespace, TokenBucket, VethOptions, VethPair, frame, suite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smoltcp::phy::{Device as _, Medium, TxToken};
use smoltcp::time::Instant as Moment;
use wired::{
    CHUNKS, PATIENCE, QUIET, ROOM, SLOTS, Wire, assert_come, frames, next, over_both, receive,
    rights, transmit,
};

fn packets_are_received_whole_and_in_order() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        // Several times what the memory to receive into holds.
        for turn in 0..20 {
            let sent = frames(turn * 30..turn * 30 + 30);
            wire.injector.send_batch(&sent)?;
            assert_come(device, &sent)?;
        }
        assert_eq!(wire.pair.far.counters()?.rx_packets, 600);
        assert_eq!(device.take_error(), Ok(()));
        Ok(())
    }
    over_both!(test)
}

fn the_descriptor_tells_of_packets() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        let heard = |device: &Device<R>, within: Duration| -> Result<usize, Stopped> {
            let mut fds = [PollFd::new(device, PollFlags::IN)];
            Ok(poll(&mut fds, Some(&Timespec::try_from(within)?))?)
        };
        for sent in frames(0..20) {
            assert_eq!(receive(device), None);
            assert_eq!(heard(device, Duration::ZERO)?, 0);
            wire.injector.send(&sent)?;
            assert_eq!(heard(device, PATIENCE)?, 1);
            assert!(receive(device) == Some(sent));
        }
        Ok(())
    }
    over_both!(test)
}

fn a_frame_leaves_at_once_unless_asked_otherwise() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        // Several times what the ring has room for.
        for sent in frames(0..100) {
            assert!(transmit(device, &sent));
            let seen = wire.witness.receive(PATIENCE)?.ok_or("no frame")?;
            assert!(seen.bytes == sent);
        }
        assert_eq!(device.take_error(), Ok(()));
        assert_eq!(wire.pair.far.counters()?.tx_packets, 100);
        Ok(())
    }
    over_both!(test)
}

/// What has frames leave that wait for a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LeaveBy {
    Flush,
    Wait,
    /// A ring that is full makes room by itself.
    OneMore,
}

fn frames_that_wait_for_a_flush_leave_by_it() -> TestResult {
    fn test<R: Rings>(device: Device<R>, wire: &Wire, leave: LeaveBy) -> TestResult {
        let mut device = device.kicks(Kicks::OnFlush);
        let full = leave == LeaveBy::OneMore;
        let sent = frames(0..ROOM as u64 - u64::from(!full));
        for sent in &sent {
            assert!(transmit(&mut device, sent));
        }
        assert_eq!(wire.witness.receive(QUIET)?, None);
        assert_eq!(wire.pair.far.counters()?.tx_packets, 0);
        match leave {
            LeaveBy::Flush => assert_eq!(device.flush(), Ok(0)),
            LeaveBy::Wait => {
                let woken = device.wait(Deadline::PASSED, OnSignal::Continue)?;
                assert_eq!(woken, Wake::TimedOut);
            }
            LeaveBy::OneMore => assert!(device.transmit(Moment::ZERO).is_some()),
        }
        wire.assert_arrive(&sent)
    }
    let ways = [LeaveBy::Flush, LeaveBy::Wait, LeaveBy::OneMore];
    for leave in ways {
        let wire = Wire::new()?;
        wire.with_packet(|device| test(device, &wire, leave))?;
    }
    for leave in ways {
        let Some(map) = rights::map()? else {
            return Ok(());
        };
        let wire = Wire::new()?;
        let (socket, _umem, pool) = wire.xdp_socket()?;
        let _attached = wire.attach(&map, &socket)?;
        test(XdpDevice::new(socket, pool)?, &wire, leave)?;
    }
    Ok(())
}

fn a_token_that_is_dropped_changes_nothing() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        let sent = frames(0..3);
        wire.injector.send_batch(&sent)?;
        let woken = device.wait(Deadline::after(PATIENCE), OnSignal::Continue)?;
        assert_eq!(woken, Wake::Ready);
        for _ in 0..3 * ROOM {
            assert!(device.receive(Moment::ZERO).is_some());
            assert!(device.transmit(Moment::ZERO).is_some());
        }
        assert_come(device, &sent)?;
        assert!(transmit(device, &sent[0]));
        wire.assert_arrive(&sent[..1])
    }
    over_both!(test)
}

fn a_frame_beyond_its_room_is_told_and_not_sent() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        for _ in 0..3 * ROOM {
            let token = device.transmit(Moment::ZERO).ok_or("no room")?;
            let room = token.consume(5000, |room| room.len());
            assert!((1514..5000).contains(&room), "{room}");
            let told = device.take_error();
            let expected = Error::FrameTooSmall {
                room: room as u64,
                len: 5000,
            };
            assert_eq!(told, Err(expected));
        }
        assert_eq!(device.take_error(), Ok(()));
        let sent = frames(0..1);
        assert!(transmit(device, &sent[0]));
        wire.assert_arrive(&sent)
    }
    over_both!(test)
}

fn a_stack_is_told_what_the_interface_is() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        let facts = wire.pair.far.facts()?;
        let capabilities = device.capabilities();
        assert_eq!(capabilities.medium, Medium::Ethernet);
        assert_eq!(capabilities.max_transmission_unit, 1514);
        assert_eq!(device.longest_frame(), 1514);
        assert_eq!(device.ethernet_address(), facts.address);
        let checksum = &capabilities.checksum;
        for checksum in [checksum.ipv4, checksum.tcp, checksum.udp, checksum.icmpv4] {
            assert!(checksum.rx() && checksum.tx(), "{checksum:?}");
        }
        // As many as it says come at once, and stay until they are read.
        let burst = capabilities.max_burst_size.ok_or("no limit")? as u64;
        assert!(burst >= 60, "{burst}");
        let sent: Vec<_> = (0..burst)
            .map(|number| frame::numbered(number, 1514))
            .collect();
        wire.injector.send_batch(&sent)?;
        assert_come(device, &sent)
    }
    over_both!(test)
}

/// Lets one frame of 1,514 bytes go and keeps all others, for as long as anybody lives.
const STUCK: TokenBucket = TokenBucket {
    rate: 1,
    burst: 1514,
    limit: 1 << 30,
};

fn without_room_for_an_answer_packets_wait() -> TestResult {
    let wire = Wire::new()?;
    wire.with_packet(|mut device| {
        let device = &mut device;
        wire.pair.far.set_token_bucket(&STUCK)?;
        let kept = frame::numbered(0, 1514);
        assert!(transmit(device, &kept));
        wire.assert_arrive(slice::from_ref(&kept))?;
        // This one has left, and the others do not.
        for _ in 0..ROOM {
            assert!(transmit(device, &kept));
        }
        let sent = frames(0..5);
        wire.injector.send_batch(&sent)?;
        assert_eq!(receive(device), None);
        let woken = device.wait(Deadline::after(QUIET), OnSignal::Continue)?;
        assert_eq!((woken, receive(device)), (Wake::TimedOut, None));
        // What the bucket kept goes with it, back to the ring.
        wire.pair.far.remove_token_bucket()?;
        assert_come(device, &sent)?;
        assert!(transmit(device, &kept));
        wire.assert_arrive(&[kept])
    })
}

fn what_is_not_for_the_stack_is_passed_over() -> TestResult {
    let wire = Wire::new()?;
    wire.with_packet(|mut device| {
        let own = packet_ring_lab::Injector::on(&wire.pair.far)?;
        let mut expected = Vec::new();
        for number in 0..10 {
            own.send(&frame::numbered(100 + number, 60))?;
            wire.injector
                .send(&frame::numbered_vlan(5, 200 + number, 80))?;
            let sent = frame::numbered(number, 60);
            wire.injector.send(&sent)?;
            expected.push(sent);
        }
        assert_come(&mut device, &expected)?;
        // A priority is no VLAN; the kernel takes its tag out too.
        wire.injector.send(&frame::numbered_vlan(0, 7, 80))?;
        let packet = next(&mut device)?;
        assert_eq!((frame::number(&packet), packet.len()), (Some(7), 76));
        Ok(())
    })
}

fn packets_without_their_checksum_are_counted() -> TestResult {
    let wire = Wire::new()?;
    let host = Ipv4Addr::new(192, 0, 2, 1);
    wire.pair.near.add_ipv4(host, 24)?;
    wire.with_packet(|mut device| {
        let socket = UdpSocket::bind((host, 0))?;
        socket.set_broadcast(true)?;
        let all = Ipv4Addr::new(192, 0, 2, 255);
        for _ in 0..3 {
            socket.send_to(&[7; 100], (all, 9))?;
            let packet = next(&mut device)?;
            assert!(packet.ends_with(&[7; 100]));
        }
        assert_eq!(device.unfinished_checksums(), 3);
        let off = packet_ring_lab::OffloadState::Off;
        let checksum = packet_ring_lab::Offload::TransmitChecksum;
        wire.pair.near.set_offload(checksum, off)?;
        socket.send_to(&[7; 100], (all, 9))?;
        next(&mut device)?;
        assert_eq!(device.unfinished_checksums(), 3);
        Ok(())
    })
}

fn what_the_kernel_refuses_does_not_stop_the_ring() -> TestResult {
    let wire = Wire::new()?;
    wire.with_packet(|device| {
        let mut device = device.kicks(Kicks::OnFlush);
        wire.pair.far.set_mtu(1000)?;
        let [before, after] = [frame::numbered(0, 60), frame::numbered(2, 60)];
        for frame in [&before, &frame::numbered(1, 1514), &after] {
            assert!(transmit(&mut device, frame));
        }
        let Err(Error::Unsent { frame: 1, why }) = device.flush() else {
            return Err("nothing was refused".into());
        };
        assert_eq!(why, Unsent::TooLong);
        assert_eq!(device.flush(), Ok(0));
        wire.assert_arrive(&[before])?;
        // Those behind it went with it; the next are sent.
        assert!(transmit(&mut device, &after));
        assert_eq!(device.flush(), Ok(0));
        wire.assert_arrive(&[after])
    })
}

fn a_packet_in_several_frames_is_passed_over() -> TestResult {
    let Some(map) = rights::map()? else {
        return Ok(());
    };
    let wire = Wire::new()?;
    let (umem, mut pool) = Umem::new(CHUNKS)?;
    let rings = xdp::RxTx::new(xdp::Rx::new(SLOTS), xdp::Tx::new(SLOTS));
    let mut socket = xdp::Socket::configure(rings, &umem)?.map()?;
    socket.rings().fill.stock(&mut pool, SLOTS.get())?;
    let socket = socket.bind(Queue::new(wire.interface()?, 0).multi_buffer())?;
    map.insert(0, &socket)?;
    let program = Redirect::to(&map).fragments().load()?;
    let _attached = program.attach(wire.interface()?, AttachMode::Generic)?;
    let mut device = XdpDevice::new(socket, pool)?;
    for end in [&wire.pair.near, &wire.pair.far] {
        end.set_mtu(6000)?;
    }
    for turn in 0..50 {
        let small = frames(turn * 2..turn * 2 + 2);
        wire.injector.send(&small[0])?;
        wire.injector.send(&frame::numbered(1000, 6014))?;
        wire.injector.send(&small[1])?;
        for small in &small {
            assert!(next(&mut device)? == *small, "in turn {turn}");
        }
    }
    let (rings, joint, mut pool) = device.into_parts();
    joint.close(rings)?.reclaim(Deadline::after(PATIENCE))?;
    pool.take_back();
    assert_eq!(pool.len(), CHUNKS.count());
    Ok(())
}

fn what_cannot_be_a_device_is_refused() -> TestResult {
    const BLOCKS: Geometry = Geometry::new_assert(1 << 14, 8);
    let open = |interface, frame_size| -> Result<_, Error> {
        let tx = packet::Tx::new(FrameGeometry::new(frame_size, 1 << 14, 2)?);
        let rings = packet::RxTx::new(packet::Rx::new(BLOCKS), tx);
        Ok(packet::Socket::configure(rings)?.map()?.bind(interface)?)
    };
    let refused = |interface, frame_size| -> Result<Option<Error>, Error> {
        let mut socket = open(interface, frame_size)?;
        let (receiver, transmitter) = socket.split();
        Ok(PacketDevice::new(receiver, transmitter).err())
    };
    let too_small = |room, len| Some(Error::FrameTooSmall { room, len });
    let wire = Wire::new()?;
    let (far, lo) = (wire.interface()?, Interface::by_name("lo")?);
    assert_eq!(refused(lo, 2048)?, Some(Error::NotEthernet));
    assert_eq!(refused(far, 1552)?, too_small(1504, 1514));
    assert_eq!(refused(far, 1568)?, None);

    // The index is another interface's there, or none's.
    let mut socket = open(far, 2048)?;
    let elsewhere = Namespace::new()?;
    let (receiver, transmitter) = socket.split();
    let there = elsewhere.run(|| {
        let pairs: Vec<_> = (0..2)
            .map(|_| VethPair::create(&VethOptions::default()))
            .collect();
        let device = PacketDevice::new(receiver, transmitter).err();
        pairs
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .map(|_| device)
    })??;
    assert_eq!(there, Some(Error::OtherNamespace));

    if rights::map()?.is_none() {
        return Ok(());
    }
    let (socket, _umem, pool) = wire.xdp_socket()?;
    let none = pool.umem().empty_pool();
    assert_eq!(
        XdpDevice::new(socket, none).err(),
        Some(Error::PoolTooSmall)
    );
    let wire = Wire::new()?;
    let (socket, ..) = wire.xdp_socket()?;
    let (_, foreign) = Umem::new(CHUNKS)?;
    assert_eq!(
        XdpDevice::new(socket, foreign).err(),
        Some(Error::ForeignPool)
    );
    let wire = Wire::new()?;
    wire.pair.far.set_mtu(2000)?;
    let (socket, _umem, pool) = wire.xdp_socket()?;
    assert_eq!(XdpDevice::new(socket, pool).err(), too_small(1792, 2014));
    Ok(())
}

suite![
    packets_are_received_whole_and_in_order,
    the_descriptor_tells_of_packets,
    a_frame_leaves_at_once_unless_asked_otherwise,
    frames_that_wait_for_a_flush_leave_by_it,
    a_token_that_is_dropped_changes_nothing,
    a_frame_beyond_its_room_is_told_and_not_sent,
    a_stack_is_told_what_the_interface_is,
    without_room_for_an_answer_packets_wait,
    what_is_not_for_the_stack_is_passed_over,
    packets_without_their_checksum_are_counted,
    what_the_kernel_refuses_does_not_stop_the_ring,
    a_packet_in_several_frames_is_passed_over,
    what_cannot_be_a_device_is_refused,
];
