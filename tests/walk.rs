//! The walk over blocks from the heap, well-formed and damaged, held against a slow oracle.
//!
//! The oracle reads the same bytes with arithmetic that cannot overflow; the walk must bring exactly
//! its packets, and call the ring corrupt exactly where the oracle does. Run in release too: what
//! keeps the walk inside its block is no debug assertion.

mod model {
    pub(crate) mod block;
    pub(crate) mod compare;
    pub(crate) mod heap;
    pub(crate) mod oracle;
}

use model::block::{damage, geometry, well_formed};
use model::compare::{self, Outcome};
use proptest::prelude::*;

/// Without optimisation the cases are made slowly.
const CASES: u32 = if cfg!(debug_assertions) { 300 } else { 10_000 };

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn well_formed_blocks_bring_every_packet(
        (private_area, blocks) in private_area().prop_flat_map(|private_area| {
            (Just(private_area), proptest::collection::vec(well_formed(private_area), 1..=4))
        })
    ) {
        let packets = blocks.iter().map(|block| block.packets).sum();
        let bytes: Vec<u8> = blocks.iter().flat_map(|block| block.bytes.clone()).collect();
        let outcome = compare::ring(&geometry(blocks.len(), private_area), private_area, &bytes);
        prop_assert_eq!(outcome, Outcome { opened: blocks.len(), packets, corrupt: false });
    }

    #[test]
    fn damaged_blocks_end_where_the_oracle_says(
        (private_area, blocks) in private_area().prop_flat_map(|private_area| {
            let block = well_formed(private_area).prop_flat_map(damage);
            (Just(private_area), proptest::collection::vec(block, 1..=4))
        })
    ) {
        let geometry = geometry(blocks.len(), private_area);
        let bytes = blocks.concat();
        compare::ring(&geometry, private_area, &bytes);
        compare::writing(&geometry, private_area, &bytes);
    }

    #[test]
    fn any_records_end_where_the_oracle_says(
        private_area in private_area(),
        count in 0..20_u32,
        records in proptest::collection::vec(any::<u8>(), 0..500),
        beyond in -2..=2_i32,
    ) {
        let block = model::block::any_records(private_area, count, &records, beyond);
        compare::ring(&geometry(1, private_area), private_area, &block);
    }
}

fn private_area() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(13), 0..=512_u32]
}

/// A block whose damage is one word, everywhere and with every value that is near a limit.
#[test]
fn one_bad_word_anywhere_is_read_as_the_oracle_reads_it() {
    let mut corrupt = 0;
    let good = model::block::sample();
    let geometry = geometry(1, 0);
    for at in (0..good.len().min(1024)).step_by(2) {
        for value in model::block::LIMITS {
            let mut bytes = good.clone();
            let word = value.to_ne_bytes();
            let end = bytes.len().min(at + word.len());
            bytes[at..end].copy_from_slice(&word[..end - at]);
            corrupt += usize::from(compare::ring(&geometry, 0, &bytes).corrupt);
        }
    }
    assert!(corrupt > 100, "the damage was not felt: {corrupt}");
}
