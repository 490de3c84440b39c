//! The kernel's words: offsets, flags and constants, pinned against its own headers at build time.

pub(crate) mod bpf;
pub(crate) mod packet;
