//! The library's ways of AF_PACKET.

use core::ops::ControlFlow;
use core::time::Duration;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{
    Block, Fanout, FanoutMode, FrameGeometry, Geometry, Interface, Member, Rx, RxV2, Slots, Socket,
    Tx, VnetHeader,
};
use packet_ring::{Deadline, OnSignal};
use packet_ring_lab::frame;
use rustix::fd::{AsFd, BorrowedFd};

use super::messages::send_one;
use super::our_version;
use super::ours_transmit::{Lent, Unlent};
use super::raw_transmit::{FRAME, FRAMES};
use crate::peer::{
    Answer, Blocks, ByBlocks, Cannot, Converse, Family, Peer, Place, Receive, Ring, Seen, Transmit,
};

/// A way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ours {
    /// `Rx` and `Block::for_each`, `Tx`: what the README shows.
    Closure,
    /// `Block::packets`.
    Iterator,
    /// `RxV2`.
    V2,
    /// `Tx` with frames that are copied.
    Copied,
    /// No ring.
    Sender,
}

pub(super) fn interface(place: &Place) -> Interface {
    Interface::by_index(place.index()).expect("an index")
}

/// A ring of blocks.
pub(super) fn blocks(place: &Place, ring: &Ring) -> Answer<Socket<Bound<Rx>>> {
    let geometry = Geometry::new(ring.block_size, ring.blocks)
        .and_then(|geometry| geometry.retire_timeout(ring.retire_timeout))?;
    let socket = Socket::configure(Rx::new(geometry))?
        .map()
        .map_err(|failed| failed.error())?;
    Ok(socket
        .bind(interface(place))
        .map_err(|failed| failed.error())?)
}

/// The same in a fanout group.
pub(super) fn member(place: &Place, ring: &Ring) -> Answer<Socket<Bound<Rx, Member>>> {
    let group = Fanout::in_group(ring.fanout.unwrap_or_default(), FanoutMode::LoadBalance);
    let joined = blocks(place, ring)?.join_fanout(&group);
    Ok(joined.map_err(|failed| failed.error())?)
}

/// Frames of 2 KiB that take as much memory as a ring of blocks.
pub(super) fn frames(ring: &Ring) -> Answer<FrameGeometry> {
    let blocks = ring.bytes() as u32 >> 16;
    Ok(FrameGeometry::new(FRAME as u32, 1 << 16, blocks)?)
}

/// A ring of frames, for what arrives.
pub(super) fn frame_socket(place: &Place, geometry: FrameGeometry) -> Answer<Socket<Bound<RxV2>>> {
    let rings = RxV2::new(geometry).protocol(frame::ETHERTYPE);
    let socket = Socket::configure(rings)?
        .map()
        .map_err(|failed| failed.error())?;
    Ok(socket
        .bind(interface(place))
        .map_err(|failed| failed.error())?)
}

impl Peer for Ours {
    fn name(&self) -> &'static str {
        match self {
            Self::Closure => "packet-ring",
            Self::Iterator => "packet-ring, iterator",
            Self::V2 => "packet-ring, V2",
            Self::Copied => "packet-ring, copied frames",
            Self::Sender => "packet-ring, Sender",
        }
    }

    fn version(&self) -> String {
        our_version()
    }

    fn family(&self) -> Family {
        Family::Packet
    }

    fn receiver(&self, place: &Place, ring: &Ring) -> Answer<Box<dyn Receive>> {
        match self {
            Self::Closure if ring.held > 0 => Ok(Box::new(Holding {
                socket: blocks(place, ring)?,
                held: ring.held as usize,
            })),
            Self::Closure if ring.fanout.is_some() => {
                Ok(Box::new(ByClosure(member(place, ring)?, Blocks::of(ring))))
            }
            Self::Closure => Ok(Box::new(ByClosure(blocks(place, ring)?, Blocks::of(ring)))),
            Self::Iterator if ring.held > 0 || ring.fanout.is_some() => {
                Err(Cannot::one_of_several())
            }
            Self::Iterator => Ok(Box::new(ByIterator(blocks(place, ring)?, Blocks::of(ring)))),
            Self::V2 if ring.held > 0 || ring.fanout.is_some() => {
                Err("this is a measure of blocks, and it has frames".into())
            }
            Self::V2 => Ok(Box::new(Frames(frame_socket(place, frames(ring)?)?))),
            Self::Copied | Self::Sender => Err(Cannot::one_of_several()),
        }
    }

    fn sender(&self, place: &Place, template: &[u8]) -> Answer<Box<dyn Transmit>> {
        let geometry = FrameGeometry::DEFAULT;
        assert_eq!(geometry.frame_count().get() as usize, FRAMES);
        match self {
            Self::Closure => Lent::boxed(Tx::new(geometry), VnetHeader::NONE, place, template),
            Self::Copied => {
                let header = VnetHeader::NONE.copied(template.len() as u16);
                Lent::boxed(Tx::new(geometry).vnet_headers(), header, place, template)
            }
            Self::Sender => Unlent::boxed(place, template),
            Self::Iterator | Self::V2 => Err(Cannot::one_of_several()),
        }
    }

    fn end(&self, place: &Place) -> Answer<Box<dyn Converse>> {
        match self {
            Self::V2 => {
                let geometry = FrameGeometry::new_assert(2048, 1 << 16, 2);
                Ok(Box::new(Frames(frame_socket(place, geometry)?)))
            }
            Self::Closure => {
                let receiver = self.receiver(place, &Ring::ANSWERS)?;
                Ok(Box::new(ByBlocks::new(receiver)))
            }
            Self::Iterator | Self::Copied | Self::Sender => Err(Cannot::one_of_several()),
        }
    }
}

