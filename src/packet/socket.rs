//! The packet socket, and its way from state to state.

use core::ops::ControlFlow;
use core::time::Duration;

use rustix::fd::{AsFd, BorrowedFd};

use super::rings::{PacketRings, Receives, Transmits, bind};
use super::{
    Block, Blocks, Ended, Frame, Frames, Interface, Packet, Receiver, Statistics, Transmitter,
};
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
/// | [`Mapped`] | the rings exist; no packet can arrive | [`map`](Self::map) |
/// | [`Bound`] | receive, transmit | [`bind`](Self::bind) |
///
/// Which rings it has, the state's parameter says: [`Rx`](super::Rx), [`RxV2`](super::RxV2),
/// [`Tx`](super::Tx), [`RxTx`](super::RxTx).
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
}

impl<R: PacketRings> Socket<Configured<R>> {
    /// Opens a socket that receives nothing yet, for the rings that `rings` describes.
    ///
    /// `socket(AF_PACKET, SOCK_RAW or SOCK_DGRAM, 0)`, `PACKET_VERSION`, and what the rings ask for: of a
    /// receive ring `PACKET_RESERVE`, and a filter that keeps no more than the snap length; of a transmit
    /// ring `PACKET_LOSS`, `PACKET_TX_HAS_OFF` and `PACKET_VNET_HDR`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EPERM without CAP_NET_RAW.
    pub fn configure(rings: R) -> Result<Self, Error> {
        let fd = sys::open(rings.socket_type()).map_err(Error::system(Operation::OpenSocket))?;
        sys::set_version(fd.as_fd(), R::VERSION).map_err(Error::system(Operation::SetVersion))?;
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
        let attached = match self.state.rings.snap_length() {
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
                    },
                })
            }
            Err(error) => Err(Failed::new(error, self)),
        }
    }
}

impl<R: PacketRings> Socket<Bound<R>> {
    /// The interface that the socket was last bound to.
    #[must_use]
    pub fn interface(&self) -> Interface {
        R::interface(&self.state.rings)
    }

    /// Binds to another interface with the same rings: [`Receiver::rebind`]. Frames that are queued go
    /// out through it.
    ///
    /// # Errors
    ///
    /// As [`Receiver::rebind`].
    pub fn rebind(&mut self, interface: Interface) -> Result<(), Error> {
        R::rebind(&mut self.state.rings, self.state.fd.as_fd(), interface)
    }

    /// The rings and the descriptor, to be borrowed together.
    pub(super) fn parts(&mut self) -> (&mut R::Bound, BorrowedFd<'_>) {
        (&mut self.state.rings, self.state.fd.as_fd())
    }
}

impl<R: Transmits> Socket<Bound<R>> {
    /// Fills frames and has them sent.
    #[inline]
    pub fn transmitter(&mut self) -> Transmitter<'_> {
        let (rings, fd) = self.parts();
        R::transmitter(rings, fd)
    }
}

impl<R: Receives> Socket<Bound<R>> {
    /// Hands out many blocks, or frames, at a time. Those that were forgotten are taken back.
    #[inline]
    pub fn receiver(&mut self) -> Receiver<'_, R::Delivery> {
        let (rings, fd) = self.parts();
        R::receiver(rings, fd)
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

impl<R: Receives<Delivery = Blocks>> Socket<Bound<R>> {
    /// The next block that the kernel has filled, one at a time. No system call.
    ///
    /// `None` where none is ready yet, and for good once the ring is corrupt:
    /// [`take_error`](Self::take_error) tells. A block that was forgotten is taken back first.
    #[inline]
    pub fn next_block(&mut self) -> Option<Block<&Slots>> {
        self.receiver().next_block()
    }
}

impl<R: Receives<Delivery = Frames>> Socket<Bound<R>> {
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

impl<R: Rings> AsFd for Socket<Bound<R>> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state.fd.as_fd()
    }
}
