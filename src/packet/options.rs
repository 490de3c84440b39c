//! What a packet socket is asked for beside its ring.

use rustix::net::SocketType;

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
    /// [`Packet::vlan`](super::Packet::vlan) what tag it had, also where this host sent it (before
    /// Linux 6.11 a sent packet's tag stays in its bytes). Lengths count from the network header on,
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
