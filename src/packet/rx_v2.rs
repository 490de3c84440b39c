//! The receive ring of TPACKET_V2: what is wanted, and what each state of the socket holds of it.

use core::num::NonZeroU32;

use rustix::fd::BorrowedFd;
use rustix::net::SocketType;

use super::delivery::ETHERNET_HEADER;
use super::rings::{PacketRings, Receives, Request, make};
use super::rx::{BoundRx, EVERY_PROTOCOL, configure};
use super::watch::Watch;
use super::{FrameGeometry, Frames, Interface, LinkHeader, Receiver};
use crate::abi::packet::frame_v2;
use crate::error::Error;
use crate::geometry::InvalidGeometry;
use crate::lifecycle::{Rings, Sealed};
use crate::sys::{MappedRing, RingRequest, Version};

/// A TPACKET_V2 receive ring that is wanted: each packet in a [`Frame`](super::Frame) of its own, which
/// the program has as soon as the kernel has copied the packet.
///
/// # When to use which
///
/// An [`Rx`](super::Rx) ring holds a packet back until its block is full or the retire timeout has
/// passed, and then hands out many at once: for throughput. This ring hands out each packet at once and
/// wakes who sleeps for each: for programs that answer.
///
/// A round trip of 64 bytes between two threads over a pair of veth interfaces, each answering the
/// other, takes 1 to 2 ms with `Rx` at a retire timeout of 1 ms, the shortest there is, whether they
/// spin or sleep. With `RxV2` it takes 4 microseconds where both spin
/// ([`spin_then_wait`](super::Receiver::spin_then_wait)) and 50 where both sleep
/// ([`wait`](super::Receiver::wait)). On the other hand, a receiver under a flood of such packets spends
/// nine times as much of its processor's time on each. These figures are of Linux 6.18 on two virtual
/// processors; `benches/ping_pong` measures round trips on the machine at hand.
///
/// Each packet takes a whole frame, however small it is. A packet that is larger than its frame is cut:
/// [`captured_len`](super::Packet::captured_len) is then less than [`len`](super::Packet::len), and the
/// remedy is larger frames.
///
/// ```no_run
/// use core::time::Duration;
/// use packet_ring::packet::{FrameGeometry, Interface, RxV2, Socket};
/// use packet_ring::{Deadline, OnSignal};
///
/// # fn main() -> Result<(), packet_ring::Error> {
/// let eth0 = Interface::by_name("eth0")?;
/// let mut socket = Socket::configure(RxV2::new(FrameGeometry::DEFAULT))?.map()?.bind(eth0)?;
/// let spin = Duration::from_micros(50);
/// let (mut receiver, sender) = socket.split();
/// loop {
///     // Sends each packet back to where it came from.
///     while let Some(mut frame) = receiver.next_frame() {
///         let packet = frame.data_mut();
///         if packet.len() >= 14 {
///             let (to, rest) = packet.split_at_mut(6);
///             to.swap_with_slice(&mut rest[..6]);
///             sender.send(&[packet])?;
///         }
///     }
///     let _ = receiver.spin_then_wait(spin, Deadline::NEVER, OnSignal::Continue)?;
/// }
/// # }
/// ```
#[doc(alias = "TPACKET_V2")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxV2 {
    geometry: FrameGeometry,
    reserve: u32,
    snap_length: Option<NonZeroU32>,
    protocol: u16,
    link_header: LinkHeader,
}

impl RxV2 {
    /// A receive ring of these sizes, for packets of every protocol, with their link-layer headers.
    ///
    /// A frame holds its size less 66 bytes of an Ethernet packet, and less 80 of any other.
    #[must_use]
    pub const fn new(geometry: FrameGeometry) -> Self {
        Self {
            geometry,
            reserve: 0,
            snap_length: None,
            protocol: EVERY_PROTOCOL,
            link_header: LinkHeader::Kept,
        }
    }

    /// Leaves `bytes` free before each packet's link-layer header.
    ///
    /// # Errors
    ///
    /// [`InvalidGeometry::ReserveTooLarge`], [`InvalidGeometry::FrameTooSmall`].
    #[doc(alias = "PACKET_RESERVE")]
    pub const fn reserve(mut self, bytes: u32) -> Result<Self, InvalidGeometry> {
        self.reserve = bytes;
        self.check()
    }

