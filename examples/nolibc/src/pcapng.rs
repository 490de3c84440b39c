//! pcapng, in this machine's byte order: one section with one Ethernet interface.
//!
//! See the [specification](https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html).

use core::time::Duration;

use packet_ring::packet::Packet;
use rustix::io::Errno;

use crate::streams::print;

/// Writes a section header, and the description of an interface whose times are in nanoseconds.
pub(crate) fn begin() -> Result<(), Errno> {
    let section = [
        0x0a0d_0d0a,
        28,
        0x1a2b_3c4d,
        shorts([1, 0]), // the version
        u32::MAX,       // the length is not known yet
        u32::MAX,
        28,
    ];
    let description = [
        1,
        32,
        shorts([1, 0]), // LINKTYPE_ETHERNET
        0,              // packets are whole
        shorts([9, 1]), // if_tsresol, one byte: 10 to the minus 9
        u32::from_ne_bytes([9, 0, 0, 0]),
        shorts([0, 0]), // no more options
        32,
    ];
    let (section, description): ([u8; 28], [u8; 32]) = (bytes(section), bytes(description));
    print(&[&section, &description, &[], &[], &[]])
}

/// Writes a packet straight out of the ring, with the VLAN tag that the kernel took out of it.
pub(crate) fn packet(packet: &Packet<'_>) -> Result<(), Errno> {
    let (addresses, tag, rest) = match (packet.vlan(), packet.data().split_at_checked(12)) {
        (Some(vlan), Some((addresses, rest))) => {
            let ([a, b], [c, d]) = (vlan.tpid.to_be_bytes(), vlan.tci.to_be_bytes());
            (addresses, &[a, b, c, d][..], rest)
        }
        _ => (&[][..], &[][..], packet.data()),
    };
    let captured = packet.captured_len() + tag.len() as u32;
    let len = packet.len() + tag.len() as u32;
    let padding = captured.next_multiple_of(4) - captured;
    let total = 32 + captured + padding;
    let time = Duration::from(packet.timestamp()).as_nanos() as u64;
    let [high, low] = [(time >> 32) as u32, time as u32];
    let head: [u8; 28] = bytes([6, total, 0, high, low, captured, len]);
    let mut tail = [0; 7];
    let (_, end) = tail.split_at_mut(padding as usize);
    end[..4].copy_from_slice(&total.to_ne_bytes());
    print(&[&head, addresses, tag, rest, &tail[..padding as usize + 4]])
}

fn bytes<const WORDS: usize, const BYTES: usize>(words: [u32; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_ne_bytes();
    }
    bytes
}

fn shorts([one, other]: [u16; 2]) -> u32 {
    let ([a, b], [c, d]) = (one.to_ne_bytes(), other.to_ne_bytes());
    u32::from_ne_bytes([a, b, c, d])
}
