//! AF_XDP: rings of descriptors over memory that the program and the kernel share.
//!
//! A [`Umem`] is that memory, in chunks. A [`Frame`] is one chunk, owned by the program, with the packet in it; it
//! goes by value into a [`FillRing`] to be received into, or into a [`TxRing`] to be sent, and comes out of an
//! [`RxRing`] or a [`CompletionRing`]. A [`Pool`] has the frames that nobody uses. A [`Socket`] is configured,
//! mapped and bound, in that order and in its type.
//!
//! See the [kernel's document](https://docs.kernel.org/networking/af_xdp.html).

mod closed;
#[allow(unsafe_code)]
mod completion;
mod fill;
mod fragments;
#[allow(unsafe_code)]
mod frame;
mod geometry;
mod metadata;
mod pool;
mod queue;
mod ring_set;
#[allow(unsafe_code)]
mod rx;
mod sibling;
mod socket;
mod statistics;
mod tx;
#[allow(unsafe_code)]
mod umem;
mod watch;

pub use self::closed::Closed;
pub use self::completion::{CompletionBatch, CompletionRing};
pub use self::fill::{FillBatch, FillRing};
pub use self::fragments::Fragments;
pub use self::frame::{Frame, Rejected, Rejection};
pub use self::geometry::UmemGeometry;
pub use self::metadata::TxRequest;
pub use self::pool::Pool;
pub use self::queue::{Copies, Queue};
pub use self::ring_set::{BoundRings, MappedRings, Rx, RxRings, RxTx, RxTxRings, Tx, TxRings};
pub use self::rx::{RxBatch, RxRing};
pub use self::sibling::Shared;
pub use self::socket::{Joint, Socket};
pub use self::statistics::{MoreStatistics, Statistics};
pub use self::tx::{Kicked, TxBatch, TxRing};
pub use self::umem::{HugePages, Locking, Umem};
pub use crate::chunks::Census;
pub use crate::interface::{Interface, LinkState, Queues};
pub use crate::ring::RingSize;
