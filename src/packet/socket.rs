//! The packet socket, and its way from state to state.

use core::ops::ControlFlow;
use core::time::Duration;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::rings::{PacketRings, Receives, Transmits, bind};
use super::{
    Block, Blocks, Ended, Frame, Frames, Interface, Packet, Receiver, Statistics, Transmitter,
};
use crate::error::{Error, Operation};
use crate::handoff::Slots;
use crate::lifecycle::{Alone, Bound, Configured, Failed, Mapped, Rings};
use crate::sys;
use crate::wait::{Deadline, OnSignal, Wake};

/// An AF_PACKET socket in the state `S`.
///
/// | state | may | entered by |
/// |---|---|---|
/// | [`Configured`] | set options, attach a filter; no packet can arrive | [`configure`](Self::configure) |
/// | [`Mapped`] | the rings exist; no packet can arrive | [`map`](Self::map) |
/// | [`Bound`] | receive, transmit | [`bind`](Self::bind) |
/// | [`Bound<_, Member>`](Bound) | the same; receives a share of what a fanout group receives | [`join_fanout`](Self::join_fanout) |
///
/// Which rings it has, the state's parameter says: [`Rx`](super::Rx), [`RxV2`](super::RxV2),
/// [`Tx`](super::Tx), [`RxTx`](super::RxTx) and its halves, or [`NoRing`](super::NoRing).
///
/// Needs Linux 3.2, and CAP_NET_RAW in the user namespace that owns the network namespace.
#[derive(Debug)]
pub struct Socket<S> {
    state: S,
}

impl<S> Socket<S> {
    pub(super) fn from_state(state: S) -> Self {
        Self { state }
    }

    pub(super) fn into_state(self) -> S {
        self.state
    }

    pub(super) fn state(&self) -> &S {
        &self.state
    }
}

