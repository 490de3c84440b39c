//! What block size, block count and retire timeout cost and bring: the figures behind
//! `Geometry::DEFAULT`.
//!
//! `cargo bench --bench defaults` prints the tables of `docs/defaults.md`. A veth pair in a namespace
//! of this process, the sender on processor 0 and the receiver on processor 1; 64-byte frames. Each
//! figure is the median of interleaved repetitions, processor time that of the receiving thread.

mod link;
mod tables;

use std::process::ExitCode;

use packet_ring_lab::enter;

use link::Cable;

fn main() -> ExitCode {
    // `cargo test --benches` asks for a quick try of each bench: these figures have none.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    if let Err(error) = enter() {
        eprintln!("the bench needs a network namespace of its own: {error}");
        return ExitCode::FAILURE;
    }
    let cable = Cable::new();
    tables::block_sizes(&cable);
    tables::pauses(&cable);
    tables::capacity(&cable);
    tables::retire_timeouts(&cable);
    ExitCode::SUCCESS
}
