//! What smoltcp's stack runs over: its own device, and the library's of either family.

use core::time::Duration;
use std::os::fd::AsRawFd;

use packet_ring::device::{Device, Kicks, PacketDevice, PacketRings, Rings, XdpDevice, XdpRings};
use packet_ring::packet::{self, FrameGeometry, Geometry, Interface};
use packet_ring::xdp::{
    self, AttachMode, Attachment, Queue, Redirect, RingSize, Umem, UmemGeometry, Xskmap,
};
use packet_ring::{Deadline, OnSignal};
use packet_ring_lab::Link;
use smoltcp::phy::{self, Medium, RawSocket};

const BLOCKS: Geometry =
    Geometry::expect(Geometry::new_assert(1 << 16, 64).retire_timeout(Duration::from_millis(1)));
const FRAMES: FrameGeometry = FrameGeometry::new_assert(2048, 1 << 16, 32);
const CHUNKS: UmemGeometry = UmemGeometry::new_assert(2048, 2048);
const SLOTS: RingSize = RingSize::new_assert(1024);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    RawSocket,
    RawSocketAgain,
    Packet(Kicks),
    /// Frames of TPACKET_V2 to receive into, beside a socket to send by.
    PacketV2(Kicks),
    Xdp(Kicks),
}

pub(crate) const WAYS: [Way; 8] = [
    Way::RawSocket,
    Way::RawSocketAgain,
    Way::Packet(Kicks::EachFrame),
    Way::Packet(Kicks::OnFlush),
    Way::PacketV2(Kicks::EachFrame),
    Way::PacketV2(Kicks::OnFlush),
    Way::Xdp(Kicks::EachFrame),
    Way::Xdp(Kicks::OnFlush),
];

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RawSocket => "smoltcp's RawSocket",
            Self::RawSocketAgain => "the same again",
            Self::Packet(Kicks::EachFrame) => "AF_PACKET, a kick a frame",
            Self::Packet(Kicks::OnFlush) => "AF_PACKET, a kick a poll",
            Self::PacketV2(Kicks::EachFrame) => "RxV2 and Tx, a kick a frame",
            Self::PacketV2(Kicks::OnFlush) => "RxV2 and Tx, a kick a poll",
            Self::Xdp(Kicks::EachFrame) => "AF_XDP, a kick a frame",
            Self::Xdp(Kicks::OnFlush) => "AF_XDP, a kick a poll",
        }
    }
}

/// A device, and how to wait for it.
pub(crate) enum Nic {
    Raw(RawSocket),
    Packet(Device<PacketRings<'static>>),
    PacketV2(Device<PacketRings<'static, packet::Frames>>),
    Xdp {
        device: Box<Device<XdpRings>>,
        _attached: Attachment,
        _map: Xskmap,
    },
}

/// What is done with a device, whichever it is.
pub(crate) trait Work {
    type Output;
    fn on<D: phy::Device>(
        self,
        device: &mut D,
        wait: impl FnMut(&mut D, Option<Duration>),
    ) -> Self::Output;
}

fn wait<R: Rings>(device: &mut Device<R>, delay: Option<Duration>) {
    let deadline = delay.map_or(Deadline::NEVER, Deadline::after);
    let woken = device.wait(deadline, OnSignal::Continue);
    assert!(woken.is_ok(), "{woken:?}");
}

impl Nic {
    pub(crate) fn new(way: Way, link: &Link) -> Self {
        let index = link.index().expect("the link is there");
        let interface = Interface::by_index(index).expect("an index");
        match way {
            Way::RawSocket | Way::RawSocketAgain => {
                let socket = RawSocket::new(link.name(), Medium::Ethernet);
                Self::Raw(socket.expect("a packet socket"))
            }
            Way::Packet(kicks) => {
                let rings = packet::RxTx::new(packet::Rx::new(BLOCKS), packet::Tx::new(FRAMES));
                let socket = packet::Socket::configure(rings).expect("a socket");
                let socket = socket.map().expect("rings").bind(interface);
                // Until the end of the bench.
                let socket = Box::leak(Box::new(socket.expect("an interface")));
                let (receiver, transmitter) = socket.split();
                let device = PacketDevice::new(receiver, transmitter).expect("Ethernet");
                Self::Packet(device.kicks(kicks))
            }
            Way::PacketV2(kicks) => {
                let rx = packet::Socket::configure(packet::RxV2::new(FRAMES)).expect("a socket");
                let rx = rx.map().expect("a ring").bind(interface);
                let rx = Box::leak(Box::new(rx.expect("an interface")));
                let tx = packet::Socket::configure(packet::Tx::new(FRAMES)).expect("a socket");
                let tx = tx.map().expect("a ring").bind(interface);
                let tx = Box::leak(Box::new(tx.expect("an interface")));
                let device = PacketDevice::new(rx.receiver(), tx.transmitter());
                Self::PacketV2(device.expect("Ethernet").kicks(kicks))
            }
            Way::Xdp(kicks) => {
                let (umem, pool) = Umem::new(CHUNKS).expect("memory");
                let rings = xdp::RxTx::new(xdp::Rx::new(SLOTS), xdp::Tx::new(SLOTS));
                let socket = xdp::Socket::configure(rings, &umem).expect("a socket");
                let socket = socket.map().expect("rings");
                let socket = socket.bind(Queue::new(interface, 0)).expect("a queue");
                let map = Xskmap::create(1).expect("the right to load programs");
                map.insert(0, &socket).expect("a bound socket");
                let program = Redirect::to(&map).load().expect("a program");
                let attached = program.attach(interface, AttachMode::Native);
                let device = XdpDevice::new(socket, pool).expect("Ethernet");
                Self::Xdp {
                    device: Box::new(device.kicks(kicks)),
                    _attached: attached.expect("veth takes programs"),
                    _map: map,
                }
            }
        }
    }

    pub(crate) fn run<W: Work>(&mut self, work: W) -> W::Output {
        match self {
            Self::Raw(device) => work.on(device, |device, delay| {
                let delay = delay.map(Into::into);
                smoltcp::phy::wait(device.as_raw_fd(), delay).expect("poll");
            }),
            Self::Packet(device) => work.on(device, wait),
            Self::PacketV2(device) => work.on(device, wait),
            Self::Xdp { device, .. } => work.on(&mut **device, wait),
        }
    }
}
