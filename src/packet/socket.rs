//! The packet socket, and its way from state to state.

use core::ops::ControlFlow;

use linux_raw_sys::if_packet::tpacket_versions;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::rx::Rx;
use super::{Block, Ended, Interface, Packet, Receiver, Statistics};
use crate::abi::packet::record;
use crate::bpf::{Instruction, Limited};
use crate::error::{Error, Operation};
use crate::handoff::Slots;
use crate::lifecycle::{Bound, Configured, Failed, Mapped, Rings};
use crate::sys;
use crate::wait::{Deadline, OnSignal, Wake};

/// An AF_PACKET socket in the state `S`.
///
/// | state | may | entered by |
/// |---|---|---|
/// | [`Configured`] | set options, attach a filter; no packet can arrive | [`configure`](Self::configure) |
/// | [`Mapped`] | the ring exists; no packet can arrive | [`map`](Self::map) |
/// | [`Bound`] | receive | [`bind`](Self::bind) |
///
/// Needs Linux 3.2, and CAP_NET_RAW in the user namespace that owns the network namespace.
#[derive(Debug)]
pub struct Socket<S> {
    state: S,
}

impl Socket<Configured<Rx>> {
    /// Opens a socket that receives nothing yet, for the ring that `rings` describes.
    ///
    /// `socket(AF_PACKET, SOCK_RAW or SOCK_DGRAM, 0)`, `PACKET_VERSION`, `PACKET_HDRLEN` to see that the
    /// kernel lays packets out as we do, and what the geometry asks for: `PACKET_RESERVE`, and a filter
    /// that keeps no more than the snap length.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EPERM without CAP_NET_RAW. [`Error::HeaderLength`].
    pub fn configure(rings: Rx) -> Result<Self, Error> {
        let fd = sys::open(rings.socket_type()).map_err(Error::system(Operation::OpenSocket))?;
        Self::with(rings, fd)
    }

    /// Opens the socket in another network namespace, where it stays wherever it is used.
    ///
    /// `namespace` is what `/proc/PID/ns/net`, `/run/netns/NAME` or `ioctl(SIOCGSKNS)` opens. An interface
    /// there is found by [`Interface::by_name_in`] with this socket: `Interface::by_name` looks where the
    /// thread is. The calling thread goes there for the one call that opens the socket, and comes back:
    /// `open("/proc/thread-self/ns/net")` and `setns` three times, the first of which proves that the way
    /// back is permitted. Then as [`configure`](Self::configure).
    ///
    /// Needs CAP_SYS_ADMIN in the user namespace of the process and in those that own the two network
    /// namespaces, beside CAP_NET_RAW in that of the namespace entered.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EPERM without these privileges, EINVAL where `namespace` is none of networks.
    /// After an error of [`Operation::LeaveNamespace`], and of no other, **the thread is still in the other
    /// namespace**; the kernel's only reason for it is that it has no memory. End the thread then, or
    /// move it.
    #[doc(alias = "setns")]
    pub fn configure_in(namespace: impl AsFd, rings: Rx) -> Result<Self, Error> {
        let fd = sys::open_in(namespace.as_fd(), rings.socket_type())?;
        Self::with(rings, fd)
    }

    /// Sets what the rings ask for.
    fn with(rings: Rx, fd: OwnedFd) -> Result<Self, Error> {
        sys::set_version(fd.as_fd()).map_err(Error::system(Operation::SetVersion))?;
        let header_length = sys::header_length(fd.as_fd(), tpacket_versions::TPACKET_V3)
            .map_err(Error::system(Operation::ReadHeaderLength))?;
        if header_length as usize != record::PACKET_HEADER {
            return Err(Error::HeaderLength {
                bytes: header_length,
            });
        }
        let geometry = rings.geometry();
        if geometry.reserve_bytes() != 0 {
            sys::set_reserve(fd.as_fd(), geometry.reserve_bytes())
                .map_err(Error::system(Operation::SetReserve))?;
        }
        if let Some(bytes) = geometry.snap_length_bytes() {
            sys::attach_filter(fd.as_fd(), &[Instruction::keep(bytes.get())])
                .map_err(Error::system(Operation::AttachFilter))?;
        }
        Ok(Self {
            state: Configured { rings, fd },
        })
    }

    /// Attaches a filter, in place of the one that was there. No packet can have come before it.
    ///
    /// With a snap length the program's return values are held down to it; the program is copied to
    /// the stack for that (32 KiB). `setsockopt(SO_ATTACH_FILTER)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EINVAL where the kernel's checker refuses the program, ENOMEM where it is
    /// larger than `net.core.optmem_max` allows. [`Error::FilterTooLong`].
    #[doc(alias = "SO_ATTACH_FILTER")]
    pub fn attach_filter(&mut self, program: &[Instruction]) -> Result<(), Error> {
        let fd = self.state.fd.as_fd();
        let attached = match self.state.rings.geometry().snap_length_bytes() {
            None => sys::attach_filter(fd, program),
            Some(bytes) => {
                let limited = Limited::new(program, bytes.get()).ok_or(Error::FilterTooLong)?;
                sys::attach_filter(fd, limited.instructions())
            }
        };
        attached.map_err(Error::system(Operation::AttachFilter))
    }

