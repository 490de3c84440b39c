//! What can go wrong: what was tried, what the kernel answered, and what helps.

mod names;
mod operation;
mod remedy;
mod unsent;

use core::fmt;

use rustix::io::Errno;

use crate::geometry::InvalidGeometry;
use crate::xdp::{AttachedMode, Untranslatable};

use self::names::write_errno;
pub use self::operation::Operation;
use self::remedy::remedy;
pub use self::unsent::Unsent;

/// Why an operation failed.
///
/// `Copy`, and made without allocating. Its text, in `Debug` too, says what helps, where something does.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused a system call.
    System {
        /// What was tried.
        operation: Operation,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The sizes cannot make a ring on this machine.
    Geometry(InvalidGeometry),
    /// The kernel's header of a packet has another length than the 48 bytes of `struct tpacket3_hdr`, or
    /// the 32 of `struct tpacket2_hdr`: the ring would be misread.
    HeaderLength {
        /// The length that the kernel tells.
        bytes: u32,
    },
    /// The interface is down. It comes back by itself, with the same ring.
    LinkDown,
    /// The interface is gone, or has moved to another network namespace: `rebind` to another. A member
    /// of a fanout group cannot: open another socket.
    LinkGone,
    /// The ring holds words that the kernel does not write; no more blocks are handed out.
    Corrupt,
    /// The filter with the snap length woven in has more than 4,096 instructions (`BPF_MAXINSNS`).
    FilterTooLong,
    /// An eBPF program decides alone how much of a packet is kept: it cannot be held to the snap length
    /// that the geometry has.
    SnapLengthNotKept,
    /// The new filter is in force, and at the deadline the ring still held packets that an earlier one
    /// had let pass.
    OldPackets {
        /// How many there are: no more than these, the next to be handed out, are of an earlier filter.
        packets: u32,
    },
    /// No interface here has the name, which has 1 to 15 bytes, or the index.
    NoSuchInterface,
    /// The kernel stopped at a frame that was to be sent. The frames before it were taken.
    Unsent {
        /// The frame's number; its place among the packets of a [`Sender`](crate::packet::Sender).
        frame: u64,
        /// Why the kernel stopped.
        why: Unsent,
    },
    /// Another AF_XDP socket has the queue. The kernel lets go of a closed one's some 25 ms later; a mapping that
    /// was left, or a child process, keeps it for ever.
    QueueBusy {
        /// The interface's index.
        interface: u32,
        /// The queue.
        queue: u32,
    },
    /// The pool belongs to another UMEM than the ring.
    ForeignPool,
    /// The UMEM has no room for what a transmission is asked to do.
    NoTxMetadata,
    /// The packet begins at an odd address: nothing can be asked of its transmission.
    OddPacketStart,
    /// The UMEM has as many sockets as it can have: 84, with those that were dropped without being closed.
    TooManySockets,
    /// The program still has a ring of the closed socket, or of a sibling, or has forgotten one.
    RingsLeft,
    /// The descriptor is not that of an AF_XDP socket.
    NotXdpSocket,
    /// The thread is in another network namespace than the socket was opened in.
    OtherNamespace,
    /// A frame has fewer bytes than were to be sent from it.
    FrameTooSmall {
        /// The bytes that it has for a packet.
        room: u64,
        /// Where the bytes to be sent would end.
        len: u64,
    },
    /// A stack wrote a frame of fewer bytes than an Ethernet header has: nothing could leave.
    FrameTooShort {
        /// How many it has.
        len: u64,
    },
    /// Another XDP program is attached to the interface.
    Occupied {
        /// The interface's index.
        interface: u32,
        /// The kernel's answer: EBUSY, or EEXIST where the other runs in another mode.
        errno: Errno,
        /// The other program's number; [`AttachError`](crate::xdp::AttachError) has its name too.
        program: u32,
        /// Where it runs.
        mode: AttachedMode,
    },
    /// The filter cannot run in XDP.
    Untranslatable(Untranslatable),
    /// The interface is not Ethernet.
    NotEthernet,
    /// The socket takes link-layer headers off ([`LinkHeader::Removed`](crate::packet::LinkHeader::Removed)), which a
    /// stack is to read.
    LinkHeaderRemoved,
    /// The pool has not enough frames to receive and to send with.
    PoolTooSmall,
    /// The descriptor is that of no XSKMAP.
    NotXskmap,
    /// The descriptor is that of no XDP program.
    NotXdpProgram,
    /// The descriptor is that of no link of an XDP program.
    NotXdpLink,
}

impl Error {
    /// Makes the error of a refused system call; for `map_err`.
    pub(crate) fn system(operation: Operation) -> impl Fn(Errno) -> Self {
        move |errno| Self::System { operation, errno }
    }

