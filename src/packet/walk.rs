//! From packet to packet through a block.
//!
//! Nothing here trusts the bytes of the block: each word is read once, and a record that does not lie
//! within what the block says it has ends the walk and marks the ring corrupt. The walk advances by
//! at least one header a packet and by no more packets than the block counts, so it ends.

use core::iter::FusedIterator;
use core::ops::ControlFlow;

use super::Packet;
use crate::abi::packet::record;
use crate::handoff::Slots;
use crate::sync::prefetch;

/// How many packets ahead the iterator asks for memory: measured.
const AHEAD: usize = 8;
/// How many packets ahead the flat loop does: measured.
const FLAT_AHEAD: usize = 16;

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
    /// Where the record's captured bytes begin and end, from the start of the record.
    data: (usize, usize),
    /// Where the record ends, from its start.
    end: usize,
}

/// Checks one record. `None` where the kernel cannot have written it.
#[inline(always)]
fn bounds(header: &[u8; record::HEADER], available: usize, last: bool) -> Option<Bounds> {
    let word = |offset: usize| {
        u32::from_ne_bytes([
            header[offset],
            header[offset + 1],
            header[offset + 2],
            header[offset + 3],
        ]) as usize
    };
    let end = if last {
        available
    } else {
        let next = word(record::NEXT);
        if next < record::HEADER || !next.is_multiple_of(record::ALIGNMENT) {
            return None;
        }
        next
    };
    let start = usize::from(u16::from_ne_bytes([
        header[record::MAC],
        header[record::MAC + 1],
    ]));
    let data = (start, start.checked_add(word(record::CAPTURED))?);
    (data.0 >= record::HEADER && data.1 <= end && end <= available).then_some(Bounds { data, end })
}

impl<'b> Records<'b> {
    /// The packet at `at`, and where the next begins.
    #[inline(always)]
    fn read(self, at: usize, last: bool) -> Option<(Packet<'b>, usize)> {
        let rest = self.bytes.get(at..)?;
        let header = rest.first_chunk()?;
        let bounds = bounds(header, rest.len(), last)?;
        Some((Packet::new(header, rest), at + bounds.end))
    }

    /// The packet at `position`, which moves on.
    #[inline(always)]
    pub(super) fn read_on(self, position: &mut Position, ahead: usize) -> Option<Packet<'b>> {
        let left = position.left.checked_sub(1)?;
        let Some((packet, next)) = self.read(position.next, left == 0) else {
            position.left = 0;
            self.slots.mark_corrupt();
            return None;
        };
        // Records of one size are the common case: where the packet `ahead` of this one would lie.
        let stride = next - position.next;
        prefetch(self.bytes, next.wrapping_add(stride.wrapping_mul(ahead)));
        *position = Position {
            next,
            left,
            ..*position
        };
        Some(packet)
    }

    /// Runs `f` over every packet from `position` on.
    #[inline(always)]
    pub(super) fn each(
        self,
        mut position: Position,
        mut f: impl FnMut(Packet<'b>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        while let Some(packet) = self.read_on(&mut position, FLAT_AHEAD) {
            f(packet)?;
        }
        ControlFlow::Continue(())
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
        let found = bounds(rest.first_chunk()?, rest.len(), left == 0)?;
        Some((rest.get_mut(found.data.0..found.data.1)?, found.end))
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
///
/// Over many packets, `for_each` and the other methods that run a closure are faster than a `for`
/// loop, and [`Block::for_each`](super::Block::for_each) can stop early too.
#[derive(Clone, Debug)]
pub struct Packets<'b> {
    records: Records<'b>,
    position: Position,
}

impl<'b> Packets<'b> {
    pub(super) fn new(records: Records<'b>, position: Position) -> Self {
        Self { records, position }
    }
}

impl<'b> Iterator for Packets<'b> {
    type Item = Packet<'b>;

    #[inline(always)]
    fn next(&mut self) -> Option<Packet<'b>> {
        self.records.read_on(&mut self.position, AHEAD)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // A corrupt block can end early.
        (0, usize::try_from(self.position.left).ok())
    }

    #[inline(always)]
    fn fold<B, F>(self, init: B, mut f: F) -> B
    where
        F: FnMut(B, Packet<'b>) -> B,
    {
        let Self {
            records,
            mut position,
        } = self;
        let mut sum = init;
        while let Some(packet) = records.read_on(&mut position, FLAT_AHEAD) {
            sum = f(sum, packet);
        }
        sum
    }
}

impl FusedIterator for Packets<'_> {}
