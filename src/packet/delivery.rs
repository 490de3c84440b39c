//! The two ways in which a receive ring delivers packets, as types.

use core::fmt::Debug;
use core::num::NonZeroU32;
use core::ops::ControlFlow;

use super::block::{Block, Blocks};
use super::frame::{Frame, Frames, LENT_FROM};
use super::{Packet, Position};
use crate::abi::packet::{frame_v2, record};
use crate::handoff::{self, Handle};

/// How a receive ring delivers packets: in [`Blocks`] of many, or in [`Frames`] of one each. Sealed.
///
/// For functions that take packets of both:
///
/// ```
/// # use packet_ring::packet::{Delivery, Packet};
/// fn is_ipv4(packet: Packet<'_, impl Delivery>) -> bool {
///     packet.protocol() == 0x0800
/// }
/// ```
pub trait Delivery: Deliver {}

impl<D: Deliver> Delivery for D {}

/// What [`Delivery`] stands for.
///
/// Not exported, which seals it: it speaks of headers whose bytes are nobody else's concern.
pub trait Deliver: Copy + Debug + Send + Sync + 'static {
    /// What owns a slot of the ring.
    type Guard<H: Handle>;

    /// A place among the packets of a slot.
    type Place: Copy + Debug + Send + Sync;

    /// The bytes of a packet's header, without the status word that guards a whole slot.
    type Header: AsRef<[u8]> + 'static;

    /// What the status word of the slot said, where that is the packet's own.
    type Word: Copy + Send + Sync + 'static;

    /// Where the fields lie in `Header`.
    const OFFSETS: Offsets;

    /// `tp_status` of the packet.
    fn status(header: &Self::Header, word: Self::Word) -> u32;

    /// How many packets the slot has.
    fn packet_count<H: Handle>(guard: &Self::Guard<H>) -> u32;

    /// Reads the header of a slot that was just taken; a bad one marks the ring corrupt.
    fn check<H: Handle>(self, guard: handoff::Block<H>) -> Option<Self::Guard<H>>;

    /// Runs `f` over the packets of a slot until it breaks.
    fn each<H: Handle>(
        guard: &Self::Guard<H>,
        f: impl FnMut(Packet<'_, Self>) -> ControlFlow<()>,
    ) -> ControlFlow<()>;

    /// The place of a slot's first packet.
    fn start<H: Handle>(guard: &Self::Guard<H>) -> Self::Place;

    /// The packet at a place, which moves on; `None` after the last.
    fn packet<'g, H: Handle>(
        guard: &'g Self::Guard<H>,
        place: &mut Self::Place,
    ) -> Option<Packet<'g, Self>>;

    /// Its captured bytes, for writing.
    fn packet_mut<'g, H: Handle>(
        guard: &'g mut Self::Guard<H>,
        place: &mut Self::Place,
    ) -> Option<&'g mut [u8]>;

    /// How many packets of `len` bytes a ring of `slots` is sure to hold when they come at once.
    fn burst(self, slots: NonZeroU32, len: u32) -> u32;

    /// How many bytes of an Ethernet frame a slot has room for.
    fn capacity(self) -> u32;
}

/// Bytes of an Ethernet header, which lies before where packets of links without one begin.
pub(super) const ETHERNET_HEADER: u32 = 14;

/// Where the fields of a packet lie in its header, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Offsets {
    pub(super) captured: usize,
    pub(super) length: usize,
    pub(super) mac: usize,
    pub(super) net: usize,
    pub(super) seconds: usize,
    pub(super) nanoseconds: usize,
    pub(super) vlan_tci: usize,
    pub(super) vlan_tpid: usize,
    pub(super) link_address: usize,
}

impl Deliver for Blocks {
    type Guard<H: Handle> = Block<H>;
    type Place = Position;
    type Header = [u8; record::HEADER];
    type Word = ();

    const OFFSETS: Offsets = Offsets {
        captured: record::CAPTURED,
        length: record::LENGTH,
        mac: record::MAC,
        net: record::NET,
        seconds: record::SECONDS,
        nanoseconds: record::NANOSECONDS,
        // The kernel widens the 16-bit TCI to 32.
        vlan_tci: record::VLAN_TCI + if cfg!(target_endian = "big") { 2 } else { 0 },
        vlan_tpid: record::VLAN_TPID,
        link_address: record::PACKET_HEADER,
    };

