//! What a packet socket is asked for beside its ring.
//!
//! An option that the kernel takes in every state is a method of the first, when no packet can have come
//! without it.

use rustix::fd::AsFd;
use rustix::net::SocketType;

use super::rings::{PacketRings, Receives};
use super::{Socket, TimestampSource};
use crate::error::{Error, Operation};
use crate::lifecycle::Configured;
use crate::sys::{self, timestamp};

impl<R: Receives> Socket<Configured<R>> {
    /// Has packets name the interface that they first came in by, in place of the one that the socket is
    /// bound to: [`Packet::interface_index`](super::Packet::interface_index).
    ///
    /// The two differ where one interface stands upon another and hands packets up: a bond or a team
    /// and its ports, a VLAN or a macvlan and the interface below. `setsockopt(PACKET_ORIGDEV)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    #[doc(alias = "PACKET_ORIGDEV")]
    pub fn origdev(&mut self) -> Result<(), Error> {
        sys::origdev(self.as_fd()).map_err(Error::system(Operation::SetOrigdev))
    }
}

impl<R: PacketRings> Socket<Configured<R>> {
    /// Chooses who stamps packets. Each packet tells who did:
    /// [`Packet::timestamp`](super::Packet::timestamp).
    ///
    /// - [`TimestampSource::Ring`] is what a socket starts with.
    /// - [`TimestampSource::Software`] makes the kernel stamp packets when they enter or leave its
    ///   network stack, before they wait for anything. It then stamps all packets of the machine, for
    ///   as long as any socket wants it; so a socket that did not ask can see such stamps, too. It
    ///   begins soon after this call.
    /// - [`TimestampSource::Hardware`] takes the interface's stamps, of packets that it has stamped.
    ///   It does so once it was told to (`ioctl(SIOCSHWTSTAMP)`, which `hwstamp_ctl` and `ptp4l` call),
    ///   and by its own clock, which need not show UTC.
    ///
    /// Frames that were sent come back with the stamp that was asked for, or with none
    /// ([`Completion::timestamp`](super::Completion)). Software's they have where they stay on this machine, as on
    /// a veth or the loopback: the kernel stamps them as they enter again, and on their way to another machine it
    /// does not. Some kernels never do, as Linux 6.12. The interface is asked to stamp them; the kernel then also keeps
    /// a copy of each stamped frame for `recvmsg`, in the room of `SO_RCVBUF`, which
    /// [`Receiver::wait`](super::Receiver::wait) throws away.
    ///
    /// Received packets without the stamp that was asked for have one of those before it in this list.
    /// `setsockopt(PACKET_TIMESTAMP)` (Linux 2.6.36) and `setsockopt(SO_TIMESTAMPING)`.
    ///
    /// No test shows hardware stamps: that takes an interface with a clock.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    #[doc(alias = "PACKET_TIMESTAMP")]
    #[doc(alias = "SO_TIMESTAMPING")]
    pub fn timestamp(&mut self, source: TimestampSource) -> Result<(), Error> {
        let (reported, made) = match source {
            TimestampSource::Ring => (0, 0),
            TimestampSource::Software => (timestamp::SOFTWARE, timestamp::RX_SOFTWARE),
            TimestampSource::Hardware if R::TRANSMIT => {
                (timestamp::RAW_HARDWARE, timestamp::TX_HARDWARE)
            }
            TimestampSource::Hardware => (timestamp::RAW_HARDWARE, 0),
        };
        timestamp::set_packet_timestamp(self.as_fd(), reported)
            .map_err(Error::system(Operation::SetTimestamp))?;
        timestamp::set_timestamping(self.as_fd(), made)
            .map_err(Error::system(Operation::SetTimestamping))
    }
}

/// Whether packets come with their link-layer header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkHeader {
    /// They do: `SOCK_RAW`.
    #[doc(alias = "SOCK_RAW")]
    #[default]
    Kept,
    /// They begin with their network header: `SOCK_DGRAM`, "cooked" packets.
    ///
    /// The same program then reads every kind of link. [`Packet::protocol`](super::Packet::protocol)
    /// says what the header is, [`Packet::source`](super::Packet::source) who sent the packet, and
    /// [`Packet::vlan`](super::Packet::vlan) what tag it had, also where this host sent it (kernels from
    /// before the middle of 2024 lose a sent packet's tag). Lengths count from the network header on,
    /// and a filter sees no more than the program does.
    #[doc(alias = "SOCK_DGRAM")]
    #[doc(alias = "cooked")]
    Removed,
}

impl LinkHeader {
    pub(super) const fn socket_type(self) -> SocketType {
        match self {
            Self::Kept => SocketType::RAW,
            Self::Removed => SocketType::DGRAM,
        }
    }
}
