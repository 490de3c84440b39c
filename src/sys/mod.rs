//! The seam to the kernel: every system call of the library, behind safe functions.
//!
//! rustix makes the calls that it has; `setsockopt` and `getsockopt` at `SOL_PACKET`, and the socket
//! filter, go through `syscalls`. Nothing here keeps state but [`Mapping`].

mod filter;
pub(crate) mod link;
mod mapping;
mod namespace;
mod packet;
mod ring;
mod sockopt;
pub(crate) mod timestamp;
mod version;

pub(crate) use filter::attach_filter;
use mapping::Mapping;
pub(crate) use namespace::open_in;
pub(crate) use packet::{bind, bound_interface, duplicate, open};
pub(crate) use ring::MappedRing;
#[cfg(feature = "alloc")]
pub use ring::Owner;
pub(crate) use sockopt::{
    MembershipRequest, RingRequest, add_membership, drop_membership, ignore_outgoing, origdev,
    set_reserve, set_rx_ring, set_version, statistics,
};
pub(crate) use version::header_length;
