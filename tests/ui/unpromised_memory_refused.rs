//! Memory becomes a ring only by a promise: neither step is safe.

use core::num::NonZeroU32;
use core::ptr::NonNull;

use packet_ring::handoff::Ring;
use packet_ring::sync::{Layout, Memory};

fn memory(address: NonNull<u8>) -> Memory {
    let layout = Layout::new(4096, 8);
    Memory::new(address, layout) //~ [E0133]
}

fn ring(memory: Memory) -> Ring {
    Ring::new(memory, NonZeroU32::MIN) //~ [E0133]
}

fn main() {}
