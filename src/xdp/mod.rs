//! AF_XDP: rings of descriptors over memory that the program and the kernel share.
//!
//! A [`Umem`] is that memory, in chunks. A [`Frame`] is one chunk, owned by the program, with the packet in it; it
//! goes by value into a [`FillRing`] to be received into, or into a [`TxRing`] to be sent, and comes out of an
//! [`RxRing`] or a [`CompletionRing`]. A [`Pool`] has the frames that nobody uses. A [`Socket`] is configured,
//! mapped and bound, in that order and in its type.
//!
//! # Programs
//!
//! Packets reach a socket by an XDP program on the interface, which redirects those of each queue to the
//! socket that an [`Xskmap`] has for it. [`Redirect`] says what the program is to do, with a filter of classic
//! BPF if need be (any expression of tcpdump's); [`Redirect::load`] translates and loads it as a [`Program`];
//! [`Program::attach`] makes an [`Attachment`], which detaches when it is dropped. Maps, programs and links of
//! other libraries are taken as descriptors: `from_fd`.
//!
//! | | [`AttachMode::Native`] | [`AttachMode::Generic`] | [`AttachMode::Either`] |
//! |---|---|---|---|
//! | the driver knows XDP | native | generic | native |
//! | it does not (loopback, dummy) | EOPNOTSUPP | generic | generic |
//! | the MTU is too large for one piece (veth: above some 3,500) | ERANGE without [`fragments`](Redirect::fragments) | generic | as native |
//! | a program is there, in the same mode | [`Occupied`](crate::Error::Occupied) (EBUSY) | the same | the same |
//! | one is there, in the other mode | `Occupied` (EEXIST) | the same | by the mode |
//!
//! Packets that a program redirects do not reach the network stack.
//!
//! Loading takes CAP_BPF and CAP_NET_ADMIN in the host's user namespace, and CAP_PERFMON for most filters;
//! opening a socket takes CAP_NET_RAW:
//! `sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon=ep PROGRAM`. Who gets the descriptors from
//! somebody with these rights needs none of them. bpf_link needs Linux 5.9.
//!
//! Memory that is registered counts against RLIMIT_MEMLOCK, mostly 8 MiB for all sockets of a user, at each
//! registration; CAP_IPC_LOCK lifts the limit.
//!
//! # Sending
//!
//! Sending needs no program and no map:
//!
//! ```no_run
//! use packet_ring::xdp::{Interface, Queue, RingSize, Socket, Tx, TxRings, Umem, UmemGeometry};
//!
//! const CHUNKS: UmemGeometry = UmemGeometry::new_assert(2048, 1024); // 2 MiB
//! const SLOTS: RingSize = RingSize::new_assert(512);
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let packets = [[0_u8; 60]; 64];
//! let eth0 = Interface::by_name("eth0")?;
//! let (umem, mut pool) = Umem::new(CHUNKS)?;
//! let mut socket = Socket::configure(Tx::new(SLOTS), &umem)?.map()?.bind(Queue::new(eth0, 0))?;
//! let TxRings { tx, completion } = socket.rings();
//! let mut batch = tx.batch(64);
//! for packet in &packets {
//!     let mut frame = pool.take().ok_or("every frame is on its way")?;
//!     frame.write(packet)?; // from the Ethernet header on, without the checksum at its end
//!     batch.push(frame)?;
//! }
//! drop(batch); // hands them over
//! let left = tx.flush()?; // has the kernel send them
//! let sent = completion.reap(&mut pool, 64)?; // takes the frames back, of those that were sent by now
//! println!("{left} not taken yet, {sent} sent");
//! # Ok(())
//! # }
//! ```
//!
//! See the [kernel's document](https://docs.kernel.org/networking/af_xdp.html).

mod attachment;
mod binding;
mod closed;
#[allow(unsafe_code)]
mod completion;
mod fill;
mod fragments;
#[allow(unsafe_code)]
mod frame;
mod geometry;
mod interface_gather;
mod joint;
mod member;
mod metadata;
mod object;
mod occupant;
mod pool;
mod program;
mod queue;
mod redirect;
mod ring_set;
#[allow(unsafe_code)]
mod rx;
mod sibling;
mod socket;
mod statistics;
mod translate;
mod tx;
#[allow(unsafe_code)]
mod umem;
mod watch;
mod xskmap;

pub use self::attachment::{AttachError, AttachMode, Attachment};
pub use self::closed::Closed;
pub use self::completion::{CompletionBatch, CompletionRing};
pub use self::fill::{FillBatch, FillRing};
pub use self::fragments::Fragments;
pub use self::frame::{Frame, Refusal, Refused};
pub use self::geometry::UmemGeometry;
pub use self::interface_gather::InterfaceGather;
pub use self::joint::Joint;
pub use self::metadata::TxRequest;
pub use self::occupant::{AttachedMode, Occupant};
pub use self::pool::Pool;
pub use self::program::Program;
pub use self::queue::{Copies, Queue};
pub use self::redirect::{LoadError, Redirect, Rejected};
pub use self::ring_set::{BoundRings, MappedRings, Rx, RxRings, RxTx, RxTxRings, Tx, TxRings};
pub use self::rx::{RxBatch, RxRing};
pub use self::sibling::Shared;
pub use self::socket::Socket;
pub use self::statistics::{MoreStatistics, Statistics};
pub use self::translate::Untranslatable;
pub use self::tx::{Kicked, TxBatch, TxRing};
pub use self::umem::{HugePages, Locking, Umem};
pub use self::xskmap::Xskmap;
pub use crate::chunks::Census;
pub use crate::gather::Gather;
pub use crate::interface::{Interface, LinkState, Queues};
pub use crate::link_watch::LinkWatch;
pub use crate::ring::RingSize;
