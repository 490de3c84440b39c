//! The transmit ring: what is wanted, and what each state of the socket holds of it.

use linux_raw_sys::general;
use rustix::fd::BorrowedFd;

use super::rings::{NO_PROTOCOL, PacketRings, Request, Transmits, bind, make};
use super::transmitter::State;
use super::tx_frame::Format;
use super::{FrameGeometry, Interface, Transmitter, VnetHeader};
use crate::error::{Error, Operation};
use crate::lifecycle::{Rings, Sealed};
use crate::sys::{self, MappedTxRing, Mapping, RingRequest};

/// What the kernel does with a frame that it cannot send as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// It stops there and says why: [`Error::Unsent`].
    #[default]
    Stop,
    /// It passes over the frame and says nothing: `PACKET_LOSS`. That a frame came back then no longer
    /// means that it was sent.
    Skip,
}

/// The clock that [`Transmitter::kick_at`] reads its time by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxClock {
    /// `CLOCK_MONOTONIC`: of the queueing discipline `fq`.
    Monotonic = general::CLOCK_MONOTONIC as isize,
    /// `CLOCK_TAI`: of the queueing discipline `etf`. Needs CAP_NET_ADMIN.
    Tai = general::CLOCK_TAI as isize,
}

/// A transmit ring that is wanted: the value that a socket is configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tx {
    geometry: FrameGeometry,
    refusal: Refusal,
    format: Format,
    clock: Option<TxClock>,
}

impl Tx {
    /// A transmit ring of these sizes.
    #[must_use]
    pub const fn new(geometry: FrameGeometry) -> Self {
        Self {
            geometry,
            refusal: Refusal::Stop,
            format: Format::PLAIN,
            clock: None,
        }
    }

    /// Sets what the kernel does with a frame that it cannot send.
    #[doc(alias = "PACKET_LOSS")]
    #[must_use]
    pub const fn refusal(mut self, refusal: Refusal) -> Self {
        self.refusal = refusal;
        self
    }

    /// Lets each packet begin anywhere in its frame: [`TxFrame::send_from`](super::TxFrame::send_from).
    ///
    /// For headers that are put before a payload that lies in the frame already.
    /// `setsockopt(PACKET_TX_HAS_OFF)`.
    #[doc(alias = "PACKET_TX_HAS_OFF")]
    #[must_use]
    pub const fn offsets(mut self) -> Self {
        self.format.offsets = true;
        self
    }

    /// Puts a [`VnetHeader`] before each packet, which asks for checksums and segmentation.
    ///
    /// It takes [`VnetHeader::SIZE`] bytes of each frame's capacity, and packets may be larger than the
    /// MTU where they are to be segmented. `setsockopt(PACKET_VNET_HDR)`, for the whole socket.
    ///
    /// Of an [`RxTx`](super::RxTx) socket, received packets have one too:
    /// [`Block::vnet_header`](super::Block::vnet_header). A packet whose state it cannot express, as a
    /// virtual machine can hand in through a tap (UDP fragmentation offload, SCTP segments), is dropped, and
    /// counted in [`Statistics::drops`](super::Statistics::drops).
    #[doc(alias = "PACKET_VNET_HDR")]
    #[must_use]
    pub const fn vnet_headers(mut self) -> Self {
        self.format.vnet_header = VnetHeader::SIZE;
        self
    }

    pub(super) fn vnet_header_bytes(&self) -> u32 {
        self.format.vnet_header.into()
    }

    /// Lets frames be sent at a time of this clock: [`Transmitter::kick_at`]. `setsockopt(SO_TXTIME)`,
    /// Linux 4.19.
    #[doc(alias = "SO_TXTIME")]
    #[must_use]
    pub const fn transmit_times(mut self, clock: TxClock) -> Self {
        self.clock = Some(clock);
        self
    }

    fn request(&self) -> RingRequest {
        let geometry = &self.geometry;
        RingRequest {
            tp_block_size: geometry.block_size(),
            tp_block_nr: geometry.block_count().get(),
            tp_frame_size: geometry.frame_size(),
            tp_frame_nr: geometry.frame_count().get(),
            tp_retire_blk_tov: 0,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        }
    }

    pub(super) fn ring_request(&self) -> Request {
        Request::Tx(self.request())
    }

    /// The ring in its mapping, on a socket that binds with this protocol.
    pub(super) fn mapped(self, mapping: Mapping, protocol: u16) -> MappedTx {
        let (frame, block) = (self.geometry.frame_size(), self.geometry.block_size());
        MappedTx {
            ring: MappedTxRing::new(mapping, frame, block),
            format: self.format,
            protocol,
        }
    }
}

impl Sealed for Tx {}
impl Rings for Tx {
    type Mapped = MappedTx;
    type Bound = BoundTx;
}

impl PacketRings for Tx {
    const TRANSMIT: bool = true;

    fn configure(&self, fd: BorrowedFd<'_>) -> Result<(), Error> {
        if self.refusal == Refusal::Skip {
            sys::skip_refused_frames(fd).map_err(Error::system(Operation::SetLoss))?;
        }
        if self.format.offsets {
            sys::frames_have_offsets(fd).map_err(Error::system(Operation::SetTxHasOff))?;
        }
        if self.format.vnet_header != 0 {
            sys::packets_have_vnet_headers(fd).map_err(Error::system(Operation::SetVnetHeader))?;
        }
        if let Some(clock) = self.clock {
            sys::set_transmit_times(fd, clock as i32)
                .map_err(Error::system(Operation::SetTransmitTimes))?;
        }
        Ok(())
    }

    fn map(self, fd: BorrowedFd<'_>) -> Result<MappedTx, Error> {
        Ok(self.mapped(make(fd, &[self.ring_request()])?, NO_PROTOCOL))
    }

    fn bind_protocol(mapped: &MappedTx) -> u16 {
        mapped.protocol
    }

    fn into_bound(mapped: MappedTx, interface: Interface) -> BoundTx {
        BoundTx {
            state: State::new(mapped.format),
            ring: mapped.ring,
            interface,
            protocol: mapped.protocol,
        }
    }

    fn interface(bound: &BoundTx) -> Interface {
        bound.interface
    }

    fn rebind(bound: &mut BoundTx, fd: BorrowedFd<'_>, interface: Interface) -> Result<(), Error> {
        bind(fd, interface, bound.protocol)?;
        bound.interface = interface;
        Ok(())
    }
}

impl Transmits for Tx {
    fn transmitter<'t>(bound: &'t mut BoundTx, fd: BorrowedFd<'t>) -> Transmitter<'t> {
        Transmitter::new(bound.ring.ring(), &mut bound.state, fd)
    }
}

/// A mapped transmit ring.
#[derive(Debug)]
pub struct MappedTx {
    ring: MappedTxRing,
    format: Format,
    protocol: u16,
}

impl MappedTx {
    pub(super) fn has_vnet_headers(&self) -> bool {
        self.format.vnet_header != 0
    }
}

/// A transmit ring whose frames go out through an interface.
#[derive(Debug)]
pub struct BoundTx {
    ring: MappedTxRing,
    state: State,
    interface: Interface,
    /// What the socket is bound to beside the interface, in host byte order.
    protocol: u16,
}
