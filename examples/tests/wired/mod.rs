//! A device of each family at the far end of a cable, and who feeds and watches it from the near one.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test file uses its own part"
)]

#[path = "../../../tests/xdp/rights.rs"]
pub(crate) mod rights;

use core::time::Duration;

use packet_ring::device::{Device, PacketDevice, Rings, XdpDevice};
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{self, FrameGeometry, Geometry, Interface};
use packet_ring::xdp::{
    self, AttachMode, Attachment, Pool, Queue, Redirect, RingSize, Umem, UmemGeometry, Xskmap,
};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, frame};
use smoltcp::phy::{self, RxToken, TxToken};
use smoltcp::time::Instant;

/// When a test stops hoping: far beyond what a loaded machine takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long nothing comes after the last frame.
pub(crate) const QUIET: Duration = Duration::from_millis(100);

/// How many frames a device can hand over that nobody takes.
pub(crate) const ROOM: usize = 8;

const BLOCKS: Geometry =
    Geometry::expect(Geometry::new_assert(1 << 14, 64).retire_timeout(Duration::from_millis(1)));
const FRAMES: FrameGeometry = FrameGeometry::new_assert(2048, 4096, ROOM as u32 / 2);
pub(crate) const CHUNKS: UmemGeometry = UmemGeometry::new_assert(2048, 64 + ROOM as u32);
pub(crate) const SLOTS: RingSize = RingSize::new_assert(64);

pub(crate) type Socket = xdp::Socket<Bound<xdp::RxTx>>;

/// A cable, and who is at its near end.
pub(crate) struct Wire {
    pub(crate) pair: VethPair,
    pub(crate) injector: Injector,
    pub(crate) witness: Witness,
}

impl Wire {
    pub(crate) fn new() -> Result<Self, Stopped> {
        Self::over(VethPair::create(&VethOptions::default())?)
    }

    pub(crate) fn over(pair: VethPair) -> Result<Self, Stopped> {
        Ok(Self {
            injector: Injector::on(&pair.near)?,
            witness: Witness::on(&pair.near, Sees::Incoming)?,
            pair,
        })
    }

    /// The far end.
    pub(crate) fn interface(&self) -> Result<Interface, Stopped> {
        Ok(Interface::by_index(self.pair.far.index()?).ok_or("no interface")?)
    }

    /// Asserts that these frames come out of the near end, in this order and no others.
    pub(crate) fn assert_arrive(&self, frames: &[Vec<u8>]) -> TestResult {
        for (place, expected) in frames.iter().enumerate() {
            let seen = self.witness.receive(PATIENCE)?;
            let seen = seen.ok_or_else(|| format!("frame {place} of {} came not", frames.len()))?;
            assert!(seen.bytes == *expected, "frame {place} is another");
        }
        assert_eq!(self.witness.receive(QUIET)?, None);
        Ok(())
    }

    /// Runs a test with a device of AF_PACKET at the far end.
    pub(crate) fn with_packet(
        &self,
        test: impl FnOnce(PacketDevice<'_>) -> TestResult,
    ) -> TestResult {
        let rings = packet::RxTx::new(packet::Rx::new(BLOCKS), packet::Tx::new(FRAMES));
        let socket = packet::Socket::configure(rings)?.map()?;
        let mut socket = socket.bind(self.interface()?)?;
        let (receiver, transmitter) = socket.split();
        test(PacketDevice::new(receiver, transmitter)?)
    }

    /// A bound socket of AF_XDP at the far end, its fill ring stocked, and the frames that are left.
    pub(crate) fn xdp_socket(&self) -> Result<(Socket, Umem, Pool), Stopped> {
        let (umem, mut pool) = Umem::new(CHUNKS)?;
        let rings = xdp::RxTx::new(xdp::Rx::new(SLOTS), xdp::Tx::new(SLOTS));
        let mut socket = xdp::Socket::configure(rings, &umem)?.map()?;
        socket.rings().fill.stock(&mut pool, SLOTS.get())?;
        Ok((socket.bind(Queue::new(self.interface()?, 0))?, umem, pool))
    }

    /// Has the far end's packets go to a socket.
    pub(crate) fn attach(&self, map: &Xskmap, socket: &Socket) -> Result<Attachment, Stopped> {
        map.insert(0, socket)?;
        let program = Redirect::to(map).load()?;
        let attachment = program.attach(self.interface()?, AttachMode::Native)?;
        // In the native mode veth takes a program up by going down and up.
        self.pair.wait_for_carrier()?;
        Ok(attachment)
    }

    /// Runs a test with a device of AF_XDP at the far end, and then holds every frame of its memory to be there once.
    ///
    /// Where programs cannot be loaded, nothing.
    pub(crate) fn with_xdp(&self, test: impl FnOnce(&mut XdpDevice) -> TestResult) -> TestResult {
        let Some(map) = rights::map()? else {
            return Ok(());
        };
        let (socket, umem, pool) = self.xdp_socket()?;
        let attached = self.attach(&map, &socket)?;
        let mut device = XdpDevice::new(socket, pool)?;
        test(&mut device)?;
        let (rings, joint, mut pool) = device.into_parts();
        drop((attached, map));
        joint.close(rings)?.reclaim(Deadline::after(PATIENCE))?;
        pool.take_back();
        let count = umem.geometry().count();
        assert_eq!((pool.len(), umem.census().free), (count, count));
        Ok(())
    }
}

/// Writes a frame as a stack does; whether there was room.
pub(crate) fn transmit(device: &mut impl phy::Device, frame: &[u8]) -> bool {
    let token = device.transmit(Instant::ZERO);
    let room = token.map(|token| token.consume(frame.len(), |to| to.copy_from_slice(frame)));
    room.is_some()
}

/// Receives a packet as a stack does, if one is there.
pub(crate) fn receive(device: &mut impl phy::Device) -> Option<Vec<u8>> {
    let (token, _) = device.receive(Instant::ZERO)?;
    Some(token.consume(<[u8]>::to_vec))
}

/// Frames of many lengths with these numbers.
pub(crate) fn frames(numbers: core::ops::Range<u64>) -> Vec<Vec<u8>> {
    let len = |number: u64| 60 + number as usize * 97 % 1400;
    numbers
        .map(|number| frame::numbered(number, len(number)))
        .collect()
}

/// The next packet, waited for.
pub(crate) fn next<R: Rings>(device: &mut Device<R>) -> Result<Vec<u8>, Stopped> {
    let woken = device.wait(Deadline::after(PATIENCE), OnSignal::Continue)?;
    Ok(receive(device).ok_or_else(|| format!("no packet: {woken:?}"))?)
}

/// Asserts that these packets come, in this order and no others.
pub(crate) fn assert_come<R: Rings>(device: &mut Device<R>, packets: &[Vec<u8>]) -> TestResult {
    for (place, sent) in packets.iter().enumerate() {
        assert!(next(device)? == *sent, "packet {place} is another");
    }
    let quiet = device.wait(Deadline::after(QUIET), OnSignal::Continue)?;
    assert_eq!((quiet, receive(device)), (Wake::TimedOut, None));
    Ok(())
}

/// Runs a test over a device of each family, each on a cable of its own.
macro_rules! over_both {
    ($test:ident) => {{
        let wire = Wire::new()?;
        wire.with_packet(|mut device| $test(&mut device, &wire))?;
        let wire = Wire::new()?;
        wire.with_xdp(|device| $test(device, &wire))
    }};
}
pub(crate) use over_both;