impl<R: PacketRings> Socket<Configured<R>> {
    /// Opens a socket that receives nothing yet, for the rings that `rings` describes.
    ///
    /// `socket(AF_PACKET, SOCK_RAW or SOCK_DGRAM, 0)`, `PACKET_VERSION`, `PACKET_HDRLEN` to see that the
    /// kernel lays packets out as we do, and what the rings ask for: of a receive ring `PACKET_RESERVE`,
    /// and a filter that keeps no more than the snap length; of a transmit ring `PACKET_LOSS`,
    /// `PACKET_TX_HAS_OFF` and `PACKET_VNET_HDR`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EPERM without CAP_NET_RAW. [`Error::HeaderLength`].
    pub fn configure(rings: R) -> Result<Self, Error> {
        let fd = sys::open(rings.socket_type()).map_err(Error::system(Operation::OpenSocket))?;
        Self::opened(rings, fd)
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
    /// [`Error::System`]: EPERM without these privileges, EINVAL where `namespace` is
    /// neither a namespace nor a process (a pidfd), whose network namespace it then is.
    /// After an error of [`Operation::LeaveNamespace`], and of no other, **the thread is still in the other
    /// namespace**, as when the kernel has no memory left for the way back. End the thread then, or move
    /// it.
    #[doc(alias = "setns")]
    pub fn configure_in(namespace: impl AsFd, rings: R) -> Result<Self, Error> {
        let fd = sys::open_in(namespace.as_fd(), rings.socket_type())?;
        Self::opened(rings, fd)
    }

    /// Sets what the rings ask for on a socket that was just opened.
    fn opened(rings: R, fd: OwnedFd) -> Result<Self, Error> {
        sys::set_version(fd.as_fd(), R::VERSION).map_err(Error::system(Operation::SetVersion))?;
        let header_length = sys::header_length(fd.as_fd(), R::VERSION)
            .map_err(Error::system(Operation::ReadHeaderLength))?;
        if header_length as usize != R::PACKET_HEADER {
            return Err(Error::HeaderLength {
                bytes: header_length,
            });
        }
        rings.configure(fd.as_fd())?;
        Ok(Self {
            state: Configured { rings, fd },
        })
    }

    /// Makes the rings and maps them.
    ///
    /// `setsockopt(PACKET_RX_RING)`, `setsockopt(PACKET_TX_RING)`, `mmap` (shared and populated) and
    /// `madvise(MADV_DONTFORK)`: a child made by `fork` has no mapping of it. Locking is not offered: the
    /// pages belong to the kernel and are never swapped, so `mlock` and `MAP_LOCKED` lock nothing, and
    /// only add ways to fail. The first call of a process also asks for the page size
    /// (`prctl(PR_GET_AUXV)`).
    ///
    /// # Errors
    ///
    /// Gives the socket back, with [`Error::System`], ENOMEM where there is no memory in blocks of this
    /// size; or [`Error::Geometry`] where the block size is no multiple of this machine's pages.
    #[doc(alias = "PACKET_RX_RING")]
    #[doc(alias = "PACKET_TX_RING")]
    #[doc(alias = "mmap")]
    pub fn map(self) -> Result<Socket<Mapped<R>>, Failed<Self>> {
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

impl<R: Receives> Socket<Configured<R>> {
    /// Receives no packet that this host sends. `setsockopt(PACKET_IGNORE_OUTGOING)`, Linux 4.20.
    ///
    /// In a fanout group too, from Linux 6.2 on: [`join_fanout`](Socket::join_fanout) sees to it.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: ENOPROTOOPT on older kernels.
    #[doc(alias = "PACKET_IGNORE_OUTGOING")]
    pub fn ignore_outgoing(&mut self) -> Result<(), Error> {
        sys::ignore_outgoing(self.state.fd.as_fd())
            .map_err(Error::system(Operation::IgnoreOutgoing))
    }
}

impl<R: Transmits> Socket<Configured<R>> {
    /// Gives packets to the driver at once, past the interface's queueing discipline.
    /// `setsockopt(PACKET_QDISC_BYPASS)`, Linux 3.14.
    ///
    /// Where the driver has no room, packets are dropped and [`Unsent::NoBuffers`](crate::Unsent) tells;
    /// traffic control, and captures of outgoing packets, do not see them.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: ENOPROTOOPT on older kernels.
    #[doc(alias = "PACKET_QDISC_BYPASS")]
    pub fn bypass_qdisc(&mut self) -> Result<(), Error> {
        sys::bypass_qdisc(self.state.fd.as_fd()).map_err(Error::system(Operation::BypassQdisc))
    }
}

impl<R: PacketRings> Socket<Mapped<R>> {
    /// Binds the socket to an interface: from now on packets arrive, and frames can be sent.
    ///
    /// `bind`. An interface that is down can be bound to: [`wait`](Socket::wait) then says
    /// [`Error::LinkDown`], and packets come when it is up.
    ///
    /// # Errors
    ///
    /// Gives the socket back, with [`Error::System`]: ENODEV where there is no such interface.
    pub fn bind(self, interface: Interface) -> Result<Socket<Bound<R>>, Failed<Self>> {
        let protocol = R::bind_protocol(&self.state.rings);
        match bind(self.state.fd.as_fd(), interface, protocol) {
            Ok(()) => {
                let Mapped { rings, fd } = self.state;
                Ok(Socket {
                    state: Bound {
                        rings: R::into_bound(rings, interface),
                        fd,
                        group: Alone::new(),
                    },
                })
            }
            Err(error) => Err(Failed::new(error, self)),
        }
    }
}

impl<R: PacketRings, G> Socket<Bound<R, G>> {
    /// The interface that the socket was last bound to.
    #[must_use]
    pub fn interface(&self) -> Interface {
        R::interface(&self.state.rings)
    }
}

impl<R: PacketRings> Socket<Bound<R>> {
    /// Binds to another interface with the same rings: [`Receiver::rebind`]. Frames that are queued go
    /// out through it.
    ///
    /// # Errors
    ///
    /// As [`Receiver::rebind`].
    pub fn rebind(&mut self, interface: Interface) -> Result<(), Error> {
        R::rebind(&mut self.state.rings, self.state.fd.as_fd(), interface)
    }
}

impl<R: Rings, G> Socket<Bound<R, G>> {
    /// The descriptor.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.state.fd.as_fd()
    }

    /// What the state holds, to be borrowed together.
    pub(super) fn parts(&mut self) -> (&mut R::Bound, BorrowedFd<'_>, &G) {
        let state = &mut self.state;
        (&mut state.rings, state.fd.as_fd(), &state.group)
    }
}

impl<R: Transmits, G> Socket<Bound<R, G>> {
    /// Fills frames and has them sent.
    #[inline]
    pub fn transmitter(&mut self) -> Transmitter<'_> {
        let (rings, fd, _) = self.parts();
        R::transmitter(rings, fd)
    }
}

impl<R: Receives, G> Socket<Bound<R, G>> {
    /// Hands out many blocks, or frames, at a time. Those that were forgotten are taken back.
    #[inline]
    pub fn receiver(&mut self) -> Receiver<'_, R::Delivery, G> {
        let (rings, fd, group) = self.parts();
        R::receiver(rings, fd, group)
    }

    /// Sleeps until a block, or a frame, is ready or the deadline has passed: [`Receiver::wait`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::wait`].
    pub fn wait(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
        self.receiver().wait(deadline, on_signal)
    }

    /// Spins for a time, then sleeps as [`wait`](Self::wait): [`Receiver::spin_then_wait`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::wait`].
    pub fn spin_then_wait(
        &mut self,
        spin: Duration,
        deadline: Deadline,
        on_signal: OnSignal,
    ) -> Result<Wake, Error> {
        self.receiver().spin_then_wait(spin, deadline, on_signal)
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
        f: impl FnMut(Packet<'_, R::Delivery>) -> ControlFlow<()>,
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
}

impl<R: Receives<Delivery = Blocks>, G> Socket<Bound<R, G>> {
    /// The next block that the kernel has filled, one at a time. No system call.
    ///
    /// `None` where none is ready yet, and for good once the ring is corrupt:
    /// [`take_error`](Self::take_error) tells. A block that was forgotten is taken back first.
    #[inline]
    pub fn next_block(&mut self) -> Option<Block<&Slots>> {
        self.receiver().next_block()
    }
}

impl<R: Receives<Delivery = Frames>, G> Socket<Bound<R, G>> {
    /// The next frame that the kernel has filled, one at a time: as
    /// [`next_block`](Socket::next_block).
    #[inline]
    pub fn next_frame(&mut self) -> Option<Frame<&Slots>> {
        self.receiver().next_frame()
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

impl<R: Rings, G> AsFd for Socket<Bound<R, G>> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state.fd.as_fd()
    }
}
