//! Both cursors of index rings, over words and slots that hold anything and change between any two
//! operations, also while a batch is out: they do as the oracle says, stay inside the ring, and end.
//!
//! Input: the size of the ring, where its words stand, and then what is done, a byte or more each
//! (`tests/conserved/cursors.rs`).

#![no_main]

#[path = "../../tests/conserved"]
mod conserved {
    pub(crate) mod cursors;
    pub(crate) mod memory;
}

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| conserved::cursors::run(input));
