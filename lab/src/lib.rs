//! Throwaway network namespaces for trying `packet-ring` on a real kernel, as root or as an
//! ordinary user.
//!
//! ```no_run
//! use core::time::Duration;
//! use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, enter, frame};
//!
//! # fn main() -> Result<(), packet_ring_lab::LabError> {
//! enter()?; // first thing in main, before any thread
//! let pair = VethPair::create(&VethOptions::default())?;
//! let witness = Witness::on(&pair.far, Sees::Incoming)?;
//! Injector::on(&pair.near)?.send(&frame::numbered(7, 60))?;
//! let seen = witness.receive(Duration::from_secs(1))?.expect("the frame");
//! assert_eq!(frame::number(&seen.bytes), Some(7));
//! assert_eq!(pair.far.counters()?.rx_packets, 1);
//! # Ok(())
//! # }
//! ```
//!
//! - [`enter()`] moves the process to a namespace of its own; [`Namespace`] makes more of them.
//! - [`VethPair`] is a cable with an interface at each end, a [`Link`], whose own [`Counters`]
//!   judge every claim.
//! - [`Tap`] is an interface that this process feeds, as a virtual machine does.
//! - [`Injector`] sends and [`Witness`] receives without rings; [`frame`] makes what they exchange.
//! - [`suite`](mod@suite) is the harness of test files, [`procfs`] what a process holds and spends.
//!
//! No interface is made or changed but in namespaces of the lab, and nothing outlives the process.
//! IPv6 is off there, so that the kernel sends nothing of its own. The crate knows nothing of
//! `packet-ring`.

#![deny(unsafe_code)]

mod address;
mod bpf;
mod bpffs;
mod channels;
mod counters;
mod driver;
mod ebpf;
mod enter;
mod error;
mod ethtool;
pub mod frame;
mod inject;
pub mod kernel;
mod limit;
mod link;
mod macvlan;
mod namespace;
mod napi;
mod offload;
mod option;
pub mod procfs;
mod queue;
mod raw;
mod rtnl;
pub mod suite;
mod sysfs;
mod tap;
mod veth;
mod witness;
mod xdp;

pub use bpf::{create_map, is_root_of_the_host, load_xdp, run_xdp};
pub use bpffs::mount_bpffs;
pub use counters::Counters;
pub use ebpf::{EbpfInstruction, load_socket_filter, load_xdp_program};
pub use enter::{Entered, enter};
pub use error::LabError;
pub use inject::Injector;
pub use limit::with_locked_memory;
pub use link::{Link, LinkFacts};
pub use namespace::Namespace;
pub use napi::Napi;
pub use offload::{Offload, State as OffloadState};
pub use option::{option, set_option};
pub use queue::{QueueCounters, TokenBucket};
pub use tap::Tap;
pub use veth::{VethOptions, VethPair};
pub use witness::{PacketType, Seen, Sees, Witness};
pub use xdp::{XdpAttachment, XdpMode};