    /// Makes the error of a frame at which the kernel stopped.
    pub(crate) fn unsent(frame: u64, errno: Errno) -> Self {
        let why = Unsent::new(errno);
        Self::Unsent { frame, why }
    }

    /// The kernel's answer, where the kernel was asked.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { errno, .. } => Some(*errno),
            Self::Unsent { why, .. } => Some(why.errno()),
            Self::Occupied { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::System { operation, errno } => {
                write!(f, "{operation}: ")?;
                write_errno(f, errno)?;
                f.write_str(remedy(operation, errno))
            }
            Self::Geometry(why) => why.fmt(f),
            Self::HeaderLength { bytes } => write!(
                f,
                "the kernel's header of a packet has {bytes} bytes in place of 48 (TPACKET_V3) or \
                 32 (TPACKET_V2): it is laid out otherwise"
            ),
            Self::LinkDown => {
                f.write_str("the interface is down; packets come again when it is up")
            }
            Self::LinkGone => f.write_str(
                "the interface is gone; rebind a packet socket to another (in a fanout group, open another \
                 socket), close one of AF_XDP and begin anew",
            ),
            Self::Corrupt => f.write_str(
                "the ring holds words that the kernel does not write; open another socket",
            ),
            Self::FilterTooLong => f.write_str(
                "the filter, with the snap length woven in, has more than 4096 instructions",
            ),
            Self::SnapLengthNotKept => f.write_str(
                "an eBPF program is not held to the snap length: let it return that, and ask for none",
            ),
            Self::OldPackets { packets } => write!(
                f,
                "the new filter is in force, but the ring still holds {packets} packets of an earlier one"
            ),
            Self::NoSuchInterface => f.write_str("there is no such interface here"),
            Self::Unsent { frame, why } => {
                write!(f, "frame {frame}: ")?;
                write_errno(f, why.errno())?;
                write!(f, "; {}", why.sentence())
            }
            Self::QueueBusy { interface, queue } => write!(
                f,
                "queue {queue} of interface {interface} has another AF_XDP socket; the kernel lets go of a closed \
                 one a little later: bind_until a deadline"
            ),
            Self::ForeignPool => f.write_str("the pool belongs to another UMEM than the ring"),
            Self::NoTxMetadata => {
                f.write_str("the UMEM has no room for transmit metadata: ask for it in its geometry")
            }
            Self::OddPacketStart => f.write_str(
                "the packet begins at an odd address: nothing can be asked of its transmission",
            ),
            Self::TooManySockets => f.write_str(
                "the UMEM has as many sockets as it can have: close and reclaim sockets, do not drop them",
            ),
            Self::RingsLeft => f.write_str(
                "the program still has a ring of the closed socket, or of a sibling: drop them all",
            ),
            Self::NotXdpSocket => f.write_str("the descriptor is not that of an AF_XDP socket"),
            Self::OtherNamespace => f.write_str(
                "the thread is in another network namespace than the socket was opened in",
            ),
            Self::FrameTooSmall { room, len } => {
                write!(f, "a frame has room for {room} bytes, not for {len}")
            }
            Self::FrameTooShort { len } => write!(
                f,
                "a frame of {len} bytes has not even an Ethernet header, of 14"
            ),
            Self::Occupied {
                interface,
                errno,
                program,
                mode,
            } => {
                write!(f, "bpf(BPF_LINK_CREATE) on interface {interface}: ")?;
                write_errno(f, errno)?;
                write!(f, "; program {program} is attached to it, {mode}")
            }
            Self::Untranslatable(why) => why.fmt(f),
            Self::NotEthernet => f.write_str("the interface is not Ethernet"),
            Self::LinkHeaderRemoved => f.write_str(
                "the socket takes link-layer headers off, and a stack reads them: let them be kept",
            ),
            Self::PoolTooSmall => f.write_str(
                "the pool has not enough frames to receive and to send with: two at least, one where the fill \
                 ring is stocked",
            ),
            Self::NotXskmap => f.write_str("the descriptor is that of no XSKMAP"),
            Self::NotXdpProgram => f.write_str("the descriptor is that of no XDP program"),
            Self::NotXdpLink => f.write_str("the descriptor is that of no link of an XDP program"),
        }
    }
}

/// The same text: it is what `main` prints of an error that it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Error {}

impl From<InvalidGeometry> for Error {
    fn from(why: InvalidGeometry) -> Self {
        Self::Geometry(why)
    }
}

impl From<Untranslatable> for Error {
    fn from(why: Untranslatable) -> Self {
        Self::Untranslatable(why)
    }
}

#[cfg(feature = "std")]
mod with_std;

#[cfg(test)]
mod tests;
