//! A frame on its way out: what it holds and how it is handed over.

use super::VnetHeader;
use crate::error::Error;
use crate::handoff;

/// How a ring's frames hold their packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Whether the kernel heeds where a packet begins.
    pub(super) offsets: bool,
    /// Bytes of the header before each packet; zero where there is none.
    pub(super) vnet_header: u16,
}

impl Format {
    pub(super) const PLAIN: Self = Self {
        offsets: false,
        vnet_header: 0,
    };
}

/// A frame to be filled and sent. Dropping it sends nothing, and it is handed out again.
#[derive(Debug)]
pub struct TxFrame<'t> {
    guard: handoff::TxFrame<'t>,
    format: Format,
    header: VnetHeader,
}

impl<'t> TxFrame<'t> {
    #[inline]
    pub(super) fn new(guard: handoff::TxFrame<'t>, format: Format) -> Self {
        Self {
            guard,
            format,
            header: VnetHeader::NONE,
        }
    }

    /// The frame's number, from 0: how many were handed over before it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.guard.number()
    }

    /// Room for a packet, from its link-layer header on; holds what the frame was last filled with.
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        let start = usize::from(self.format.vnet_header);
        self.guard.bytes().get(start..).unwrap_or(&[])
    }

    /// Room for a packet, for writing.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let start = usize::from(self.format.vnet_header);
        self.guard.bytes_mut().get_mut(start..).unwrap_or(&mut [])
    }

    /// Asks for a checksum or for segmentation. Without [`Tx::vnet_headers`](super::Tx::vnet_headers)
    /// it does nothing.
    pub fn set_vnet_header(&mut self, header: VnetHeader) {
        self.header = header;
    }

    /// Hands the first `len` bytes over, to be sent with the next [`kick`](super::Transmitter::kick), and returns
    /// the frame's number.
    ///
    /// # Errors
    ///
    /// [`Error::FrameTooSmall`] where the frame has not so many bytes; it then stays unsent.
    #[inline]
    pub fn send(self, len: usize) -> Result<u64, Error> {
        self.hand_over(0, len)
    }

    /// Hands the bytes in `start..start + len` over: [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// [`Error::FrameTooSmall`] where the frame has not so many bytes, and where `start` is not zero and
    /// the ring was made without [`Tx::offsets`](super::Tx::offsets).
    #[inline]
    pub fn send_from(self, start: usize, len: usize) -> Result<u64, Error> {
        self.hand_over(start, len)
    }

    #[inline]
    fn hand_over(mut self, start: usize, len: usize) -> Result<u64, Error> {
        let header = self.format.vnet_header;
        let room = self.data().len();
        let too_small = Error::FrameTooSmall {
            room: room as u64,
            len: (start as u64).saturating_add(len as u64),
        };
        if (start != 0 && !self.format.offsets) || start > room || len > room - start {
            return Err(too_small);
        }
        if header != 0 {
            let place = self.guard.bytes_mut();
            let place = place
                .get_mut(start..)
                .and_then(|rest| rest.first_chunk_mut());
            *place.ok_or(too_small)? = self.header.bytes();
        }
        let start = u16::try_from(start).map_err(|_| too_small)?;
        let len = u32::try_from(len).map_err(|_| too_small)? + u32::from(header);
        self.guard.send(start, len).map_err(|_| too_small)
    }
}
