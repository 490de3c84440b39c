//! AF_PACKET: packets out of blocks or frames, and into frames.

use core::fmt;

use rustix::fd::BorrowedFd;
use rustix::net::SocketType;
use rustix::net::sockopt::socket_type;

use super::sides::{Receive, Sides, Transmit, fits};
use super::{Device, Facts, SHORTEST_NAP};
use crate::error::{Error, Unsent};
use crate::handoff::Slots;
use crate::lifecycle::Alone;
use crate::packet::{
    Blocks, Delivery, Direction, Packet, PacketStatus, Receiver, Statistics, Transmitter,
};
use crate::wait::{Deadline, OnSignal, Wake};

/// A device over the rings of AF_PACKET sockets.
///
/// It borrows them, by a receiver and a transmitter: those of one [`RxTx`](crate::packet::RxTx) socket
/// ([`split`](crate::packet::Socket::split)), of its halves, or of two sockets of their own.
///
/// An [`Rx`](crate::packet::Rx) ring keeps a packet back until its block is full or the retire timeout has passed. For a
/// stack, which answers, that should be 1 ms; a ring of [`RxV2`](crate::packet::RxV2) beside a
/// [`Tx`](crate::packet::Tx) socket does not wait at all, and costs more a packet.
///
/// ```no_run
/// use core::time::Duration;
/// use packet_ring::device::PacketDevice;
/// use packet_ring::packet::{FrameGeometry, Geometry, Interface, Rx, RxTx, Socket, Tx};
///
/// const BLOCKS: Geometry =
///     Geometry::expect(Geometry::new_assert(1 << 16, 64).retire_timeout(Duration::from_millis(1)));
///
/// # fn main() -> Result<(), packet_ring::Error> {
/// let eth0 = Interface::by_name("eth0")?;
/// let rings = RxTx::new(Rx::new(BLOCKS), Tx::new(FrameGeometry::DEFAULT));
/// let mut socket = Socket::configure(rings)?.map()?.bind(eth0)?;
/// let (receiver, transmitter) = socket.split();
/// let device = PacketDevice::new(receiver, transmitter)?;
/// # let _ = device;
/// # Ok(())
/// # }
/// ```
pub type PacketDevice<'r, D = Blocks, G = Alone> = Device<PacketRings<'r, D, G>>;

/// The rings of a [`PacketDevice`].
pub struct PacketRings<'r, D: Delivery = Blocks, G = Alone> {
    rx: PacketRx<'r, D, G>,
    tx: PacketTx<'r>,
}

/// The receiving side.
pub struct PacketRx<'r, D: Delivery, G> {
    receiver: Receiver<'r, D, G>,
    /// What is being read, and where its next packet is.
    current: Option<(D::Guard<&'r Slots>, D::Place)>,
    /// Whether the packet there is one for the stack.
    fetched: bool,
    unfinished_checksums: u64,
    truncated: u64,
}

/// The transmitting side.
pub struct PacketTx<'r> {
    transmitter: Transmitter<'r>,
    /// Before the next kick, where the last found the interface's queue full.
    rest: Option<Rest>,
}

/// How long nothing is kicked: until a frame has come back, or for a while.
///
/// A full queue drops the packet that it does not take, which frees memory of the socket, and that is an event: who
/// kicked at each of them would never sleep.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// How many frames had come back.
    completed: u64,
    end: Deadline,
}

impl Rest {
    #[cold]
    fn after(completed: u64) -> Self {
        let end = Deadline::after(SHORTEST_NAP);
        Self { completed, end }
    }

    #[cold]
    fn is_over(self, completed: u64) -> bool {
        self.completed != completed || self.end.has_passed()
    }
}

impl<'r, D: Delivery, G> Device<PacketRings<'r, D, G>> {
    /// A device of the interface that the receiver's socket is bound to, which must be in the calling thread's network
    /// namespace. The transmitter's socket is bound to it too.
    ///
    /// What [`LinkWatch::new`](crate::packet::LinkWatch::new), [`Interface::mtu`](crate::packet::Interface::mtu) and
    /// [`Interface::ethernet_address`](crate::packet::Interface::ethernet_address) call, and
    /// `getsockopt(SO_NETNS_COOKIE)` (Linux 5.14).
    ///
    /// # Errors
    ///
    /// Theirs. [`Error::NotEthernet`]. [`Error::FrameTooSmall`] where the MTU and the Ethernet header are more than a
    /// frame of the transmit ring carries, a block or frame of the receive ring has room for, or the snap length.
    /// [`Error::LinkHeaderRemoved`]. [`Error::OtherNamespace`].
    pub fn new(
        receiver: Receiver<'r, D, G>,
        mut transmitter: Transmitter<'r>,
    ) -> Result<Self, Error> {
        let facts = Facts::of(receiver.interface(), receiver.fd())?;
        // A socket never fails to tell.
        if socket_type(receiver.fd()) != Ok(SocketType::RAW) {
            return Err(Error::LinkHeaderRemoved);
        }
        facts.fits(receiver.capacity() as usize)?;
        // Where the kernel has every frame now, what is too long is found when it is written.
        if let Some(frame) = transmitter.reserve() {
            facts.fits(frame.data().len())?;
        }
        let burst = receiver.burst(facts.longest_frame);
        let rings = PacketRings {
            rx: PacketRx {
                receiver,
                current: None,
                fetched: false,
                unfinished_checksums: 0,
                truncated: 0,
            },
            tx: PacketTx {
                transmitter,
                rest: None,
            },
        };
        Ok(Self::over(rings, facts, burst))
    }

