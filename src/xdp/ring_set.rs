//! Which rings a socket has, and how large they are.

use rustix::fd::BorrowedFd;

use super::binding::Granted;
use super::umem::Memory;
use super::{CompletionRing, FillRing, Queue, RxRing, TxRing};
use crate::chunks::{Chunks, Consumers, Slot};
use crate::error::{Error, Operation};
use crate::lifecycle::{Rings, Sealed};
use crate::ring::RingSize;
use crate::sys::{self, XdpRing};

/// A receive ring and a fill ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rx {
    rx: RingSize,
    fill: RingSize,
}

impl Rx {
    /// A receive ring of this size, and a fill ring of the same.
    #[must_use]
    pub const fn new(size: RingSize) -> Self {
        Self {
            rx: size,
            fill: size,
        }
    }

    /// Gives the fill ring a size of its own.
    #[must_use]
    pub const fn fill(mut self, size: RingSize) -> Self {
        self.fill = size;
        self
    }
}

/// A transmit ring and a completion ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tx {
    tx: RingSize,
    completion: RingSize,
}

impl Tx {
    /// A transmit ring of this size, and a completion ring of the same.
    #[must_use]
    pub const fn new(size: RingSize) -> Self {
        Self {
            tx: size,
            completion: size,
        }
    }

    /// Gives the completion ring a size of its own.
    #[must_use]
    pub const fn completion(mut self, size: RingSize) -> Self {
        self.completion = size;
        self
    }
}

/// All four rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxTx {
    rx: Rx,
    tx: Tx,
}

impl RxTx {
    /// These rings together.
    #[must_use]
    pub const fn new(rx: Rx, tx: Tx) -> Self {
        Self { rx, tx }
    }
}

/// The rings of a socket that receives. Each is owned, [`Send`], and may go to a thread of its own.
#[derive(Debug)]
pub struct RxRings {
    /// Received packets.
    pub rx: RxRing,
    /// Frames to receive into.
    pub fill: FillRing,
}

/// The rings of a socket that transmits. Each is owned, [`Send`], and may go to a thread of its own.
#[derive(Debug)]
pub struct TxRings {
    /// Packets to be sent.
    pub tx: TxRing,
    /// Frames that were sent.
    pub completion: CompletionRing,
}

/// The rings of a socket that does both. Each is owned, [`Send`], and may go to a thread of its own.
#[derive(Debug)]
pub struct RxTxRings {
    /// Received packets.
    pub rx: RxRing,
    /// Frames to receive into.
    pub fill: FillRing,
    /// Packets to be sent.
    pub tx: TxRing,
    /// Frames that were sent.
    pub completion: CompletionRing,
}

/// The rings of a mapped socket.
#[derive(Debug)]
pub struct MappedRings<T> {
    pub(super) rings: T,
    pub(super) slot: Slot,
}

/// The rings of a bound socket, and what it is bound to.
#[derive(Debug)]
pub struct BoundRings<T> {
    pub(super) rings: T,
    pub(super) slot: Slot,
    pub(super) queue: Queue,
    pub(super) granted: Granted,
}

impl Sealed for Rx {}
impl Rings for Rx {
    type Mapped = MappedRings<RxRings>;
    type Bound = BoundRings<RxRings>;
}

impl Sealed for Tx {}
impl Rings for Tx {
    type Mapped = MappedRings<TxRings>;
    type Bound = BoundRings<TxRings>;
}

impl Sealed for RxTx {}
impl Rings for RxTx {
    type Mapped = MappedRings<RxTxRings>;
    type Bound = BoundRings<RxTxRings>;
}

/// What rings are made with.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    pub(super) fd: BorrowedFd<'a>,
    pub(super) chunks: &'a Chunks<Memory>,
    pub(super) slot: Slot,
}

/// All rings that a socket may have.
pub(super) const KINDS: [XdpRing; 4] =
    [XdpRing::Rx, XdpRing::Fill, XdpRing::Tx, XdpRing::Completion];

/// The smallest ring: of one that the kernel wants and nobody uses.
const UNUSED: RingSize = RingSize::new_assert(1);

/// Rings of an AF_XDP socket: [`Rx`], [`Tx`], [`RxTx`]. Sealed.
///
/// Not exported: its methods take any descriptor.
pub trait XdpRings:
    Rings<Mapped = MappedRings<Self::Rings>, Bound = BoundRings<Self::Rings>> + Copy
{
    /// The rings.
    type Rings;

    /// The sizes of the rings that the kernel is asked to make, in the order of [`KINDS`]: it wants a fill and a
    /// completion ring of every socket.
    fn wanted(&self) -> [Option<RingSize>; 4];

    /// Maps the rings.
    fn map(self, making: Making<'_>) -> Result<Self::Rings, Error>;

    /// The ring that receives.
    fn rx(rings: &mut Self::Rings) -> Option<&mut RxRing>;

    /// The ring that transmits.
    fn tx(rings: &mut Self::Rings) -> Option<&mut TxRing>;
}

impl XdpRings for Rx {
    type Rings = RxRings;

    fn wanted(&self) -> [Option<RingSize>; 4] {
        [Some(self.rx), Some(self.fill), None, Some(UNUSED)]
    }

    fn map(self, making: Making<'_>) -> Result<RxRings, Error> {
        Ok(RxRings {
            rx: RxRing::map(making, self.rx, Consumers::One)?,
            fill: FillRing::map(making, self.fill)?,
        })
    }

    fn rx(rings: &mut RxRings) -> Option<&mut RxRing> {
        Some(&mut rings.rx)
    }

    fn tx(_: &mut RxRings) -> Option<&mut TxRing> {
        None
    }
}

impl XdpRings for Tx {
    type Rings = TxRings;

    fn wanted(&self) -> [Option<RingSize>; 4] {
        [None, Some(UNUSED), Some(self.tx), Some(self.completion)]
    }

    fn map(self, making: Making<'_>) -> Result<TxRings, Error> {
        Ok(TxRings {
            tx: TxRing::map(making, self.tx)?,
            completion: CompletionRing::map(making, self.completion)?,
        })
    }

    fn rx(_: &mut TxRings) -> Option<&mut RxRing> {
        None
    }

    fn tx(rings: &mut TxRings) -> Option<&mut TxRing> {
        Some(&mut rings.tx)
    }
}

impl XdpRings for RxTx {
    type Rings = RxTxRings;

    fn wanted(&self) -> [Option<RingSize>; 4] {
        let [rx, fill, ..] = self.rx.wanted();
        let [.., tx, completion] = self.tx.wanted();
        [rx, fill, tx, completion]
    }

    fn map(self, making: Making<'_>) -> Result<RxTxRings, Error> {
        let RxRings { rx, fill } = self.rx.map(making)?;
        let TxRings { tx, completion } = self.tx.map(making)?;
        Ok(RxTxRings {
            rx,
            fill,
            tx,
            completion,
        })
    }

    fn rx(rings: &mut RxTxRings) -> Option<&mut RxRing> {
        Some(&mut rings.rx)
    }

    fn tx(rings: &mut RxTxRings) -> Option<&mut TxRing> {
        Some(&mut rings.tx)
    }
}

/// Has the kernel make a ring.
pub(super) fn make(fd: BorrowedFd<'_>, ring: XdpRing, size: RingSize) -> Result<(), Error> {
    let slots = size.get();
    sys::make_xdp_ring(fd, ring, slots).map_err(Error::system(Operation::SetXdpRing { slots }))
}
