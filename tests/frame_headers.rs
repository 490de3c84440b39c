//! Frames from the heap, well-formed and damaged, held against a slow oracle. Run in release too:
//! what keeps a packet inside its frame is no debug assertion.

mod model {
    #[allow(dead_code, reason = "its walk is for blocks")]
    pub(crate) mod compare;
    pub(crate) mod frames;
    #[allow(dead_code, reason = "its rings are of blocks, too")]
    pub(crate) mod heap;
    #[allow(dead_code, reason = "its reading is of blocks")]
    pub(crate) mod oracle;
}

use model::frames::{self, Outcome};
use packet_ring::packet::FrameGeometry;
use proptest::prelude::*;

/// Without optimisation the cases are made slowly.
const CASES: u32 = if cfg!(debug_assertions) { 300 } else { 10_000 };

const BLOCK: usize = 4096;

/// Numbers on both sides of what an offset or a length may be, in frames of these tests.
const LIMITS: [u32; 21] = [
    0,
    1,
    3,
    4,
    31,
    32,
    48,
    51,
    52,
    53,
    80,
    1452,
    1503,
    1504,
    1505,
    2047,
    2048,
    0xffff,
    0x7fff_ffff,
    0xffff_ffcc,
    0xffff_ffff,
];

/// Frames of 80 to 4,096 bytes in two blocks.
fn geometry() -> impl Strategy<Value = FrameGeometry> {
    let size = prop_oneof![
        Just(80),
        Just(1504),
        Just(2048),
        Just(4096),
        (5..=256_u32).prop_map(|sixteenths| sixteenths * 16)
    ];
    size.prop_map(|size| FrameGeometry::new_assert(size, BLOCK as u32, 2))
}

/// A frame of the kernel's, of any content.
fn well_formed(size: usize) -> impl Strategy<Value = Vec<u8>> {
    let mac = 52..=80_usize;
    (mac, any::<[u8; 32]>(), any::<[u8; 20]>(), 0..=size).prop_map(
        move |(mac, header, address, captured)| {
            let captured = captured.min(size - mac);
            let mut frame = vec![captured as u8; size];
            frame[..32].copy_from_slice(&header);
            frame[32..52].copy_from_slice(&address);
            let status = u32::from_ne_bytes(header[..4].try_into().expect("four bytes"));
            // Anything but the bit that says that a frame is out.
            frame[..4].copy_from_slice(&((status | 1) & !(1 << 27)).to_ne_bytes());
            frame[8..12].copy_from_slice(&(captured as u32).to_ne_bytes());
            frame[12..14].copy_from_slice(&(mac as u16).to_ne_bytes());
            frame
        },
    )
}

/// The bytes of a ring whose frames are all the kernel's.
fn full(geometry: FrameGeometry) -> impl Strategy<Value = (FrameGeometry, Vec<u8>)> {
    let size = geometry.frame_size() as usize;
    let frames = geometry.frame_count().get() as usize;
    proptest::collection::vec(well_formed(size), frames).prop_map(move |frames| {
        let blocks = frames.chunks(BLOCK / size).flat_map(|frames| {
            let mut block = frames.concat();
            block.resize(BLOCK, 0xee);
            block
        });
        (geometry, blocks.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn well_formed_frames_bring_their_packets((geometry, bytes) in geometry().prop_flat_map(full)) {
        let opened = geometry.frame_count().get() as usize;
        prop_assert_eq!(frames::ring(&geometry, &bytes), Outcome { opened, corrupt: false });
    }

    #[test]
    fn damaged_frames_end_where_the_oracle_says(
        (geometry, mut bytes) in geometry().prop_flat_map(full),
        damage in proptest::collection::vec(
            (0..200_usize, 0..60_usize, proptest::sample::select(LIMITS.to_vec()), 1..=4_usize),
            1..=4,
        ),
    ) {
        let size = geometry.frame_size() as usize;
        for (frame, offset, value, width) in damage {
            let frame = frame % geometry.frame_count().get() as usize;
            let per_block = BLOCK / size;
            let at = frame / per_block * BLOCK + frame % per_block * size + offset;
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        }
        frames::ring(&geometry, &bytes);
    }

    #[test]
    fn any_bytes_end_where_the_oracle_says(
        geometry in geometry(),
        bytes in proptest::collection::vec(any::<u8>(), 0..2 * BLOCK),
    ) {
        frames::ring(&geometry, &bytes);
    }
}

/// A frame whose damage is one word, everywhere and with every value that is near a limit.
#[test]
fn one_bad_word_anywhere_is_read_as_the_oracle_reads_it() {
    let geometry = FrameGeometry::new_assert(1504, BLOCK as u32, 1);
    let mut good = vec![0; 1504];
    for (at, word) in [(0, 1_u32), (4, 600), (8, 600), (12, (80 << 16) | 66)] {
        good[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    let mut corrupt = 0;
    for at in (0..52).step_by(2) {
        for value in LIMITS {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            corrupt += usize::from(frames::ring(&geometry, &bytes).corrupt);
        }
    }
    assert!(corrupt > 30, "the damage was not felt: {corrupt}");
}