    /// How many packets came without their checksum, which the stack drops: [what to do](crate::device#checksums).
    #[doc(alias = "TP_STATUS_CSUMNOTREADY")]
    #[must_use]
    pub fn unfinished_checksums(&self) -> u64 {
        self.rings.rx.unfinished_checksums
    }

    /// How many packets were passed over because the ring kept a part of them: the snap length, or what a block or
    /// frame has room for, is less than the packet, as where the MTU was raised after the device was made.
    #[doc(alias = "tp_snaplen")]
    #[must_use]
    pub fn truncated(&self) -> u64 {
        self.rings.rx.truncated
    }

    /// Counts since the socket was bound: [`Receiver::statistics`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::statistics`].
    pub fn statistics(&mut self) -> Result<Statistics, Error> {
        self.rings.rx.receiver.statistics()
    }
}

impl<'r, D: Delivery, G> Sides for PacketRings<'r, D, G> {
    type Rx = PacketRx<'r, D, G>;
    type Tx = PacketTx<'r>;

    fn rx(&self) -> &Self::Rx {
        &self.rx
    }

    #[inline]
    fn sides(&mut self) -> (&mut Self::Rx, &mut Self::Tx) {
        (&mut self.rx, &mut self.tx)
    }
}

/// Whether a packet is for a stack on the wire: not one that this host sends, nor one of a VLAN, whose tag the kernel
/// has taken out. A tag of VLAN 0 is a priority and nothing else.
#[inline]
fn is_for_the_stack<D: Delivery>(packet: &Packet<'_, D>) -> bool {
    const VLAN: u16 = 0xfff;
    packet.direction() != Direction::Outgoing
        && packet.vlan().is_none_or(|vlan| vlan.tci & VLAN == 0)
}

impl<D: Delivery, G> Receive for PacketRx<'_, D, G> {
    #[inline]
    fn fetch(&mut self) -> bool {
        while !self.fetched {
            let Some((slot, place)) = &mut self.current else {
                match self.receiver.next() {
                    Some(slot) => {
                        let place = D::start(&slot);
                        self.current = Some((slot, place));
                        continue;
                    }
                    None => return false,
                }
            };
            let mut next = *place;
            match D::packet(slot, &mut next) {
                None => self.current = None,
                Some(packet) if !is_for_the_stack(&packet) => *place = next,
                Some(packet) if packet.captured_len() < packet.len() => {
                    self.truncated += 1;
                    *place = next;
                }
                Some(packet) => {
                    let status = packet.status();
                    let unfinished = status.contains(PacketStatus::CHECKSUM_NOT_READY);
                    self.unfinished_checksums += u64::from(unfinished);
                    self.fetched = true;
                }
            }
        }
        true
    }

    #[inline]
    fn take<T>(&mut self, f: impl FnOnce(&mut [u8]) -> T) -> T {
        let packet = match &mut self.current {
            Some((slot, place)) if self.fetched => D::packet_mut(slot, place),
            _ => None,
        };
        self.fetched = false;
        f(packet.unwrap_or(&mut []))
    }

    fn wait(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
        self.receiver.wait(deadline, on_signal)
    }

    fn look(&mut self) -> Result<(), Error> {
        self.receiver.take_error()
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.receiver.fd()
    }
}

impl Transmit for PacketTx<'_> {
    #[inline]
    fn has_room(&mut self) -> bool {
        self.transmitter.reserve().is_some()
    }

    #[inline]
    fn send<T>(&mut self, len: usize, f: impl FnOnce(&mut [u8]) -> T) -> (T, Result<(), Error>) {
        let Some(mut frame) = self.transmitter.reserve() else {
            return (f(&mut []), fits(len, 0));
        };
        let data = frame.data_mut();
        let room = data.len();
        let written = f(&mut data[..len.min(room)]);
        (
            written,
            fits(len, room).and_then(|()| frame.send(len).map(drop)),
        )
    }

    fn kick(&mut self) -> Result<u32, Error> {
        while self.transmitter.next_completion().is_some() {}
        let completed = self.transmitter.completed();
        if self.rest.is_some_and(|rest| !rest.is_over(completed)) {
            return Ok(self.transmitter.queued());
        }
        self.rest = None;
        let kicked = match self.transmitter.kick() {
            // The frames go out later.
            Err(Error::Unsent {
                why: Unsent::NoBuffers,
                ..
            }) => {
                self.rest = Some(Rest::after(completed));
                Ok(0)
            }
            kicked => kicked,
        };
        if self.transmitter.refused().is_some() {
            // The kernel would never get past it.
            self.transmitter.recall();
        }
        kicked.map_err(|error| match error {
            Error::Unsent {
                why: Unsent::LinkDown,
                ..
            } => Error::LinkDown,
            Error::Unsent {
                why: Unsent::LinkGone,
                ..
            } => Error::LinkGone,
            error => error,
        })?;
        Ok(self.transmitter.queued())
    }

    fn waiting(&mut self) -> u32 {
        self.transmitter.queued()
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.transmitter.fd()
    }
}

impl<D: Delivery, G> fmt::Debug for PacketRings<'_, D, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketRings").finish_non_exhaustive()
    }
}
