//! A runtime that maps rings itself says `unsafe` where it promises what the library cannot check.

use core::num::NonZeroU32;
use core::ptr::NonNull;

use packet_ring::handoff::Ring;
use packet_ring::sync::{Layout, Memory};

/// # Safety
///
/// As for `Memory::new` and `Ring::new`.
#[allow(dead_code)]
unsafe fn ring(address: NonNull<u8>, blocks: NonZeroU32) -> Ring {
    let layout = Layout::new(4096, 8);
    // SAFETY: the caller's promise.
    let memory = unsafe { Memory::new(address, layout) };
    // SAFETY: the caller's promise.
    unsafe { Ring::new(memory, blocks) }
}

fn main() {}
