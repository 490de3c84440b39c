//! The seam to the kernel: every system call of the library, behind safe functions.
//!
//! rustix makes the calls that it has; `setsockopt` and `getsockopt` at `SOL_PACKET`, and the socket
//! filter, go through `syscalls`. Nothing here keeps state but [`Mapping`].

mod filter;
mod link;
mod mapping;
mod packet;
mod ring;
mod sockopt;
pub(crate) mod timestamp;

pub(crate) use filter::attach_filter;
pub(crate) use link::{is_up, name_to_index};
pub(crate) use mapping::Mapping;
pub(crate) use packet::{bind, bound_interface, duplicate, open, send_ring};
#[cfg(feature = "alloc")]
pub use ring::Owner;
pub(crate) use ring::{MappedRing, MappedTxRing};
pub(crate) use sockopt::{
    MembershipRequest, RingRequest, Version, add_membership, bypass_qdisc, drop_membership,
    frames_have_offsets, ignore_outgoing, packets_have_vnet_headers, set_reserve, set_rx_ring,
    set_tx_ring, set_version, skip_refused_frames, statistics,
};
