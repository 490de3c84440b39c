//! What a model's program has received, held against what the kernel has stored.

use packet_ring::handoff::{Block, Handle};
use packet_ring_loom_tests::{Fate, Kernel, contents};

/// Packets that arrive one after the other on one processor: returns those that were stored.
pub(crate) fn send(kernel: &Kernel, packets: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let stored = |packet: &u8| kernel.receive(*packet) == Fate::Stored;
    packets.into_iter().filter(stored).collect()
}

/// Everything that was received so far.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) blocks: u8,
    packets: Vec<u8>,
}

impl Received {
    /// Reads a block, which must be the one behind the last.
    pub(crate) fn add<H: Handle>(&mut self, block: &Block<H>) {
        let mut contents = contents(block);
        self.blocks += 1;
        assert_eq!(contents.sequence, self.blocks, "blocks come in order");
        self.packets.append(&mut contents.packets);
    }

    /// Receives what is left, when no processor runs and no block is out any more, and checks that
    /// every packet that was stored has come, once.
    pub(crate) fn finish<H: Handle>(
        mut self,
        kernel: &Kernel,
        mut stored: Vec<u8>,
        mut next_block: impl FnMut() -> Option<Block<H>>,
    ) {
        while let Some(block) = next_block() {
            self.add(&block);
        }
        // Closes the block that is still open.
        kernel.expire_timer();
        while let Some(block) = next_block() {
            self.add(&block);
        }
        // The packets of one processor come in order; those of two mingle.
        self.packets.sort_unstable();
        stored.sort_unstable();
        assert_eq!(self.packets, stored, "what was stored is what came");
    }
}
