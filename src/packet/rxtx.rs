//! Both rings on one socket.

use core::num::NonZeroU32;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::net::SocketType;

use super::rings::{PacketRings, Receives, Transmits, make};
use super::rx::{BoundRx, MappedRx};
use super::tx::{BoundTx, MappedTx};
use super::{Blocks, Interface, Receiver, Rx, Socket, Transmitter, Tx};
use crate::error::{Error, Operation};
use crate::lifecycle::{Alone, Bound, Failed, Rings, Sealed};
use crate::sys;

/// A receive and a transmit ring that are wanted on one socket.
///
/// The socket does not receive what it transmits itself. Both rings lie in one mapping, the receive
/// ring first. Sending needs link-layer headers: of a socket with
/// [`LinkHeader::Removed`](super::LinkHeader::Removed) the kernel refuses every frame on Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxTx {
    rx: Rx,
    tx: Tx,
}

impl RxTx {
    /// Both rings.
    #[must_use]
    pub const fn new(rx: Rx, tx: Tx) -> Self {
        Self { rx, tx }
    }
}

impl Sealed for RxTx {}
impl Rings for RxTx {
    type Mapped = MappedRxTx;
    type Bound = BoundRxTx;
}

impl PacketRings for RxTx {
    const TRANSMIT: bool = true;

    fn socket_type(&self) -> SocketType {
        self.rx.socket_type()
    }

    fn configure(&self, fd: BorrowedFd<'_>) -> Result<(), Error> {
        self.rx.configure(fd)?;
        self.tx.configure(fd)
    }

    fn map(self, fd: BorrowedFd<'_>) -> Result<MappedRxTx, Error> {
        // The vnet header is the socket's: it lies before each received packet too, and takes room there.
        let wanted = self.rx.geometry();
        wanted.reserve(
            wanted
                .reserve_bytes()
                .saturating_add(self.tx.vnet_header_bytes()),
        )?;
        let mapping = make(fd, &[self.rx.ring_request(), self.tx.ring_request()])?;
        // The mapping has both rings' bytes, so each fits the address space.
        let (rx, tx) = mapping.split_at(self.rx.geometry().bytes() as usize);
        let rx = self.rx.mapped(rx);
        let protocol = Rx::bind_protocol(&rx);
        Ok(MappedRxTx {
            rx,
            tx: self.tx.mapped(tx, protocol),
        })
    }

    fn bind_protocol(mapped: &MappedRxTx) -> u16 {
        Rx::bind_protocol(&mapped.rx)
    }

    fn into_bound(mapped: MappedRxTx, interface: Interface) -> BoundRxTx {
        let mut rx = Rx::into_bound(mapped.rx, interface);
        if mapped.tx.has_vnet_headers() {
            rx.delivery = rx.delivery.with_vnet_headers();
        }
        BoundRxTx {
            rx,
            tx: Tx::into_bound(mapped.tx, interface),
        }
    }

    fn interface(bound: &BoundRxTx) -> Interface {
        Rx::interface(&bound.rx)
    }

    fn rebind(
        bound: &mut BoundRxTx,
        fd: BorrowedFd<'_>,
        interface: Interface,
    ) -> Result<(), Error> {
        Rx::rebind(&mut bound.rx, fd, interface)
    }
}

impl Receives for RxTx {
    type Delivery = Blocks;

    fn snap_length(&self) -> Option<NonZeroU32> {
        self.rx.snap_length()
    }

    fn receiver<'r, G>(
        bound: &'r mut BoundRxTx,
        fd: BorrowedFd<'r>,
        group: &'r G,
    ) -> Receiver<'r, Blocks, G> {
        Rx::receiver(&mut bound.rx, fd, group)
    }
}

impl Transmits for RxTx {
    fn transmitter<'t>(bound: &'t mut BoundRxTx, fd: BorrowedFd<'t>) -> Transmitter<'t> {
        Tx::transmitter(&mut bound.tx, fd)
    }
}

/// Two mapped rings.
#[derive(Debug)]
pub struct MappedRxTx {
    rx: MappedRx,
    tx: MappedTx,
}

/// Two rings at an interface.
#[derive(Debug)]
pub struct BoundRxTx {
    rx: BoundRx,
    tx: BoundTx,
}

