//! The seam to the kernel: every system call of the library, behind safe functions.
//!
//! rustix makes the calls that it has; `setsockopt` and `getsockopt` at `SOL_PACKET`, the socket filter,
//! and bpf(2) go through `syscalls`. Nothing here keeps state but [`Mapping`] and [`Scratch`].

pub(crate) mod bpf;
mod fanout;
mod filter;
mod index_ring;
pub(crate) mod link;
mod mapping;
mod namespace;
mod packet;
mod pages;
mod ring;
pub(crate) mod rtnetlink;
mod scratch;
mod smaps;
mod sockopt;
pub(crate) mod sysfs;
pub(crate) mod timestamp;
mod version;
mod xdp;

pub(crate) use fanout::{
    fanout_group, ignores_outgoing, join_fanout, rollover_statistics, set_fanout_ebpf,
    set_fanout_program,
};
pub(crate) use filter::{attach_ebpf, attach_filter, detach_filter, lock_filter, wait_for_readers};
pub(crate) use index_ring::MappedIndices;
pub(crate) use mapping::Mapping;
pub(crate) use namespace::{open_in, run_in};
pub(crate) use packet::{bind, bound_interface, duplicate, open, send_ring, send_ring_at};
pub(crate) use pages::{PageKind, Pages};
#[cfg(feature = "alloc")]
pub use ring::Owner;
pub(crate) use ring::{MappedRing, MappedTxRing};
pub(crate) use scratch::{Scratch, Zeroed};
pub(crate) use sockopt::{
    MembershipRequest, RingRequest, Version, add_membership, bypass_qdisc, drop_membership,
    frames_have_offsets, ignore_outgoing, origdev, packets_have_vnet_headers, set_reserve,
    set_rx_ring, set_transmit_times, set_tx_ring, set_version, skip_refused_frames, statistics,
};
pub(crate) use version::header_length;
pub(crate) use xdp::{
    BindFlags, UmemRegistration, XdpRing, bind_sibling, bind_xdp, is_zero_copy, make_xdp_ring,
    namespace_cookie, open_xdp, prefer_busy_poll, register_umem, ring_offsets, set_busy_poll,
    set_busy_poll_budget, set_tx_budget, wake_xdp, xdp_statistics,
};