    #[inline(always)]
    fn status(header: &Self::Header, (): ()) -> u32 {
        u32::from_ne_bytes(field(header, record::STATUS))
    }

    #[inline]
    fn packet_count<H: Handle>(block: &Block<H>) -> u32 {
        block.packet_count()
    }

    #[inline]
    fn check<H: Handle>(self, guard: handoff::Block<H>) -> Option<Block<H>> {
        Block::check(guard, self)
    }

    #[inline(always)]
    fn each<H: Handle>(
        block: &Block<H>,
        f: impl FnMut(Packet<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        block.for_each(f)
    }

    #[inline]
    fn start<H: Handle>(block: &Block<H>) -> Position {
        block.start()
    }

    #[inline]
    fn packet<'g, H: Handle>(block: &'g Block<H>, place: &mut Position) -> Option<Packet<'g>> {
        block.packet(place)
    }

    #[inline]
    fn packet_mut<'g, H: Handle>(
        block: &'g mut Block<H>,
        place: &mut Position,
    ) -> Option<&'g mut [u8]> {
        block.packet_mut(place)
    }

    fn burst(self, slots: NonZeroU32, len: u32) -> u32 {
        // The retire timeout cuts blocks short: one for each time that it passes while the packets come.
        (slots.get().saturating_mul(self.packets_of(len)) / 2).max(1)
    }

    fn capacity(self) -> u32 {
        Self::capacity(self)
    }
}

impl Deliver for Frames {
    type Guard<H: Handle> = Frame<H>;
    type Place = Left;
    type Header = [u8; frame_v2::HEADER - LENT_FROM];
    type Word = u32;

    const OFFSETS: Offsets = Offsets {
        captured: frame_v2::CAPTURED - LENT_FROM,
        length: frame_v2::LENGTH - LENT_FROM,
        mac: frame_v2::MAC - LENT_FROM,
        net: frame_v2::NET - LENT_FROM,
        seconds: frame_v2::SECONDS - LENT_FROM,
        nanoseconds: frame_v2::NANOSECONDS - LENT_FROM,
        vlan_tci: frame_v2::VLAN_TCI - LENT_FROM,
        vlan_tpid: frame_v2::VLAN_TPID - LENT_FROM,
        link_address: frame_v2::PACKET_HEADER - LENT_FROM,
    };

    #[inline(always)]
    fn status(_: &Self::Header, word: u32) -> u32 {
        word
    }

    #[inline]
    fn packet_count<H: Handle>(_: &Frame<H>) -> u32 {
        1
    }

    #[inline]
    fn check<H: Handle>(self, guard: handoff::Block<H>) -> Option<Frame<H>> {
        Frame::open(guard)
    }

    #[inline(always)]
    fn each<H: Handle>(
        frame: &Frame<H>,
        mut f: impl FnMut(Packet<'_, Self>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        f(frame.packet())
    }

    #[inline]
    fn start<H: Handle>(_: &Frame<H>) -> Left {
        Left::One
    }

    #[inline]
    fn packet<'g, H: Handle>(frame: &'g Frame<H>, place: &mut Left) -> Option<Packet<'g, Self>> {
        place.take().then(|| frame.packet())
    }

    #[inline]
    fn packet_mut<'g, H: Handle>(
        frame: &'g mut Frame<H>,
        place: &mut Left,
    ) -> Option<&'g mut [u8]> {
        place.take().then(|| frame.data_mut())
    }

    fn burst(self, slots: NonZeroU32, _: u32) -> u32 {
        slots.get()
    }

    fn capacity(self) -> u32 {
        self.capacity
    }
}

/// How many packets of a frame are left.
#[derive(Clone, Copy, Debug)]
pub enum Left {
    One,
    None,
}

impl Left {
    /// Whether there was one.
    #[inline]
    fn take(&mut self) -> bool {
        matches!(core::mem::replace(self, Self::None), Self::One)
    }
}

/// The `N` bytes at `offset` of a header.
#[inline(always)]
pub(super) fn field<const N: usize>(header: &[u8], offset: usize) -> [u8; N] {
    // Headers are arrays and offsets constants within them: nothing is left of the check and of the
    // zeros.
    header[offset..].first_chunk().copied().unwrap_or([0; N])
}