/// The receive ring of a socket that was [split](Socket::into_split): of a state, not a value.
///
/// It is not [`Rx`], for what is sent through the socket still goes through the transmit ring.
#[derive(Clone, Copy, Debug)]
pub enum RxHalf {}

impl Sealed for RxHalf {}
impl Rings for RxHalf {
    type Mapped = MappedRx;
    type Bound = BoundRx;
}

impl PacketRings for RxHalf {
    fn configure(&self, _: BorrowedFd<'_>) -> Result<(), Error> {
        match *self {}
    }

    fn map(self, _: BorrowedFd<'_>) -> Result<MappedRx, Error> {
        match self {}
    }

    fn bind_protocol(mapped: &MappedRx) -> u16 {
        Rx::bind_protocol(mapped)
    }

    fn into_bound(mapped: MappedRx, interface: Interface) -> BoundRx {
        Rx::into_bound(mapped, interface)
    }

    fn interface(bound: &BoundRx) -> Interface {
        Rx::interface(bound)
    }

    fn rebind(bound: &mut BoundRx, fd: BorrowedFd<'_>, interface: Interface) -> Result<(), Error> {
        Rx::rebind(bound, fd, interface)
    }
}

impl Receives for RxHalf {
    type Delivery = Blocks;

    fn snap_length(&self) -> Option<NonZeroU32> {
        match *self {}
    }

    #[inline]
    fn receiver<'r, G>(
        bound: &'r mut BoundRx,
        fd: BorrowedFd<'r>,
        group: &'r G,
    ) -> Receiver<'r, Blocks, G> {
        Rx::receiver(bound, fd, group)
    }
}

/// The transmit ring of a socket that was [split](Socket::into_split): of a state, not a value.
///
/// It is not [`Tx`]: which interface the socket is bound to is the receiving half's to change and to
/// tell.
#[derive(Clone, Copy, Debug)]
pub enum TxHalf {}

impl Sealed for TxHalf {}
impl Rings for TxHalf {
    type Mapped = MappedTx;
    type Bound = BoundTx;
}

impl Transmits for TxHalf {
    #[inline]
    fn transmitter<'t>(bound: &'t mut BoundTx, fd: BorrowedFd<'t>) -> Transmitter<'t> {
        Tx::transmitter(bound, fd)
    }
}

/// The receiving and the transmitting part of one socket, each with its own ring.
pub type Halves<G = Alone> = (Socket<Bound<RxHalf, G>>, Socket<Bound<TxHalf, G>>);

impl<G> Socket<Bound<RxTx, G>> {
    /// Both halves at once, for as long as the socket is borrowed: a received packet and a frame to
    /// answer in can be held together.
    #[inline]
    pub fn split(&mut self) -> (Receiver<'_, Blocks, G>, Transmitter<'_>) {
        let (rings, fd, group) = self.parts();
        (
            Rx::receiver(&mut rings.rx, fd, group),
            Tx::transmitter(&mut rings.tx, fd),
        )
    }

    /// Parts the socket into two that are owned apart, for threads and tasks that are `'static`.
    ///
    /// Each unmaps its own ring and closes its own descriptor of the one socket, which lives until both
    /// are gone. `fcntl(F_DUPFD_CLOEXEC)`. Binding the receiving half to another interface moves the
    /// transmitting half too. Link state, statistics and joining a fanout group belong to the receiving half; the transmitting
    /// half learns of the link where it [kicks](Transmitter::kick).
    ///
    /// # Errors
    ///
    /// Gives the socket back, with [`Error::System`]: EMFILE where the process has no descriptor left.
    pub fn into_split(self) -> Result<Halves<G>, Failed<Self>>
    where
        G: Copy,
    {
        let second = match sys::duplicate(self.as_fd()) {
            Ok(second) => second,
            Err(errno) => {
                let error = Error::system(Operation::DuplicateDescriptor)(errno);
                return Err(Failed::new(error, self));
            }
        };
        let Bound { rings, fd, group } = self.into_state();
        Ok((
            Socket::from_state(Bound {
                rings: rings.rx,
                fd,
                group,
            }),
            Socket::from_state(Bound {
                rings: rings.tx,
                fd: second,
                group,
            }),
        ))
    }
}