    /// Keeps at most `bytes` of each packet, as [`Geometry::snap_length`](super::Geometry::snap_length);
    /// a frame must hold as many.
    ///
    /// # Errors
    ///
    /// [`InvalidGeometry::SnapLengthZero`], [`InvalidGeometry::FrameTooSmall`].
    pub const fn snap_length(mut self, bytes: u32) -> Result<Self, InvalidGeometry> {
        self.snap_length = NonZeroU32::new(bytes);
        if self.snap_length.is_none() {
            return Err(InvalidGeometry::SnapLengthZero);
        }
        self.check()
    }

    /// Receives packets of one protocol alone, as [`Rx::protocol`](super::Rx::protocol).
    #[must_use]
    pub const fn protocol(mut self, ether_type: u16) -> Self {
        self.protocol = ether_type;
        self
    }

    /// Sets whether packets come with their link-layer header.
    #[doc(alias = "SOCK_DGRAM")]
    #[must_use]
    pub const fn link_header(mut self, link_header: LinkHeader) -> Self {
        self.link_header = link_header;
        self
    }

    /// How many bytes of an Ethernet frame a frame of the ring has room for.
    const fn capacity(&self) -> u32 {
        let begin = frame_v2::FARTHEST_MAC as u32 - ETHERNET_HEADER;
        (self.geometry.frame_size() - begin).saturating_sub(self.reserve)
    }

    const fn check(self) -> Result<Self, InvalidGeometry> {
        let begin = frame_v2::FARTHEST_MAC as u64 + self.reserve as u64;
        // An Ethernet frame's network header lies where other packets begin.
        if begin > u16::MAX as u64 {
            return Err(InvalidGeometry::ReserveTooLarge);
        }
        let captured = match self.snap_length {
            Some(bytes) => bytes.get() as u64,
            None => 0,
        };
        if begin + captured > self.geometry.frame_size() as u64 {
            return Err(InvalidGeometry::FrameTooSmall);
        }
        Ok(self)
    }
}

impl Sealed for RxV2 {}
impl Rings for RxV2 {
    type Mapped = MappedRxV2;
    type Bound = BoundRx<Frames>;
}

impl PacketRings for RxV2 {
    const VERSION: Version = Version::TPACKET_V2;
    const PACKET_HEADER: usize = frame_v2::PACKET_HEADER;

    fn socket_type(&self) -> SocketType {
        self.link_header.socket_type()
    }

    fn configure(&self, fd: BorrowedFd<'_>) -> Result<(), Error> {
        configure(fd, self.reserve, self.snap_length)
    }

    fn map(self, fd: BorrowedFd<'_>) -> Result<MappedRxV2, Error> {
        let (frame, block) = (self.geometry.frame_size(), self.geometry.block_size());
        let request = RingRequest {
            tp_block_size: block,
            tp_block_nr: self.geometry.block_count().get(),
            tp_frame_size: frame,
            tp_frame_nr: self.geometry.frame_count().get(),
            tp_retire_blk_tov: 0,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        Ok(MappedRxV2 {
            ring: MappedRing::of_frames(make(fd, &[Request::Rx(request)])?, frame, block),
            wanted: self,
        })
    }

    fn bind_protocol(mapped: &MappedRxV2) -> u16 {
        mapped.wanted.protocol
    }

    fn into_bound(mapped: MappedRxV2, interface: Interface) -> BoundRx<Frames> {
        /// A nap of a wait costs a frame that comes meanwhile this much, in milliseconds.
        const NAP_MS: u32 = 1;
        BoundRx {
            ring: mapped.ring,
            watch: Watch::new(
                NAP_MS,
                mapped.wanted.snap_length,
                interface,
                mapped.wanted.protocol,
            ),
            delivery: Frames {
                capacity: mapped.wanted.capacity(),
            },
        }
    }

    fn interface(bound: &BoundRx<Frames>) -> Interface {
        bound.watch.interface()
    }

    fn rebind(
        bound: &mut BoundRx<Frames>,
        fd: BorrowedFd<'_>,
        interface: Interface,
    ) -> Result<(), Error> {
        bound.watch.rebind(fd, interface)
    }
}

impl Receives for RxV2 {
    type Delivery = Frames;

    fn snap_length(&self) -> Option<NonZeroU32> {
        self.snap_length
    }

    #[inline]
    fn receiver<'r, G>(
        bound: &'r mut BoundRx<Frames>,
        fd: BorrowedFd<'r>,
        group: &'r G,
    ) -> Receiver<'r, Frames, G> {
        bound.receiver(fd, group)
    }
}

/// A mapped TPACKET_V2 receive ring.
#[derive(Debug)]
pub struct MappedRxV2 {
    ring: MappedRing,
    wanted: RxV2,
}
