//! What each kind of rings does at each step of the socket's life.

use core::num::NonZeroU32;

use rustix::fd::BorrowedFd;
use rustix::net::SocketType;

use super::{Delivery, Interface, Receiver, Transmitter};
use crate::abi::packet::record;
use crate::error::{Error, Operation};
use crate::geometry::InvalidGeometry;
use crate::lifecycle::Rings;
use crate::sys::{self, Mapping, RingRequest, Version};

/// Rings of a packet socket: [`Rx`](super::Rx), [`RxV2`](super::RxV2), [`Tx`](super::Tx),
/// [`RxTx`](super::RxTx), [`RxHalf`](super::RxHalf), [`NoRing`](super::NoRing). Sealed.
///
/// Not exported: its methods take any descriptor, and would let a ring be made outside of the socket's
/// states.
pub trait PacketRings: Rings + Copy {
    /// The layout of the rings.
    const VERSION: Version = Version::TPACKET_V3;

    /// What `PACKET_HDRLEN` tells of it, in bytes.
    const PACKET_HEADER: usize = record::PACKET_HEADER;

    /// Whether one of them transmits.
    const TRANSMIT: bool = false;

    /// The type of the socket.
    fn socket_type(&self) -> SocketType {
        SocketType::RAW
    }

    /// Sets the options that the kernel takes before there is a ring.
    fn configure(&self, fd: BorrowedFd<'_>) -> Result<(), Error>;

    /// Makes the rings and maps them; what was made before a step that fails is unmade.
    fn map(self, fd: BorrowedFd<'_>) -> Result<Self::Mapped, Error>;

    /// The protocol to bind with, in host byte order.
    fn bind_protocol(mapped: &Self::Mapped) -> u16;

    /// What is known once the socket is bound.
    fn into_bound(mapped: Self::Mapped, interface: Interface) -> Self::Bound;

    /// The interface that the socket was last bound to.
    fn interface(bound: &Self::Bound) -> Interface;

    /// Binds to another interface with the same rings.
    fn rebind(
        bound: &mut Self::Bound,
        fd: BorrowedFd<'_>,
        interface: Interface,
    ) -> Result<(), Error>;
}

/// Rings of which one receives: [`Rx`](super::Rx), [`RxV2`](super::RxV2), [`RxTx`](super::RxTx),
/// [`RxHalf`](super::RxHalf). Sealed.
#[diagnostic::on_unimplemented(
    message = "a socket with `{Self}` receives nothing",
    label = "configure it with `Rx`, `RxV2` or `RxTx`"
)]
pub trait Receives: PacketRings {
    /// How the receive ring delivers packets.
    type Delivery: Delivery;

    /// The most that is kept of a packet, in bytes, where there is a limit.
    fn snap_length(&self) -> Option<NonZeroU32>;

    /// The receiver of these rings. Blocks that were forgotten are taken back.
    fn receiver<'r, G>(
        bound: &'r mut Self::Bound,
        fd: BorrowedFd<'r>,
        group: &'r G,
    ) -> Receiver<'r, Self::Delivery, G>;
}

/// Rings of which one transmits: [`Tx`](super::Tx), [`RxTx`](super::RxTx), [`TxHalf`](super::TxHalf).
/// Sealed.
#[diagnostic::on_unimplemented(
    message = "a socket with `{Self}` has no transmit ring",
    label = "configure it with `Tx` or `RxTx`"
)]
pub trait Transmits: Rings {
    /// The transmitter of these rings.
    fn transmitter<'t>(bound: &'t mut Self::Bound, fd: BorrowedFd<'t>) -> Transmitter<'t>;
}

/// Rings of which none transmits, so that the socket can send by copying: [`Rx`](super::Rx),
/// [`RxV2`](super::RxV2), [`NoRing`](super::NoRing). Sealed.
#[diagnostic::on_unimplemented(
    message = "a socket with `{Self}` sends what its transmit ring holds and nothing else",
    label = "send through its `transmitter`"
)]
pub trait Copies: PacketRings {}

/// A socket that only sends receives nothing.
pub(super) const NO_PROTOCOL: u16 = 0;

/// Binds the socket to an interface and a protocol (host byte order).
pub(super) fn bind(fd: BorrowedFd<'_>, interface: Interface, protocol: u16) -> Result<(), Error> {
    sys::bind(fd, interface.raw(), protocol).map_err(Error::system(Operation::Bind {
        interface: interface.index(),
    }))
}

/// A ring that the kernel is asked to make.
#[derive(Clone, Copy)]
pub(super) enum Request {
    Rx(RingRequest),
    Tx(RingRequest),
}

impl Request {
    fn bytes(self) -> u64 {
        let (Self::Rx(request) | Self::Tx(request)) = self;
        u64::from(request.tp_block_size) * u64::from(request.tp_block_nr)
    }

    fn make(self, fd: BorrowedFd<'_>) -> Result<(), Error> {
        let bytes = self.bytes();
        match self {
            Self::Rx(request) => {
                sys::set_rx_ring(fd, &request).map_err(Error::system(Operation::SetRing { bytes }))
            }
            Self::Tx(request) => sys::set_tx_ring(fd, &request)
                .map_err(Error::system(Operation::SetTxRing { bytes })),
        }
    }

    fn unmake(self, fd: BorrowedFd<'_>) {
        // Freeing a ring that nothing maps cannot fail; were it to, the next `map` says EBUSY.
        let _ = match self {
            Self::Rx(_) => sys::set_rx_ring(fd, &NO_RING),
            Self::Tx(_) => sys::set_tx_ring(fd, &NO_RING),
        };
    }
}

/// The request that frees a ring.
const NO_RING: RingRequest = RingRequest {
    tp_block_size: 0,
    tp_block_nr: 0,
    tp_frame_size: 0,
    tp_frame_nr: 0,
    tp_retire_blk_tov: 0,
    tp_sizeof_priv: 0,
    tp_feature_req_word: 0,
};

/// Makes the rings and maps them as one, as the kernel wants it; all or none.
pub(super) fn make(fd: BorrowedFd<'_>, requests: &[Request]) -> Result<Mapping, Error> {
    let mut bytes = 0;
    for request in requests {
        let (Request::Rx(sizes) | Request::Tx(sizes)) = request;
        if !(sizes.tp_block_size as usize).is_multiple_of(rustix::param::page_size()) {
            return Err(InvalidGeometry::BlockSizeNotPages.into());
        }
        bytes += request.bytes();
    }
    let len = usize::try_from(bytes)
        .ok()
        .filter(|&len| len <= isize::MAX as usize);
    let len = len.ok_or(InvalidGeometry::RingTooLarge)?;
    let made = requests
        .iter()
        .try_for_each(|request| request.make(fd))
        .and_then(|()| Mapping::new(fd, len));
    if made.is_err() {
        // Also the one that the kernel refused: freeing it does nothing.
        for request in requests {
            request.unmake(fd);
        }
    }
    made
}
