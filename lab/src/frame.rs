//! Ethernet frames that carry a number, so that whoever receives them can say which came, and which
//! did not.
//!
//! The number, big-endian, follows a mark of eight bytes right behind the headers; the rest of the
//! frame repeats a pattern that [`is_intact`] checks. All frames go to everybody (broadcast), from
//! a locally administered address.

/// The local experimental ethertype 1 (IEEE 802): no protocol handler of the kernel wants it.
pub const ETHERTYPE: u16 = 0x88b5;

/// UDP port, source and destination, of [`numbered_udp`].
pub const UDP_PORT: u16 = 34997;

/// The shortest frame that fits every kind, in bytes: an Ethernet frame without its checksum.
pub const MIN_LEN: usize = 60;

const DESTINATION: [u8; 6] = [0xff; 6];
const SOURCE: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const MARK: [u8; 8] = *b"pr-lab#\n";
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_VLAN: u16 = 0x8100;
const IPV4_LEN: usize = 20;
const UDP_LEN: usize = 8;
const PROTOCOL_UDP: u8 = 17;

/// A frame of `len` bytes that carries `number`, with [`ETHERTYPE`].
///
/// # Panics
/// When `len` is below [`MIN_LEN`].
pub fn numbered(number: u64, len: usize) -> Vec<u8> {
    finish(ethernet(ETHERTYPE), number, len)
}

/// The same behind a VLAN tag (802.1Q) with this identifier, which counts towards `len`.
///
/// # Panics
/// When `len` is below [`MIN_LEN`].
pub fn numbered_vlan(vlan: u16, number: u64, len: usize) -> Vec<u8> {
    let mut head = ethernet(ETHERTYPE_VLAN);
    head.extend((vlan & 0xfff).to_be_bytes());
    head.extend(ETHERTYPE.to_be_bytes());
    finish(head, number, len)
}

/// An IPv4 UDP datagram from 192.0.2.1 to 192.0.2.2 (RFC 5737), port [`UDP_PORT`], in a frame of
/// `len` bytes.
///
/// The UDP checksum is 0, which means none, so that renumbering leaves the frame valid.
///
/// # Panics
/// When `len` is below [`MIN_LEN`] or above what IPv4 can say.
pub fn numbered_udp(number: u64, len: usize) -> Vec<u8> {
    let mut head = ethernet(ETHERTYPE_IPV4);
    let datagram = len
        .checked_sub(head.len())
        .and_then(|len| u16::try_from(len).ok())
        .expect("an IPv4 length");
    let mut ip = [0; IPV4_LEN];
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&datagram.to_be_bytes());
    ip[8] = 64;
    ip[9] = PROTOCOL_UDP;
    ip[12..16].copy_from_slice(&[192, 0, 2, 1]);
    ip[16..20].copy_from_slice(&[192, 0, 2, 2]);
    let checksum = ipv4_checksum(&ip);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    head.extend(ip);
    head.extend(UDP_PORT.to_be_bytes());
    head.extend(UDP_PORT.to_be_bytes());
    head.extend((datagram - IPV4_LEN as u16).to_be_bytes());
    head.extend([0, 0]);
    finish(head, number, len)
}

/// The number that the frame carries, or `None` for any other frame. Reads every kind that this
/// module makes.
pub fn number(frame: &[u8]) -> Option<u64> {
    let at = number_offset(frame)?;
    Some(u64::from_be_bytes(*frame.get(at..)?.first_chunk()?))
}

/// Gives the frame another number, and leaves its pattern as it is.
///
/// # Panics
/// When the frame carries none.
pub fn renumber(frame: &mut [u8], number: u64) {
    let at = number_offset(frame).expect("a frame made by this module");
    frame[at..at + 8].copy_from_slice(&number.to_be_bytes());
}

/// Whether every byte behind the number is still the one that was put there: for payloads that
/// something may overwrite.
pub fn is_intact(frame: &[u8]) -> bool {
    number_offset(frame).is_some_and(|at| {
        frame[at + 8..]
            .iter()
            .enumerate()
            .all(|(i, &byte)| byte == pattern(i))
    })
}

/// Where the number lies: behind the headers and the mark.
fn number_offset(frame: &[u8]) -> Option<usize> {
    let mut at = 14;
    let mut kind = ethertype(frame, 12)?;
    if kind == ETHERTYPE_VLAN {
        kind = ethertype(frame, 16)?;
        at += 4;
    }
    if kind == ETHERTYPE_IPV4 {
        at += IPV4_LEN + UDP_LEN;
    }
    let number = at + MARK.len();
    (frame.get(at..number)? == MARK && frame.len() >= number + 8).then_some(number)
}

fn ethertype(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?))
}

fn ethernet(ethertype: u16) -> Vec<u8> {
    [&DESTINATION[..], &SOURCE, &ethertype.to_be_bytes()].concat()
}

fn finish(mut frame: Vec<u8>, number: u64, len: usize) -> Vec<u8> {
    assert!(
        len >= MIN_LEN,
        "a frame of {len} bytes: at least {MIN_LEN} are needed"
    );
    frame.extend(MARK);
    frame.extend(number.to_be_bytes());
    frame.extend((0..len - frame.len()).map(pattern));
    frame
}

fn pattern(index: usize) -> u8 {
    (index % 251) as u8
}

fn ipv4_checksum(header: &[u8; IPV4_LEN]) -> u16 {
    let sum: u32 = header
        .as_chunks()
        .0
        .iter()
        .map(|&word| u32::from(u16::from_be_bytes(word)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_carries_its_number_and_length() {
        for frame in [
            numbered(7, 60),
            numbered_vlan(5, 7, 61),
            numbered_udp(7, 1514),
        ] {
            assert_eq!(number(&frame), Some(7));
            assert!(is_intact(&frame));
        }
        assert_eq!(numbered(1, 60).len(), 60);
        assert_eq!(numbered_vlan(5, 1, 61).len(), 61);
        assert_eq!(numbered_udp(1, 1514).len(), 1514);
    }

    #[test]
    fn other_frames_have_no_number() {
        for len in 0..60 {
            assert_eq!(number(&numbered(1, 60)[..len.min(29)]), None);
        }
        assert_eq!(number(&[0; 60]), None);
    }

    #[test]
    fn the_ipv4_header_sums_to_zero() {
        let frame = numbered_udp(1, 1514);
        assert_eq!(ipv4_checksum(frame[14..].first_chunk().unwrap()), 0);
    }

    #[test]
    fn a_changed_byte_is_seen() {
        let mut frame = numbered(1, 100);
        frame[99] ^= 1;
        assert!(!is_intact(&frame));
    }
}