    /// Receives no packet that this host sends. `setsockopt(PACKET_IGNORE_OUTGOING)`, Linux 4.20.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: ENOPROTOOPT on older kernels.
    #[doc(alias = "PACKET_IGNORE_OUTGOING")]
    pub fn ignore_outgoing(&mut self) -> Result<(), Error> {
        sys::ignore_outgoing(self.state.fd.as_fd())
            .map_err(Error::system(Operation::IgnoreOutgoing))
    }

    /// Makes the ring and maps it.
    ///
    /// `setsockopt(PACKET_RX_RING)`, `mmap` (shared and populated) and `madvise(MADV_DONTFORK)`: a
    /// child made by `fork` has no mapping of it. Locking is not offered: the pages belong to the kernel
    /// and are never swapped, so `mlock` and `MAP_LOCKED` lock nothing, and only add ways to fail. The
    /// first call of a process also asks for the page size (`prctl(PR_GET_AUXV)`).
    ///
    /// # Errors
    ///
    /// Gives the socket back, with [`Error::System`], ENOMEM where there is no memory in blocks of this
    /// size; or [`Error::Geometry`] where the block size is no multiple of this machine's pages.
    #[doc(alias = "PACKET_RX_RING")]
    #[doc(alias = "mmap")]
    pub fn map(self) -> Result<Socket<Mapped<Rx>>, Failed<Self>> {
        let Configured { rings, fd } = self.state;
        match rings.map(fd.as_fd()) {
            Ok(rings) => Ok(Socket {
                state: Mapped { rings, fd },
            }),
            Err(error) => Err(Failed::new(
                error,
                Self {
                    state: Configured { rings, fd },
                },
            )),
        }
    }
}

impl Socket<Mapped<Rx>> {
    /// Binds the socket to an interface: packets arrive from now on.
    ///
    /// `bind`. An interface that is down can be bound to: [`wait`](Socket::wait) then says
    /// [`Error::LinkDown`], and packets come when it is up.
    ///
    /// # Errors
    ///
    /// Gives the socket back, with [`Error::System`]: ENODEV where there is no such interface.
    pub fn bind(self, interface: Interface) -> Result<Socket<Bound<Rx>>, Failed<Self>> {
        match self.state.rings.bind(self.state.fd.as_fd(), interface) {
            Ok(()) => {
                let Mapped { rings, fd } = self.state;
                Ok(Socket {
                    state: Bound {
                        rings: rings.into_bound(interface),
                        fd,
                    },
                })
            }
            Err(error) => Err(Failed::new(error, self)),
        }
    }
}

impl Socket<Bound<Rx>> {
    /// Hands out many blocks at a time. Blocks that were forgotten are taken back.
    #[inline]
    pub fn receiver(&mut self) -> Receiver<'_> {
        self.state.rings.receiver(self.state.fd.as_fd())
    }

    /// The next block that the kernel has filled, one at a time. No system call.
    ///
    /// `None` where none is ready yet, and for good once the ring is corrupt:
    /// [`take_error`](Self::take_error) tells. A block that was forgotten is taken back first.
    #[inline]
    pub fn next_block(&mut self) -> Option<Block<&Slots>> {
        self.receiver().next_block()
    }

    /// Sleeps until a block is ready or the deadline has passed: [`Receiver::wait`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::wait`].
    pub fn wait(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
        self.receiver().wait(deadline, on_signal)
    }

    /// Says whether the link is down or gone, or the ring corrupt: [`Receiver::take_error`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::take_error`].
    pub fn take_error(&mut self) -> Result<(), Error> {
        self.receiver().take_error()
    }

    /// Runs `f` over packets as they come: [`Receiver::for_each`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::wait`].
    pub fn for_each(
        &mut self,
        deadline: Deadline,
        on_signal: OnSignal,
        f: impl FnMut(Packet<'_>) -> ControlFlow<()>,
    ) -> Result<Ended, Error> {
        self.receiver().for_each(deadline, on_signal, f)
    }

    /// Counts since the socket was bound: [`Receiver::statistics`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::statistics`].
    pub fn statistics(&mut self) -> Result<Statistics, Error> {
        self.receiver().statistics()
    }

    /// Binds to another interface with the same ring: [`Receiver::rebind`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::rebind`].
    pub fn rebind(&mut self, interface: Interface) -> Result<(), Error> {
        self.receiver().rebind(interface)
    }

    /// The interface that the socket was last bound to.
    #[must_use]
    pub fn interface(&self) -> Interface {
        self.state.rings.interface()
    }

    /// Shares the ring with blocks that are `'static` and own it together.
    ///
    /// The socket lives until the receiver and the last block are dropped.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_shared(self) -> super::SharedReceiver {
        self.state.rings.into_shared(self.state.fd)
    }
}

impl<R: Rings> AsFd for Socket<Configured<R>> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state.fd.as_fd()
    }
}

impl<R: Rings> AsFd for Socket<Mapped<R>> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state.fd.as_fd()
    }
}

impl<R: Rings> AsFd for Socket<Bound<R>> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state.fd.as_fd()
    }
}
