//! How the modelled kernel lays out the bytes of a block: a header, then records of equal size.

use packet_ring::handoff::{Block, Handle};

use crate::step;

/// Offset of the low byte of the sequence number; the number of packets lies behind it, and then
/// whether the block is closed.
pub(crate) const HEADER: usize = 0;
pub(crate) const PACKETS: usize = 1;
pub(crate) const CLOSED: usize = 2;
const RECORDS: usize = 3;

/// Bytes of a record: the distance to the next one, then the packet, one byte.
pub(crate) const RECORD: usize = 2;

/// Offset of a record, which begins with the distance to the next one.
pub(crate) const fn record(number: usize) -> usize {
    RECORDS + number * RECORD
}

/// What a filled block holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The sequence number, from 1: blocks are closed in its order and none is left out.
    pub sequence: u8,
    /// The packets, in the order in which they were given their places.
    pub packets: Vec<u8>,
}

/// Reads a block as a program does, keeping what it lent across a step.
///
/// # Panics
///
/// Where the bytes contradict each other, as those of a block that is not closed do.
#[must_use]
pub fn contents<H: Handle>(block: &Block<H>) -> Contents {
    let bytes = block.bytes();
    step();
    assert_eq!(
        bytes[CLOSED], 1,
        "a block was handed out that is not closed"
    );
    let mut packets = Vec::new();
    let mut at = record(0);
    for left in (0..bytes[PACKETS]).rev() {
        packets.push(bytes[at + 1]);
        let next = usize::from(bytes[at]);
        assert_eq!(
            next == 0,
            left == 0,
            "the records end where they are said to"
        );
        at += next;
    }
    Contents {
        sequence: bytes[HEADER],
        packets,
    }
}
