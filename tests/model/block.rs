//! Blocks as the kernel writes them, and ways to damage them.

use packet_ring::packet::Geometry;
use proptest::prelude::*;

/// Bytes of a block in these tests.
const BLOCK: usize = 4096;

const BLOCK_HEADER: usize = 48;
const RECORD_HEADER: usize = 68;

/// Numbers on both sides of what a length, an offset or a count may be.
pub(crate) const LIMITS: [u32; 24] = [
    0,
    1,
    7,
    8,
    11,
    12,
    47,
    48,
    67,
    68,
    69,
    71,
    72,
    80,
    4087,
    4088,
    4095,
    4096,
    4097,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0xffff_fff8,
    0xffff_ffff,
];

#[derive(Clone, Debug)]
pub(crate) struct WellFormed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) packets: usize,
    /// Where each record begins.
    records: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Content {
    /// Bytes between the record's header and the packet, as reserve and alignment make them.
    gap: usize,
    data: Vec<u8>,
    header: [u8; RECORD_HEADER],
}

/// A ring of these blocks.
pub(crate) fn geometry(blocks: usize, private_area: u32) -> Geometry {
    let ring =
        Geometry::new(BLOCK as u32, blocks as u32).and_then(|ring| ring.private_area(private_area));
    Geometry::expect(ring)
}

fn content() -> impl Strategy<Value = Content> {
    let data = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => proptest::collection::vec(any::<u8>(), 0..2000),
    ];
    (0..40_usize, data, any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(gap, data, one, two)| {
        let mut header = [0; RECORD_HEADER];
        header[..32].copy_from_slice(&one);
        header[36..].copy_from_slice(&two);
        Content { gap, data, header }
    })
}

/// A block of the kernel's, with up to 40 packets of any content.
pub(crate) fn well_formed(private_area: u32) -> impl Strategy<Value = WellFormed> {
    let contents = proptest::collection::vec(content(), 0..40);
    // Blocks of several rings, and hostile ones, have numbers in common.
    let sequence = prop_oneof![Just(1), any::<u64>()];
    (contents, sequence, any::<u32>()).prop_map(move |(contents, sequence, flags)| {
        build(private_area, &contents, sequence, flags)
    })
}

/// One fixed block with five packets.
pub(crate) fn sample() -> Vec<u8> {
    let content = |len: usize| Content {
        gap: 14,
        data: vec![len as u8; len],
        header: [0x5a; RECORD_HEADER],
    };
    build(0, &[60, 64, 61, 1, 100].map(content), 1, 0).bytes
}

fn build(private_area: u32, contents: &[Content], sequence: u64, flags: u32) -> WellFormed {
    let mut bytes = vec![0; BLOCK];
    let first = BLOCK_HEADER + (private_area as usize).next_multiple_of(8);
    let mut records = Vec::new();
    let mut end = first;
    for content in contents {
        let mac = RECORD_HEADER + content.gap;
        let size = (mac + content.data.len()).next_multiple_of(8);
        if end + size > BLOCK {
            break;
        }
        let record = &mut bytes[end..end + size];
        record[..RECORD_HEADER].copy_from_slice(&content.header);
        record[0..4].copy_from_slice(&(size as u32).to_ne_bytes());
        record[12..16].copy_from_slice(&(content.data.len() as u32).to_ne_bytes());
        record[24..26].copy_from_slice(&(mac as u16).to_ne_bytes());
        record[mac..mac + content.data.len()].copy_from_slice(&content.data);
        records.push(end);
        end += size;
    }
    if let Some(&last) = records.last() {
        bytes[last..last + 4].fill(0);
    }
    // Anything but the bit that says that a block is out.
    let status = (flags | 1) & !(1 << 27);
    for (at, word) in [
        (0, 1),
        (4, 48),
        (8, status),
        (12, records.len() as u32),
        (16, first as u32),
        (20, end as u32),
    ] {
        bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    bytes[24..32].copy_from_slice(&sequence.to_ne_bytes());
    WellFormed {
        bytes,
        packets: records.len(),
        records,
    }
}

/// A block with a good header, but for `beyond` bytes more or fewer than it has, around any bytes.
pub(crate) fn any_records(private_area: u32, count: u32, records: &[u8], beyond: i32) -> Vec<u8> {
    let mut bytes = build(private_area, &[], 1, 0).bytes;
    let first = BLOCK_HEADER + (private_area as usize).next_multiple_of(8);
    let end = first + records.len();
    bytes[first..end].copy_from_slice(records);
    bytes[12..16].copy_from_slice(&count.to_ne_bytes());
    let used = (end as u32).wrapping_add_signed(beyond);
    bytes[20..24].copy_from_slice(&used.to_ne_bytes());
    bytes
}

/// Overwrites up to four words, mostly such as the walk goes by.
pub(crate) fn damage(block: WellFormed) -> impl Strategy<Value = Vec<u8>> {
    let mut words: Vec<usize> = vec![8, 12, 16, 20, 24];
    for &record in &block.records {
        words.extend([record, record + 12, record + 24]);
    }
    let place = prop_oneof![
        6 => proptest::sample::select(words),
        1 => 0..BLOCK - 4,
    ];
    let value = prop_oneof![
        3 => proptest::sample::select(LIMITS.to_vec()),
        2 => 0..5000_u32,
        1 => (0..600_u32).prop_map(|eighths| eighths * 8),
        1 => any::<u32>(),
    ];
    let width = prop_oneof![Just(1_usize), Just(2), Just(4)];
    proptest::collection::vec((place, value, width), 0..=4).prop_map(move |changes| {
        let mut bytes = block.bytes.clone();
        for (at, value, width) in changes {
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        bytes
    })
}