impl Blocks {
    fn of(ring: &Ring) -> Self {
        Self {
            size: ring.block_size as usize,
            count: ring.blocks as usize,
        }
    }
}

/// Looks at each packet of a block.
#[inline(always)]
fn see_all(block: &Block<&Slots>, seen: &mut Seen) {
    let _ = block.for_each(|packet| {
        seen.packet(packet.data(), packet.len());
        ControlFlow::Continue(())
    });
}

/// Of a socket alone, or in a fanout group.
struct ByClosure<G>(Socket<Bound<Rx, G>>, Blocks);

impl<G: Send> Receive for ByClosure<G> {
    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        while let Some(block) = self.0.next_block() {
            see_all(&block, seen);
        }
    }

    fn receive(&mut self, seen: &mut Seen) {
        let woken = self.0.wait(Deadline::NEVER, OnSignal::Continue);
        let _ = woken.expect("the link is up");
        self.drain(seen);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn blocks(&self) -> Answer<Blocks> {
        Ok(self.1)
    }
}

struct ByIterator(Socket<Bound<Rx>>, Blocks);

impl Receive for ByIterator {
    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        while let Some(block) = self.0.next_block() {
            for packet in block.packets() {
                seen.packet(packet.data(), packet.len());
            }
        }
    }

    fn receive(&mut self, seen: &mut Seen) {
        let woken = self.0.wait(Deadline::NEVER, OnSignal::Continue);
        let _ = woken.expect("the link is up");
        self.drain(seen);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn blocks(&self) -> Answer<Blocks> {
        Ok(self.1)
    }
}

/// Longer than any pause of a measure.
const A_WHILE: Duration = Duration::from_millis(100);

/// Keeps blocks while it reads on, as one does who writes them to a disk. Each call begins with none: blocks live as
/// long as the borrow of their ring.
struct Holding {
    socket: Socket<Bound<Rx>>,
    held: usize,
}

impl Receive for Holding {
    fn drain(&mut self, seen: &mut Seen) {
        while let Some(block) = self.socket.next_block() {
            see_all(&block, seen);
        }
    }

    #[inline(never)]
    fn receive(&mut self, seen: &mut Seen) {
        let mut receiver = self.socket.receiver();
        let mut kept = std::collections::VecDeque::with_capacity(self.held + 1);
        // Long enough for what is measured to be that of a reader with its blocks; its caller looks up now and then.
        for _ in 0..8 * self.held.max(32) {
            let Some(block) = receiver.next_block() else {
                let woken = receiver.wait(Deadline::after(A_WHILE), OnSignal::Continue);
                if woken.expect("the link is up") != packet_ring::Wake::Ready {
                    return;
                }
                continue;
            };
            see_all(&block, seen);
            kept.push_back(block);
            if kept.len() > self.held {
                kept.pop_front();
            }
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

struct Frames(Socket<Bound<RxV2>>);

impl Receive for Frames {
    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        while let Some(frame) = self.0.next_frame() {
            let packet = frame.packet();
            seen.packet(packet.data(), packet.len());
        }
    }

    fn receive(&mut self, seen: &mut Seen) {
        let woken = self.0.wait(Deadline::NEVER, OnSignal::Continue);
        let _ = woken.expect("the link is up");
        self.drain(seen);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Converse for Frames {
    fn take(&mut self, sleeps: bool) -> u64 {
        let mut seen = Seen::default();
        let mut receiver = self.0.receiver();
        loop {
            if let Some(frame) = receiver.next_frame() {
                let packet = frame.packet();
                seen.packet(packet.data(), packet.len());
                return seen.numbers;
            }
            if sleeps {
                let woken = receiver.wait(Deadline::NEVER, OnSignal::Continue);
                let _ = woken.expect("the link is up");
            } else {
                core::hint::spin_loop();
            }
        }
    }

    fn give(&mut self, frame: &[u8]) -> Answer<()> {
        send_one(self.0.as_fd(), frame)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
