//! Naming an interface, and asking about it.

use core::num::NonZeroU32;

use rustix::fd::AsFd;
use rustix::io::Errno;

use crate::error::{Error, Operation};
use crate::sys::link;

/// A network interface, by its index.
///
/// An index belongs to a network namespace. What asks about the interface asks through a socket, which
/// stays in the namespace that it was opened in: any socket will do, in any state, a [`LinkWatch`] for one,
/// but that of AF_XDP, which answers no such question (EOPNOTSUPP). No privilege is needed.
///
/// [`LinkWatch`]: crate::packet::LinkWatch
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interface(NonZeroU32);

impl Interface {
    /// The interface with this name, in the network namespace of the calling thread.
    ///
    /// `ioctl(SIOCGIFINDEX)` on a socket that is opened and closed for it.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`].
    #[doc(alias = "if_nametoindex")]
    pub fn by_name(name: &str) -> Result<Self, Error> {
        Self::look_up(name, link::name_to_index)
    }

    /// The interface with this name, in the network namespace of the socket.
    ///
    /// `ioctl(SIOCGIFINDEX)`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`].
    #[doc(alias = "SIOCGIFINDEX")]
    pub fn by_name_in(socket: impl AsFd, name: &str) -> Result<Self, Error> {
        Self::look_up(name, |name| link::name_to_index_in(socket.as_fd(), name))
    }

    fn look_up(name: &str, find: impl Fn(&str) -> Result<u32, Errno>) -> Result<Self, Error> {
        // The kernel reads 15 bytes and stops at a zero and at a colon: what follows would be ignored, and
        // another interface found.
        if name.is_empty() || name.len() > 15 || name.contains(['\0', ':']) {
            return Err(Error::NoSuchInterface);
        }
        let index = find(name).map_err(|errno| refused(Operation::FindInterface, errno))?;
        Self::by_index(index).ok_or(Error::NoSuchInterface)
    }

    /// The interface with this index; `None` for zero and for what the kernel cannot number.
    #[must_use]
    pub const fn by_index(index: u32) -> Option<Self> {
        match NonZeroU32::new(index) {
            Some(index) if index.get() <= i32::MAX as u32 => Some(Self(index)),
            _ => None,
        }
    }

    /// The interface's index, from 1.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0.get()
    }

    /// The index as the kernel's structures hold it.
    pub(crate) const fn raw(self) -> i32 {
        self.0.get().cast_signed()
    }

    /// The largest payload of a frame in bytes: without the link-layer header, and without a VLAN tag.
    ///
    /// `ioctl(SIOCGIFNAME)` and `ioctl(SIOCGIFMTU)`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`] where it is gone.
    #[doc(alias = "SIOCGIFMTU")]
    pub fn mtu(self, socket: impl AsFd) -> Result<u32, Error> {
        link::mtu(socket.as_fd(), self.index()).map_err(unread)
    }

    /// Whether the interface is up and passes packets.
    ///
    /// `ioctl(SIOCGIFNAME)` and `ioctl(SIOCGIFFLAGS)`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`] where it is gone.
    #[doc(alias = "SIOCGIFFLAGS")]
    pub fn link_state(self, socket: impl AsFd) -> Result<LinkState, Error> {
        let flags = link::flags(socket.as_fd(), self.index()).map_err(unread)?;
        Ok(match flags {
            (false, _) => LinkState::Down,
            (true, false) => LinkState::NoCarrier,
            (true, true) => LinkState::Running,
        })
    }

    /// How many queues the interface uses each way; a combined channel is one of each.
    ///
    /// `ioctl(SIOCGIFNAME)` and `ioctl(SIOCETHTOOL)` with `ETHTOOL_GCHANNELS`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`] where it is gone. [`Error::System`]: EOPNOTSUPP where the driver does
    /// not tell, as that of the loopback.
    #[doc(alias = "ETHTOOL_GCHANNELS")]
    pub fn queues(self, socket: impl AsFd) -> Result<Queues, Error> {
        let (receive, transmit) = link::queues(socket.as_fd(), self.index()).map_err(unread)?;
        Ok(Queues { receive, transmit })
    }

    /// The hardware address of an Ethernet interface; `None` for one of another kind.
    ///
    /// `ioctl(SIOCGIFNAME)` and `ioctl(SIOCGIFHWADDR)`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`] where it is gone.
    #[doc(alias = "SIOCGIFHWADDR")]
    pub fn ethernet_address(self, socket: impl AsFd) -> Result<Option<[u8; 6]>, Error> {
        link::ethernet_address(socket.as_fd(), self.index()).map_err(unread)
    }
}

/// Whether an interface passes packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It was set down: `IFF_UP` is not set.
    #[doc(alias = "IFF_UP")]
    Down,
    /// It was set up and cannot pass packets: there is no carrier, or it waits for something else.
    NoCarrier,
    /// It was set up and passes packets: `IFF_RUNNING`.
    #[doc(alias = "IFF_RUNNING")]
    Running,
}

/// How many queues of an interface are in use.
#[doc(alias = "ethtool_channels")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues {
    /// Those that receive.
    pub receive: u32,
    /// Those that transmit.
    pub transmit: u32,
}

fn unread(errno: Errno) -> Error {
    refused(Operation::ReadInterface, errno)
}

fn refused(operation: Operation, errno: Errno) -> Error {
    match errno {
        Errno::NODEV | Errno::NXIO => Error::NoSuchInterface,
        errno => Error::System { operation, errno },
    }
}
