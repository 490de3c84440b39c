//! What an interface is asked to receive beside its own packets.

use crate::sys::MembershipRequest;

use super::Interface;

/// Packets that the interface shall receive although they are not addressed to it.
///
/// A membership lasts until it is dropped, the socket closes or the interface goes; the kernel counts
/// them, so those of other programs stay.
#[doc(alias = "packet_mreq")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Everything on the wire: `PACKET_MR_PROMISC`.
    Promiscuous,
    /// Every multicast packet: `PACKET_MR_ALLMULTI`.
    AllMulticast,
    /// One multicast address: `PACKET_MR_MULTICAST`.
    Multicast([u8; 6]),
    /// One more unicast address: `PACKET_MR_UNICAST`.
    Unicast([u8; 6]),
}

impl Membership {
    pub(super) fn request(self, interface: Interface) -> MembershipRequest {
        use linux_raw_sys::if_packet as raw;
        let (kind, address) = match self {
            Self::Promiscuous => (raw::PACKET_MR_PROMISC, None),
            Self::AllMulticast => (raw::PACKET_MR_ALLMULTI, None),
            Self::Multicast(address) => (raw::PACKET_MR_MULTICAST, Some(address)),
            Self::Unicast(address) => (raw::PACKET_MR_UNICAST, Some(address)),
        };
        let mut request = MembershipRequest {
            mr_ifindex: interface.raw(),
            mr_type: kind as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        if let Some(address) = address {
            request.mr_alen = address.len() as u16;
            request.mr_address[..address.len()].copy_from_slice(&address);
        }
        request
    }
}
