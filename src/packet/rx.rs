//! The receive ring: what is wanted, and what each state of the socket holds of it.

use core::num::NonZeroU32;

use rustix::fd::BorrowedFd;
use rustix::net::SocketType;

use super::rings::{PacketRings, Receives, Request, make};
use super::watch::Watch;
use super::{Blocks, Delivery, Geometry, Interface, LinkHeader, Receiver};
use crate::bpf::Instruction;
use crate::error::{Error, Operation};
use crate::lifecycle::{Rings, Sealed};
use crate::sys::{self, MappedRing, Mapping, RingRequest};

/// `ETH_P_ALL`: packets of every protocol, and those that this host sends.
pub(super) const EVERY_PROTOCOL: u16 = 3;

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
    link_header: LinkHeader,
}

impl Rx {
    /// A receive ring of these sizes, for packets of every protocol, with their link-layer headers
    /// and without flow hashes.
    #[must_use]
    pub const fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            rxhash: RxHash::Off,
            protocol: EVERY_PROTOCOL,
            link_header: LinkHeader::Kept,
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

    /// Sets whether packets come with their link-layer header.
    #[doc(alias = "SOCK_DGRAM")]
    #[must_use]
    pub const fn link_header(mut self, link_header: LinkHeader) -> Self {
        self.link_header = link_header;
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

    pub(super) fn ring_request(&self) -> Request {
        Request::Rx(self.request())
    }

    pub(super) fn mapped(self, mapping: Mapping) -> MappedRx {
        let (block, count) = (self.geometry.block_size(), self.geometry.block_count());
        MappedRx {
            ring: MappedRing::of_blocks(mapping, block, count),
            wanted: self,
        }
    }
}

impl Sealed for Rx {}
impl Rings for Rx {
    type Mapped = MappedRx;
    type Bound = BoundRx;
}

impl PacketRings for Rx {
    fn socket_type(&self) -> SocketType {
        self.link_header.socket_type()
    }

    fn configure(&self, fd: BorrowedFd<'_>) -> Result<(), Error> {
        let geometry = &self.geometry;
        configure(fd, geometry.reserve_bytes(), geometry.snap_length_bytes())
    }

    fn map(self, fd: BorrowedFd<'_>) -> Result<MappedRx, Error> {
        Ok(self.mapped(make(fd, &[self.ring_request()])?))
    }

    fn bind_protocol(mapped: &MappedRx) -> u16 {
        mapped.wanted.protocol
    }

    fn into_bound(mapped: MappedRx, interface: Interface) -> BoundRx {
        let Rx {
            geometry, protocol, ..
        } = mapped.wanted;
        BoundRx {
            ring: mapped.ring,
            watch: Watch::new(
                geometry.longest_wait_ms(),
                geometry.snap_length_bytes(),
                interface,
                protocol,
            ),
            delivery: Blocks::of(&geometry),
        }
    }

    fn interface(bound: &BoundRx) -> Interface {
        bound.watch.interface()
    }

    fn rebind(bound: &mut BoundRx, fd: BorrowedFd<'_>, interface: Interface) -> Result<(), Error> {
        bound.watch.rebind(fd, interface)
    }
}

impl Receives for Rx {
    type Delivery = Blocks;

    fn snap_length(&self) -> Option<NonZeroU32> {
        self.geometry.snap_length_bytes()
    }

    #[inline]
    fn receiver<'r, G>(
        bound: &'r mut BoundRx,
        fd: BorrowedFd<'r>,
        group: &'r G,
    ) -> Receiver<'r, Blocks, G> {
        bound.receiver(fd, group)
    }
}

/// Sets what receive rings of every layout share of the options.
pub(super) fn configure(
    fd: BorrowedFd<'_>,
    reserve: u32,
    snap_length: Option<NonZeroU32>,
) -> Result<(), Error> {
    if reserve != 0 {
        sys::set_reserve(fd, reserve).map_err(Error::system(Operation::SetReserve))?;
    }
    if let Some(bytes) = snap_length {
        sys::attach_filter(fd, &[Instruction::keep(bytes.get())])
            .map_err(Error::system(Operation::AttachFilter))?;
    }
    Ok(())
}

/// A mapped receive ring.
#[derive(Debug)]
pub struct MappedRx {
    ring: MappedRing,
    wanted: Rx,
}

/// A receive ring that packets arrive in, and what is known of its interface.
#[derive(Debug)]
pub struct BoundRx<D: Delivery = Blocks> {
    pub(super) ring: MappedRing,
    pub(super) watch: Watch,
    pub(super) delivery: D,
}

impl<D: Delivery> BoundRx<D> {
    #[inline]
    pub(super) fn receiver<'r, G>(
        &'r mut self,
        fd: BorrowedFd<'r>,
        group: &'r G,
    ) -> Receiver<'r, D, G> {
        Receiver::new(
            self.ring.ring().receiver(),
            fd,
            &mut self.watch,
            self.delivery,
            group,
        )
    }
}
