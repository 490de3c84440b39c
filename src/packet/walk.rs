//! From packet to packet through a block.
//!
//! Nothing here trusts the bytes of the block: each word is read once, and a record that does not lie
//! within what the block says it has ends the walk and marks the ring corrupt. The walk advances by
//! at least one header a packet and by no more packets than the block counts, so it ends.

use core::iter::FusedIterator;
use core::ops::ControlFlow;

use super::Packet;
use super::delivery::field;
use crate::abi::packet::record;
use crate::handoff::Slots;
use crate::sync::prefetch;

/// How many packets beyond the next the walk asks for a header.
///
/// Headers are a chain, each found through the one before, so their memory is asked for early.
/// Measured by `benches/walk`: nearer than 10, headers are still on their way when the walk arrives.
/// From there to 24 small packets gain a little more out of cache, and large ones lose a little in it.
///
/// It gains a quarter where the ring is in a cache. In a ring that has just been filled, and is in none, it costs
/// 6 % with small packets and a quarter with large ones (`benches/peers`, drain). Both come from the requests that
/// leave their page: without these the walk is as fast as the plain one, here as there. Asked for as well, the bytes
/// behind the header cost another fifth out of cache.
const HEADERS_AHEAD: usize = 20;

/// The records of a block: `bytes` up to the end that the block's header gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) slots: &'b Slots,
}

/// A place within a block, to read on from: which record is next, and how many are left.
///
/// It belongs to the block that gave it, by the block's address and sequence number, and borrows
/// nothing. Throw it away with the socket: a later ring can lie at the same address, and there it
/// would be taken for a place in the block of the same number, whose packets need not begin there.
/// The walk checks what it finds all the same, and calls the ring corrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub(super) block: usize,
    pub(super) sequence: u64,
    pub(super) next: usize,
    pub(super) left: u32,
}

/// The bounds of one record within the bytes of its block.
#[derive(Clone, Copy)]
struct Bounds {
    /// Where the captured bytes begin and end, from the start of the record.
    data: (usize, usize),
    /// Where the record ends, from its start.
    end: usize,
}

impl Bounds {
    /// What the header says; `None` where the kernel cannot have written it. The last record ends
    /// where what is `available` does.
    ///
    /// That the record lies within the block, and the captured bytes within the record, is left to
    /// whoever slices them. A record that does so is no shorter than its header.
    #[inline(always)]
    fn read(header: &[u8; record::HEADER], available: usize, last: bool) -> Option<Self> {
        let word = |offset| u32::from_ne_bytes(field(header, offset)) as usize;
        let end = if last {
            available
        } else {
            let next = word(record::NEXT);
            if !next.is_multiple_of(record::ALIGNMENT) {
                return None;
            }
            next
        };
        let start = usize::from(u16::from_ne_bytes(field(header, record::MAC)));
        if start < record::HEADER {
            return None;
        }
        let stop = start.checked_add(word(record::CAPTURED))?;
        Some(Self {
            data: (start, stop),
            end,
        })
    }
}

/// Cuts the first record off `rest`. `None` where the kernel cannot have written it.
#[inline(always)]
fn cut(rest: &[u8], last: bool) -> Option<(Packet<'_>, &[u8])> {
    let header = rest.first_chunk()?;
    let bounds = Bounds::read(header, rest.len(), last)?;
    let (record, rest) = rest.split_at_checked(bounds.end)?;
    let data = record.get(bounds.data.0..bounds.data.1)?;
    Some((Packet::new(header, (), data), rest))
}

impl<'b> Records<'b> {
    /// The records from `position` on.
    #[inline(always)]
    pub(super) fn from(self, position: Position) -> Packets<'b> {
        Packets {
            rest: self.bytes.get(position.next..).unwrap_or(&[]),
            left: position.left,
            slots: self.slots,
        }
    }

    /// The packet at `position`, which moves on.
    #[inline(always)]
    pub(super) fn read_on(self, position: &mut Position) -> Option<Packet<'b>> {
        let mut packets = self.from(*position);
        let packet = packets.step();
        position.left = packets.left;
        position.next = self.bytes.len() - packets.rest.len();
        packet
    }
}

/// The captured bytes of the packet at `position`, for writing.
pub(super) fn read_on_mut<'b>(
    bytes: &'b mut [u8],
    slots: &Slots,
    position: &mut Position,
) -> Option<&'b mut [u8]> {
    let left = position.left.checked_sub(1)?;
    let rest = bytes.get_mut(position.next..);
    let checked = rest.and_then(|rest| {
        let bounds = Bounds::read(rest.first_chunk()?, rest.len(), left == 0)?;
        let record = rest.get_mut(..bounds.end)?;
        Some((record.get_mut(bounds.data.0..bounds.data.1)?, bounds.end))
    });
    let Some((data, len)) = checked else {
        position.left = 0;
        slots.mark_corrupt();
        return None;
    };
    *position = Position {
        next: position.next + len,
        left,
        ..*position
    };
    Some(data)
}

/// The packets of a block, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Packets<'b> {
    /// From the next record on.
    rest: &'b [u8],
    left: u32,
    slots: &'b Slots,
}

impl<'b> Packets<'b> {
    /// Cuts off the next packet.
    #[inline(always)]
    fn step(&mut self) -> Option<Packet<'b>> {
        self.left = self.left.checked_sub(1)?;
        let Some((packet, rest)) = cut(self.rest, self.left == 0) else {
            self.left = 0;
            self.slots.mark_corrupt();
            return None;
        };
        self.rest = rest;
        Some(packet)
    }

    /// Runs `f` over the packets until it breaks.
    #[inline(always)]
    pub(super) fn each(self, mut f: impl FnMut(Packet<'b>) -> ControlFlow<()>) -> ControlFlow<()> {
        for packet in self {
            f(packet)?;
        }
        ControlFlow::Continue(())
    }
}

impl<'b> Iterator for Packets<'b> {
    type Item = Packet<'b>;

    #[inline(always)]
    fn next(&mut self) -> Option<Packet<'b>> {
        let before = self.rest.len();
        let packet = self.step()?;
        // Records of one size are the common case: there the packets ahead lie at multiples of it.
        let record = before - self.rest.len();
        prefetch(self.rest, record.wrapping_mul(HEADERS_AHEAD));
        Some(packet)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // A corrupt block can end early.
        (0, usize::try_from(self.left).ok())
    }
}

impl FusedIterator for Packets<'_> {}
