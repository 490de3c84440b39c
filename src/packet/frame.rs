//! A frame with one received packet, owned until it is dropped.

use super::Packet;
use super::delivery::{Deliver, field};
use crate::abi::packet::frame_v2;
use crate::handoff::{self, Handle};

/// Where the bytes that a guard lends begin in a frame: behind the status word.
pub(super) const LENT_FROM: usize = frame_v2::STATUS + size_of::<u32>();

/// One packet at a time, as [`Frame`]s: what a ring of [`RxV2`](super::RxV2) delivers.
///
/// Holds what each of its frames has room for.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    /// Bytes of an Ethernet frame.
    pub(super) capacity: u32,
}

/// A frame that the kernel has filled with one packet. Dropping it gives it back to the kernel.
///
/// `H` is what keeps the ring alive meanwhile, as for a [`Block`](super::Block). Frames can be held,
/// sent to other threads and dropped in any order; but the kernel fills frames in turn, and drops
/// packets while the one in turn is out.
///
/// The packet borrows the frame:
///
/// ```compile_fail,E0505
/// # use packet_ring::{handoff::Slots, packet::Frame};
/// fn first_byte(frame: Frame<&Slots>) -> Option<u8> {
///     let packet = frame.packet();
///     drop(frame);
///     packet.data().first().copied()
/// }
/// ```
#[doc(alias = "tpacket2_hdr")]
#[derive(Debug)]
pub struct Frame<H: Handle> {
    guard: handoff::Block<H>,
    /// Where the captured bytes begin and end among those that the guard lends: our copies of the
    /// header's words, checked; the ring's are not read again to find them.
    data: (usize, usize),
}

impl<H: Handle> Frame<H> {
    /// Reads the header of a TPACKET_V2 frame that a ring has just handed out: for runtimes that map
    /// rings themselves, with the status word at offset 0. Those that receive through
    /// [`Socket`](super::Socket) have no use for it.
    ///
    /// `None` where the header is none that the kernel writes, and for every frame once the ring is
    /// corrupt ([`Slots::is_corrupt`](handoff::Slots::is_corrupt)): the frame then goes back to the
    /// kernel unread. The bytes are never trusted.
    #[inline]
    #[must_use]
    pub fn open(guard: handoff::Block<H>) -> Option<Self> {
        if guard.slots().is_corrupt() {
            return None;
        }
        let bytes = guard.bytes();
        let checked = (|| {
            let header: &<Frames as Deliver>::Header = bytes.first_chunk()?;
            let start = u16::from_ne_bytes(field(header, Frames::OFFSETS.mac));
            let captured = u32::from_ne_bytes(field(header, Frames::OFFSETS.captured));
            let start = usize::from(start)
                .checked_sub(LENT_FROM)
                .filter(|&start| start >= header.len())?;
            let end = start.checked_add(captured as usize)?;
            (end <= bytes.len()).then_some((start, end))
        })();
        let Some(data) = checked else {
            guard.slots().mark_corrupt();
            return None;
        };
        Some(Self { guard, data })
    }

    /// The packet.
    #[inline]
    #[must_use]
    pub fn packet(&self) -> Packet<'_, Frames> {
        let bytes = self.guard.bytes();
        // `open` saw that both lie within the bytes.
        let header = bytes.first_chunk().unwrap_or(&[0; _]);
        let data = bytes.get(self.data.0..self.data.1).unwrap_or(&[]);
        Packet::new(header, self.guard.status(), data)
    }

    /// The captured bytes of the packet, for writing.
    #[inline]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let data = self.data.0..self.data.1;
        self.guard.bytes_mut().get_mut(data).unwrap_or(&mut [])
    }
}
