//! The receive ring: what is wanted, and what each state of the socket holds of it.

use rustix::fd::BorrowedFd;
#[cfg(feature = "alloc")]
use rustix::fd::OwnedFd;

use super::watch::Watch;
use super::{Geometry, Interface, Receiver};
use crate::error::{Error, Operation};
use crate::geometry::InvalidGeometry;
use crate::lifecycle::{Rings, Sealed};
use crate::sys::{self, MappedRing, RingRequest};

/// `ETH_P_ALL`: packets of every protocol, and those that this host sends.
const EVERY_PROTOCOL: u16 = 3;

/// Whether the kernel computes the flow hash of each packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RxHash {
    /// It does not; [`Packet::rxhash`](super::Packet::rxhash) is zero.
    #[default]
    Off,
    /// It does: `TP_FT_REQ_FILL_RXHASH`. Costs about 180 ns a packet where the interface brings none.
    Computed,
}

/// A receive ring that is wanted: the value that a socket is configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rx {
    geometry: Geometry,
    rxhash: RxHash,
    protocol: u16,
}

impl Rx {
    /// A receive ring of these sizes, for packets of every protocol, without flow hashes.
    #[must_use]
    pub const fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            rxhash: RxHash::Off,
            protocol: EVERY_PROTOCOL,
        }
    }

    /// Sets whether the kernel computes flow hashes.
    #[doc(alias = "TP_FT_REQ_FILL_RXHASH")]
    #[must_use]
    pub const fn rxhash(mut self, rxhash: RxHash) -> Self {
        self.rxhash = rxhash;
        self
    }

    /// Receives packets of one protocol alone (an EtherType, `0x0800` for IPv4), and of those only
    /// what arrives: the kernel shows packets that this host sends to sockets for every protocol.
    #[must_use]
    pub const fn protocol(mut self, ether_type: u16) -> Self {
        self.protocol = ether_type;
        self
    }

    pub(super) const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn request(&self) -> RingRequest {
        let geometry = &self.geometry;
        let blocks = geometry.block_count().get();
        RingRequest {
            tp_block_size: geometry.block_size(),
            tp_block_nr: blocks,
            // In V3 a receive ring has no frames; one a block satisfies the kernel's arithmetic.
            tp_frame_size: geometry.block_size(),
            tp_frame_nr: blocks,
            tp_retire_blk_tov: geometry.retire_timeout_ms(),
            tp_sizeof_priv: geometry.private_area_bytes(),
            tp_feature_req_word: match self.rxhash {
                RxHash::Off => 0,
                RxHash::Computed => linux_raw_sys::if_packet::TP_FT_REQ_FILL_RXHASH,
            },
        }
    }

    /// Makes the ring and maps it; what was made before a step that fails is unmade.
    pub(super) fn map(self, fd: BorrowedFd<'_>) -> Result<MappedRx, Error> {
        if !(self.geometry.block_size() as usize).is_multiple_of(rustix::param::page_size()) {
            return Err(InvalidGeometry::BlockSizeNotPages.into());
        }
        let bytes = self.geometry.bytes();
        sys::set_rx_ring(fd, &self.request())
            .map_err(Error::system(Operation::SetRing { bytes }))?;
        match MappedRing::new(fd, self.geometry.block_size(), self.geometry.block_count()) {
            Ok(ring) => Ok(MappedRx { ring, wanted: self }),
            Err(error) => {
                // Freeing a ring that nothing maps cannot fail; were it to, the next `map` says EBUSY.
                let _ = sys::set_rx_ring(fd, &NO_RING);
                Err(error)
            }
        }
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

impl Sealed for Rx {}
impl Rings for Rx {
    type Mapped = MappedRx;
    type Bound = BoundRx;
}

/// Binds the socket to an interface and a protocol (host byte order).
pub(super) fn bind(fd: BorrowedFd<'_>, interface: Interface, protocol: u16) -> Result<(), Error> {
    sys::bind(fd, interface.raw(), protocol).map_err(Error::system(Operation::Bind {
        interface: interface.index(),
    }))
}

/// A mapped receive ring.
#[derive(Debug)]
pub struct MappedRx {
    ring: MappedRing,
    wanted: Rx,
}

impl MappedRx {
    /// Binds the socket; from here on packets arrive.
    pub(super) fn bind(&self, fd: BorrowedFd<'_>, interface: Interface) -> Result<(), Error> {
        bind(fd, interface, self.wanted.protocol)
    }

    pub(super) fn into_bound(self, interface: Interface) -> BoundRx {
        BoundRx {
            watch: Watch::new(&self.wanted.geometry, interface, self.wanted.protocol),
            mapped: self,
        }
    }
}

/// A receive ring that packets arrive in, and what is known of its interface.
#[derive(Debug)]
pub struct BoundRx {
    mapped: MappedRx,
    watch: Watch,
}

impl BoundRx {
    /// The receiver of this ring. Blocks that were forgotten are taken back.
    #[inline]
    pub(super) fn receiver<'r, G>(
        &'r mut self,
        fd: BorrowedFd<'r>,
        group: &'r G,
    ) -> Receiver<'r, G> {
        Receiver::new(
            self.mapped.ring.ring().receiver(),
            fd,
            &mut self.watch,
            group,
        )
    }

    pub(super) fn interface(&self) -> Interface {
        self.watch.interface()
    }

    #[cfg(feature = "alloc")]
    pub(super) fn into_shared<G>(self, fd: OwnedFd, group: G) -> super::SharedReceiver<G> {
        super::SharedReceiver::new(self.mapped.ring, self.watch, fd, group)
    }
}
