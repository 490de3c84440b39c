//! Hearing of an interface's link, for those who sleep in an executor.

mod message;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

use crate::error::{Error, Operation};
use crate::interface::{Interface, LinkState};
use crate::sys;

use self::message::{Kind, Message};

/// `RTMGRP_LINK` of `linux/rtnetlink.h`.
const LINKS: u32 = 1;

/// Tells when an interface goes down, loses its carrier, comes back or goes away.
///
/// A netlink socket that the kernel sends a message to whenever something about an interface changes:
/// [`AsFd`] is readable then, and [`take`](Self::take) tells what it means for ours. An AF_XDP socket has to
/// be accompanied by one where a program sleeps in an executor: its own descriptor says nothing when the
/// interface is removed. Sockets of AF_PACKET tell by themselves that they are down or gone, but not that
/// they have lost the carrier.
///
/// Register it in whichever way, and call `take` until it returns `None`: every interface of the namespace
/// sends messages. No privilege is needed. See
/// [rtnetlink(7)](https://man7.org/linux/man-pages/man7/rtnetlink.7.html).
#[doc(alias = "RTMGRP_LINK")]
#[doc(alias = "RTM_NEWLINK")]
#[doc(alias = "RTM_DELLINK")]
#[derive(Debug)]
pub struct LinkWatch {
    socket: OwnedFd,
    interface: Interface,
    /// `None` once it is gone.
    state: Option<LinkState>,
    /// Messages were lost since the kernel was last asked.
    overrun: bool,
}

impl LinkWatch {
    /// Watches an interface of the calling thread's network namespace.
    ///
    /// `socket(AF_NETLINK)`, `bind`, and what [`Interface::link_state`] asks, in this order: what changes
    /// after it is told by [`take`](Self::take).
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`]. [`Error::System`]: EMFILE, ENFILE or ENOMEM.
    pub fn new(interface: Interface) -> Result<Self, Error> {
        let open = Error::system(Operation::OpenLinkWatch);
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // NETLINK_ROUTE, the protocol 0.
            None,
        )
        .map_err(&open)?;
        bind(&socket, &SocketAddrNetlink::new(0, LINKS)).map_err(&open)?;
        let state = interface.link_state(&socket)?;
        Ok(Self {
            socket,
            interface,
            state: Some(state),
            overrun: false,
        })
    }

    /// Watches an interface of another network namespace, where the calling thread goes for the opening of
    /// the socket: as [`Socket::configure_in`](crate::packet::Socket::configure_in) does, with its
    /// privileges and its errors.
    ///
    /// # Errors
    ///
    /// Those, and those of [`new`](Self::new).
    #[doc(alias = "setns")]
    pub fn new_in(namespace: impl AsFd, interface: Interface) -> Result<Self, Error> {
        sys::run_in(namespace.as_fd(), || Self::new(interface))
    }

    /// The state that the link has changed to; `None` where nothing has changed and no message waits.
    ///
    /// Changes come in their order, those between two calls one by one. `recvfrom` until there is one, or
    /// no more messages. It never blocks.
    ///
    /// Where the messages came faster than they were taken the kernel has dropped some (ENOBUFS). Then,
    /// once those that are left are taken, it is asked by `ioctl`: the last state is told, and what lay
    /// between is not. One case stays unseen then: an interface that went away while messages were lost, and
    /// was replaced by one of the same index.
    ///
    /// # Errors
    ///
    /// [`Error::LinkGone`] from then on when the interface was removed or moved to another network
    /// namespace, whether it has come back or not: make another. [`Error::System`].
    pub fn take(&mut self) -> Result<Option<LinkState>, Error> {
        while let Some(known) = self.state {
            let heard = match self.receive() {
                Ok(Some(message)) if message.interface == self.interface.index() => {
                    message.link_state()
                }
                Ok(_) => continue,
                // The messages from before the first that was lost are still to be had.
                Err(Errno::NOBUFS) => {
                    self.overrun = true;
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) if self.overrun => self.ask()?,
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => return Err(Error::system(Operation::ReadLinkWatch)(errno)),
            };
            self.state = heard;
            if let Some(state) = heard
                && state != known
            {
                return Ok(Some(state));
            }
        }
        Err(Error::LinkGone)
    }

    /// The state as it was last told: at first, the one that was found.
    ///
    /// # Errors
    ///
    /// [`Error::LinkGone`] where that was told.
    pub fn state(&self) -> Result<LinkState, Error> {
        self.state.ok_or(Error::LinkGone)
    }

    /// The interface.
    #[must_use]
    pub fn interface(&self) -> Interface {
        self.interface
    }

    /// One message of the kernel; `None` for what is none.
    fn receive(&self) -> Result<Option<Message>, Errno> {
        // The kernel sends these one by one, and what follows the header of each is not looked at.
        let mut bytes = [0; Message::LEN];
        let (_, len, sender) = recvfrom(&self.socket, &mut bytes, RecvFlags::DONTWAIT)?;
        // Port 0 is the kernel; whoever has CAP_NET_ADMIN could send too.
        let kernel = sender
            .and_then(|sender| SocketAddrNetlink::try_from(sender).ok())
            .is_some_and(|sender| sender.pid() == 0);
        Ok(if kernel {
            bytes.get(..len).and_then(Message::parse)
        } else {
            None
        })
    }

    /// The state now.
    fn ask(&mut self) -> Result<Option<LinkState>, Error> {
        let state = match self.interface.link_state(&self.socket) {
            Ok(state) => Some(state),
            Err(Error::NoSuchInterface) => None,
            Err(error) => return Err(error),
        };
        // Only now: were the asking to fail, it would have to be done again.
        self.overrun = false;
        Ok(state)
    }
}

impl AsFd for LinkWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Message {
    /// What the message says of its interface; `None` where that is gone.
    fn link_state(self) -> Option<LinkState> {
        match self.kind {
            Kind::Gone => None,
            Kind::Is { up: false, .. } => Some(LinkState::Down),
            Kind::Is { running: false, .. } => Some(LinkState::NoCarrier),
            Kind::Is { .. } => Some(LinkState::Running),
        }
    }
}
