//! What an interface is asked to receive beside its own packets.

use rustix::fd::{AsFd, OwnedFd};

use super::Interface;
use crate::error::{Error, Operation};
use crate::sys::{self, MembershipRequest};

/// Packets that the interface shall receive although they are not addressed to it.
///
/// The kernel counts who asks, so what other programs have asked for stays as it is. It knows a membership by
/// the interface's index: drop the guard of an interface that went away before joining again on the same
/// socket, or it ends the new membership where the index is the same.
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
    /// Asks the interface for these packets, until the value that is returned is dropped.
    ///
    /// `socket` is any packet socket of the interface's network namespace: in any state, bound to this
    /// interface, to another or to none. A [`Receiver`](super::Receiver) has it as
    /// [`fd`](super::Receiver::fd). `fcntl(F_DUPFD_CLOEXEC)` and `setsockopt(PACKET_ADD_MEMBERSHIP)`;
    /// unlike the socket itself it needs no privilege.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: ENODEV where there is no such interface, EINVAL where it has no addresses of
    /// six bytes.
    ///
    /// ```no_run
    /// # use packet_ring::packet::{Geometry, Interface, Membership, Rx, Socket};
    /// # fn main() -> Result<(), packet_ring::Error> {
    /// let eth0 = Interface::by_name("eth0")?;
    /// let socket = Socket::configure(Rx::new(Geometry::DEFAULT))?.map()?.bind(eth0)?;
    /// let promiscuous = Membership::Promiscuous.join(&socket, eth0)?;
    /// // And at the end of it:
    /// drop(promiscuous);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "PACKET_ADD_MEMBERSHIP")]
    pub fn join(self, socket: impl AsFd, interface: Interface) -> Result<MembershipGuard, Error> {
        let fd = sys::duplicate(socket.as_fd())
            .map_err(Error::system(Operation::DuplicateDescriptor))?;
        let request = self.request(interface);
        sys::add_membership(fd.as_fd(), &request)
            .map_err(Error::system(Operation::AddMembership))?;
        Ok(MembershipGuard { fd, request })
    }

    fn request(self, interface: Interface) -> MembershipRequest {
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

/// A membership, which ends when this is dropped: `setsockopt(PACKET_DROP_MEMBERSHIP)`.
///
/// It keeps to the interface that it was made with, wherever the socket is bound meanwhile. It borrows
/// nothing, and can be kept beside the socket: it holds a descriptor of its own, **which keeps the
/// socket open**. A guard that outlives the socket's other owners leaves a socket that goes on
/// receiving into a ring that nobody reads, so drop the two together.
///
/// An interface that goes away takes its memberships along.
#[doc(alias = "PACKET_DROP_MEMBERSHIP")]
#[derive(Debug)]
#[must_use = "the membership ends when this is dropped"]
pub struct MembershipGuard {
    fd: OwnedFd,
    request: MembershipRequest,
}

impl Drop for MembershipGuard {
    fn drop(&mut self) {
        // On a packet socket it does not fail: a membership that the kernel does not have is none of its errors.
        let _ = sys::drop_membership(self.fd.as_fd(), &self.request);
    }
}
