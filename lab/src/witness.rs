//! Receiving, the plain way: the second opinion on what a ring claims to have sent or received.

use core::time::Duration;
use std::time::Instant;

use linux_raw_sys::if_packet as abi;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, sockopt};

use crate::{LabError, Link, frame, raw};

/// Bytes asked for the socket's queue; an ordinary user gets what net.core.rmem_max allows.
const QUEUE_BYTES: usize = 64 << 20;

/// The longest frame that is received whole, in bytes.
const LONGEST: usize = 1 << 16;

/// Whose a received frame is, seen from the interface (`sll_pkttype`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "sll_pkttype")]
pub enum PacketType {
    /// To the interface's own address (`PACKET_HOST`).
    Host,
    /// To everybody (`PACKET_BROADCAST`).
    Broadcast,
    /// To a group (`PACKET_MULTICAST`).
    Multicast,
    /// To somebody else (`PACKET_OTHERHOST`).
    OtherHost,
    /// Sent by this host on the interface (`PACKET_OUTGOING`).
    Outgoing,
    /// Anything else.
    Other(u8),
}

/// Which frames a [`Witness`] reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    /// What the interface receives.
    Incoming,
    /// What it sends, too.
    Everything,
}

/// A frame as the witness got it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// The bytes, from the Ethernet header on. A VLAN tag that the kernel carries beside the frame
    /// is not among them.
    pub bytes: Vec<u8>,
    /// Whose it is.
    pub packet_type: PacketType,
    /// The protocol that the kernel made out, in host order.
    pub protocol: u16,
}

/// A raw packet socket without a ring, bound to one interface.
///
/// Make it before what it is to see. What it has not been asked for waits in its queue, of 64 MiB
/// as root and net.core.rmem_max (often 208 KiB, a few hundred frames) as an ordinary user.
#[derive(Debug)]
pub struct Witness {
    fd: OwnedFd,
    sees: Sees,
}

impl Witness {
    /// A socket in the interface's namespace, bound to it. The calling thread may be in another.
    pub fn on(link: &Link, sees: Sees) -> Result<Self, LabError> {
        let fd = raw::open(link, raw::EVERY_PROTOCOL)?;
        // Only root in the host's user namespace may go past net.core.rmem_max.
        sockopt::set_socket_recv_buffer_size_force(&fd, QUEUE_BYTES)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&fd, QUEUE_BYTES))
            .map_err(LabError::doing("size the witness's queue"))?;
        Ok(Self { fd, sees })
    }

    /// The next frame, or `None` when none comes within `timeout`.
    ///
    /// # Errors
    /// `ENETDOWN`, once, when the interface goes down.
    pub fn receive(&self, timeout: Duration) -> Result<Option<Seen>, LabError> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.receive_now() {
                Ok(seen) if self.reports(&seen) => return Ok(Some(seen)),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    self.wait(left)
                        .map_err(LabError::doing("wait for a frame"))?;
                }
                Err(errno) => {
                    return Err(LabError::System {
                        doing: "receive a frame",
                        errno,
                    });
                }
            }
        }
    }

    /// All frames until none has come for as long as `quiet`.
    pub fn receive_until_quiet(&self, quiet: Duration) -> Result<Vec<Seen>, LabError> {
        core::iter::from_fn(|| self.receive(quiet).transpose()).collect()
    }

    /// The numbers of all numbered frames, in order of arrival, until nothing has come for as long
    /// as `quiet`.
    pub fn numbers_until_quiet(&self, quiet: Duration) -> Result<Vec<u64>, LabError> {
        let seen = self.receive_until_quiet(quiet)?;
        Ok(seen
            .iter()
            .filter_map(|seen| frame::number(&seen.bytes))
            .collect())
    }

    fn reports(&self, seen: &Seen) -> bool {
        self.sees == Sees::Everything || seen.packet_type != PacketType::Outgoing
    }

    fn receive_now(&self) -> Result<Seen, Errno> {
        let mut bytes = Vec::with_capacity(LONGEST);
        let (_, _, from) =
            rustix::net::recvfrom(&self.fd, spare_capacity(&mut bytes), RecvFlags::DONTWAIT)?;
        bytes.shrink_to_fit();
        let from = from
            .as_ref()
            .and_then(raw::link_address)
            .ok_or(Errno::AFNOSUPPORT)?;
        Ok(Seen {
            bytes,
            packet_type: packet_type(from.sll_pkttype),
            protocol: u16::from_be(from.sll_protocol),
        })
    }

    fn wait(&self, timeout: Duration) -> Result<(), Errno> {
        let timeout = Timespec::try_from(timeout).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

impl AsFd for Witness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn packet_type(raw: u8) -> PacketType {
    match u32::from(raw) {
        abi::PACKET_HOST => PacketType::Host,
        abi::PACKET_BROADCAST => PacketType::Broadcast,
        abi::PACKET_MULTICAST => PacketType::Multicast,
        abi::PACKET_OTHERHOST => PacketType::OtherHost,
        abi::PACKET_OUTGOING => PacketType::Outgoing,
        _ => PacketType::Other(raw),
    }
}
