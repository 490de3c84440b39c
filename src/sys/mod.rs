//! The seam to the kernel: every system call of the library, behind safe functions.
//!
//! rustix makes the calls that it has; `setsockopt` and `getsockopt` at `SOL_PACKET`, and the socket
//! filter, go through `syscalls`. Nothing here keeps state but [`Mapping`].

mod fanout;
mod filter;
pub(crate) mod link;
mod mapping;
mod namespace;
mod packet;
mod ring;
mod sockopt;
pub(crate) mod sysfs;
pub(crate) mod timestamp;
mod version;

pub(crate) use fanout::{
    fanout_group, ignores_outgoing, join_fanout, rollover_statistics, set_fanout_ebpf,
    set_fanout_program,
};
pub(crate) use filter::{attach_ebpf, attach_filter, detach_filter, lock_filter, wait_for_readers};
pub(crate) use mapping::Mapping;
pub(crate) use namespace::{open_in, run_in};
pub(crate) use packet::{bind, bound_interface, duplicate, open, send_ring, send_ring_at};
#[cfg(feature = "alloc")]
pub use ring::Owner;
pub(crate) use ring::{MappedRing, MappedTxRing};
pub(crate) use sockopt::{
    MembershipRequest, RingRequest, Version, add_membership, bypass_qdisc, drop_membership,
    frames_have_offsets, ignore_outgoing, origdev, packets_have_vnet_headers, set_reserve,
    set_rx_ring, set_transmit_times, set_tx_ring, set_version, skip_refused_frames, statistics,
};
pub(crate) use version::header_length;
