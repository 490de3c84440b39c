//! AF_PACKET: receiving through TPACKET_V3 and TPACKET_V2 rings, transmitting through TPACKET_V3 rings.
//!
//! A [`Socket`] is configured, mapped and bound, in that order and in its type. Once bound it hands
//! out [`Block`]s of [`Packet`]s that the kernel has filled, without copying and without a system
//! call, and [`TxFrame`]s to be filled and sent. [`RxV2`] says when to receive single [`Frame`]s instead. See the [kernel's document](https://docs.kernel.org/networking/packet_mmap.html).
//!
//! # Options that are not offered
//!
//! Because they change nothing, or nothing for the better, that a program sees through a receive ring:
//!
//! | option | what it does instead |
//! |---|---|
//! | `PACKET_AUXDATA` | has `recvmsg` tell what the header of each packet in a ring tells |
//! | `PACKET_COPY_THRESH` | queues packets that a TPACKET_V2 frame cuts short, for `recvmsg`; while one is queued, `ppoll` does not sleep. Larger frames do not cut |
//! | `PACKET_VERSION`, read back | tells what was set: [`Socket::configure`] fails where it was not taken |
//! | `SO_BUSY_POLL`, `SO_PREFER_BUSY_POLL` | poll the driver's queue that a socket last received from, which the kernel notes for no packet socket |

mod block;
#[cfg(any(feature = "smoltcp", feature = "embassy-net-driver"))]
mod burst;
mod copied;
mod delivery;
mod fanout;
mod filter;
mod frame;
mod frame_geometry;
mod geometry;
mod link;
mod membership;
mod options;
mod receiver;
mod record;
mod rings;
mod rx;
mod rx_v2;
mod rxtx;
#[cfg(feature = "alloc")]
mod shared;
mod socket;
mod statistics;
mod transmitter;
mod tx;
mod tx_frame;
mod unwritten;
mod vnet;
mod vnet_received;
mod walk;
mod watch;

pub use self::block::{Block, Blocks};
pub use self::copied::{NoRing, Sender};
pub use self::delivery::Delivery;
pub use self::fanout::{Fanout, FanoutGroup, FanoutMode, Member, RolloverStatistics};
pub use self::frame::{Frame, Frames};
pub use self::frame_geometry::FrameGeometry;
pub use self::geometry::Geometry;

pub use self::membership::{Membership, MembershipGuard};
pub use self::options::LinkHeader;
pub use self::receiver::{Ended, Receiver};
pub use self::record::{Direction, LinkAddress, Packet, Timestamp, TimestampSource, Vlan};
pub use self::rx::{BoundRx, MappedRx, Rx, RxHash};
pub use self::rx_v2::{MappedRxV2, RxV2};
pub use self::rxtx::{BoundRxTx, Halves, MappedRxTx, RxHalf, RxTx, TxHalf};
#[cfg(feature = "alloc")]
pub use self::shared::SharedReceiver;
pub use self::socket::Socket;
pub use self::statistics::Statistics;
pub use self::transmitter::{Completion, Transmitter};
pub use self::tx::{BoundTx, MappedTx, Refusal, Tx, TxClock};
pub use self::tx_frame::TxFrame;
pub use self::vnet::{Segmentation, VnetHeader};
pub use self::walk::{Packets, Position};
pub use crate::abi::packet::{BlockStatus, PacketStatus};
pub use crate::edge_triggered::EdgeTriggered;
pub use crate::gather::Gather;
pub use crate::handoff::Slots;
pub use crate::interface::{Interface, LinkState, Queues};
pub use crate::link_watch::LinkWatch;
#[cfg(feature = "alloc")]
pub use crate::sys::Owner;
