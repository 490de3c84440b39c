//! Records that the kernel has made room for and never written.
//!
//! With `PACKET_VNET_HDR` the kernel first takes a record's room in the block, and then describes the
//! packet by a vnet header. Where none can describe it, the packet is dropped, but the room stays: it is
//! counted in `num_pkts` and in `blk_len`. As it takes the room, the kernel stores `tp_next_offset`, and
//! sets `tp_status` anew, without `TP_STATUS_USER`, which it adds when it writes the record. Every other
//! byte is what lay there before, and says nothing.

use super::block::{Block, LENT_FROM};
use super::delivery::field;
use crate::abi::packet::{block, record};
use crate::handoff::{Handle, USER};

/// Bytes of a time in a block's header, and in a record's, of one layout: seconds and nanoseconds.
const TIME: usize = 2 * size_of::<u32>();

impl<H: Handle> Block<H> {
    /// Takes the unwritten records out of a block that was just checked, so that whoever walks it meets
    /// packets alone, and counts them. `None` where the kernel cannot have written what is there, which
    /// marks the ring corrupt.
    ///
    /// The block is ours until it goes back: the records before are made to reach over those that are
    /// left out.
    #[cold]
    #[inline(never)]
    pub(super) fn without_unwritten(mut self) -> Option<Self> {
        let Some((first_packet, packets)) = self.leave_out() else {
            self.guard.slots().mark_corrupt();
            return None;
        };
        self.first_packet = first_packet;
        self.packets = packets;
        Some(self)
    }

    /// Where the first packet lies from the start of the block, and how many there are.
    fn leave_out(&mut self) -> Option<(u32, u32)> {
        let reserved = self.packets;
        let mut at = self.first_packet as usize - LENT_FROM;
        let end = self.length as usize - LENT_FROM;
        let lent = self.guard.bytes_mut();
        let (mut first, mut last, mut packets) = (at, None, 0);
        for left in (0..reserved).rev() {
            let header: &[u8; record::HEADER] = lent.get(at..end)?.first_chunk()?;
            let word = |offset| u32::from_ne_bytes(field(header, offset));
            let next = word(record::NEXT) as usize;
            if word(record::STATUS) & USER != 0 {
                match last {
                    None => first = at,
                    // What lies between two packets is less than a block, and stays a multiple of eight.
                    Some(last) => set(
                        lent,
                        last + record::NEXT,
                        ((at - last) as u32).to_ne_bytes(),
                    )?,
                }
                last = Some(at);
                packets += 1;
            } else if left == 0 {
                // The kernel took the block's last time from this record.
                let time =
                    last.map_or(block::FIRST_TIME - LENT_FROM, |last| last + record::SECONDS);
                lent.copy_within(time..time + TIME, block::LAST_TIME - LENT_FROM);
            }
            if left > 0 {
                if next < record::HEADER || !next.is_multiple_of(record::ALIGNMENT) {
                    return None;
                }
                at = at.checked_add(next)?;
            }
        }
        Some(((first + LENT_FROM) as u32, packets))
    }
}

fn set<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = value;
    Some(())
}
