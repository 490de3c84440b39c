//! The AF_XDP socket, and its way from state to state.

use core::marker::PhantomData;
use core::time::Duration;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;

use super::binding::{Granted, bind, granted, receives, until_released};
use super::ring_set::{BoundRings, KINDS, Making, MappedRings, XdpRings, make};
use super::tx::Transfer;
use super::umem::Memory;
use super::{Closed, Joint, Queue, Umem};
use crate::chunks::{Chunks, Slot};
use crate::error::{Error, Operation};
use crate::lifecycle::{Alone, Bound, Configured, Failed, Mapped};
use crate::sys;
use crate::wait::Deadline;

/// An AF_XDP socket in the state `S`.
///
/// | state | may | entered by |
/// |---|---|---|
/// | [`Configured`] | set options | [`configure`](Self::configure), [`from_fd`](Self::from_fd) |
/// | [`Mapped`] | stock the fill ring; no packet can arrive | [`map`](Self::map) |
/// | [`Bound`] | receive, transmit | [`bind`](Self::bind) |
/// | [`Bound<_, Shared>`](Bound) | the same, with further sockets on the same queue | [`share`](Self::share) |
///
/// Which rings it has, the state's parameter says: [`Rx`](super::Rx), [`Tx`](super::Tx),
/// [`RxTx`](super::RxTx).
///
/// A socket that receives needs an XDP program on its interface beside, which passes packets to the socket
/// through an XSKMAP; one that transmits does not.
///
/// Needs Linux 5.4, and CAP_NET_RAW in the user namespace that owns the network namespace, to open it.
///
/// Dropping a bound socket is safe, and closes it; the chunks that the kernel had by it are lost then, and its
/// place among the 84 of the UMEM: [`close`](Self::close) keeps them.
#[derive(Debug)]
pub struct Socket<S> {
    state: S,
    chunks: Chunks<Memory>,
    made: Made,
}

/// What the kernel has made by a `map` that failed later: it makes nothing twice.
#[derive(Clone, Copy, Debug, Default)]
struct Made {
    umem: bool,
    rings: usize,
    /// Where it was bound, and no more could be asked.
    bound: Option<Queue>,
    /// Whether that queue is busy for as long as the socket is bound.
    stays_busy: bool,
}

impl<R: XdpRings> Socket<Configured<R>> {
    /// Opens a socket for these rings over this memory. `socket(AF_XDP)`.
    ///
    /// Any number of sockets may use one memory: each registers it for itself.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EPERM without CAP_NET_RAW, EAFNOSUPPORT where the kernel has no AF_XDP.
    pub fn configure(rings: R, umem: &Umem) -> Result<Self, Error> {
        let fd = sys::open_xdp().map_err(Error::system(Operation::OpenXdpSocket))?;
        Ok(Self::opened(rings, umem, fd))
    }

    /// Takes an AF_XDP socket that was opened by somebody else, as by a process that has the right to, and was
    /// not used since. What follows, up to sending and receiving, needs no right but RLIMIT_MEMLOCK.
    ///
    /// # Errors
    ///
    /// [`Error::NotXdpSocket`].
    pub fn from_fd(fd: OwnedFd, rings: R, umem: &Umem) -> Result<Self, Error> {
        match socket_domain(&fd) {
            Ok(AddressFamily::XDP) => Ok(Self::opened(rings, umem, fd)),
            _ => Err(Error::NotXdpSocket),
        }
    }

    fn opened(rings: R, umem: &Umem, fd: OwnedFd) -> Self {
        Self {
            state: Configured { rings, fd },
            chunks: umem.chunks().clone(),
            made: Made::default(),
        }
    }

    /// Has the kernel poll the driver when this socket sleeps or kicks, for at most this time and this many
    /// packets at once, in place of interrupts. `setsockopt` with SO_PREFER_BUSY_POLL, SO_BUSY_POLL and
    /// SO_BUSY_POLL_BUDGET; Linux 5.11.
    ///
    /// Does nothing on veth.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EPERM without CAP_NET_ADMIN.
    #[doc(alias = "SO_PREFER_BUSY_POLL")]
    #[doc(alias = "SO_BUSY_POLL")]
    pub fn busy_poll(&mut self, time: Duration, budget: u32) -> Result<(), Error> {
        let fd = self.state.fd.as_fd();
        let set = Error::system(Operation::SetBusyPoll);
        let microseconds = u32::try_from(time.as_micros()).map_err(|_| set(Errno::INVAL))?;
        sys::prefer_busy_poll(fd, true).map_err(&set)?;
        sys::set_busy_poll(fd, microseconds).map_err(&set)?;
        sys::set_busy_poll_budget(fd, budget).map_err(&set)
    }

    /// Registers the memory, makes the rings and maps them.
    ///
    /// `setsockopt` with XDP_UMEM_REG and the size of each ring, `getsockopt(XDP_MMAP_OFFSETS)`; for each ring
    /// `mmap`, `madvise(MADV_DONTFORK)` and a duplicate of the descriptor (`fcntl`); of a transmit ring of more
    /// than 32 slots `setsockopt(XDP_MAX_TX_SKB_BUDGET)`.
    ///
    /// # Errors
    ///
    /// Gives the socket back, with [`Error::System`]: ENOBUFS where RLIMIT_MEMLOCK does not allow the memory once
    /// more, to which counts for some milliseconds what sockets that were just closed had
    /// ([`map_until`](Self::map_until)); ENOMEM.
    /// [`Error::TooManySockets`] where 84 sockets use the memory, or were dropped without
    /// [`close`](Socket::close).
    #[doc(alias = "XDP_UMEM_REG")]
    // A socket is large, and moved: each caller that it were inlined into would have kilobytes of that.
    #[inline(never)]
    pub fn map(mut self) -> Result<Socket<Mapped<R>>, Failed<Self>> {
        match self.try_map() {
            Ok(rings) => Ok(self.mapped(rings)),
            Err(error) => Err(Failed::new(error, self)),
        }
    }

    /// The same, again and again while RLIMIT_MEMLOCK does not allow the memory, once a millisecond until the
    /// deadline.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    pub fn map_until(mut self, deadline: Deadline) -> Result<Socket<Mapped<R>>, Failed<Self>> {
        match until_released(deadline, || self.try_map()) {
            Ok(rings) => Ok(self.mapped(rings)),
            Err(error) => Err(Failed::new(error, self)),
        }
    }

    fn mapped(self, rings: MappedRings<R::Rings>) -> Socket<Mapped<R>> {
        Socket {
            state: Mapped {
                rings,
                fd: self.state.fd,
            },
            chunks: self.chunks,
            made: self.made,
        }
    }

    fn try_map(&mut self) -> Result<MappedRings<R::Rings>, Error> {
        let fd = self.state.fd.as_fd();
        if !self.made.umem {
            let umem = self.chunks.owner().registration();
            let register = Operation::RegisterUmem { bytes: umem.len };
            sys::register_umem(fd, &umem).map_err(Error::system(register))?;
            self.made.umem = true;
        }
        let wanted = KINDS.into_iter().zip(self.state.rings.wanted());
        for (ring, size) in wanted.skip(self.made.rings) {
            if let Some(size) = size {
                make(fd, ring, size)?;
            }
            self.made.rings += 1;
        }
        let slot = self.chunks.take_slot().ok_or(Error::TooManySockets)?;
        let making = Making {
            fd,
            chunks: &self.chunks,
            slot,
        };
        match self.state.rings.map(making) {
            Ok(rings) => Ok(MappedRings { rings, slot }),
            Err(error) => {
                unused(&self.chunks, slot);
                Err(error)
            }
        }
    }
}

/// Gives a slot back that no ring was left of.
#[allow(unsafe_code, reason = "the slot's last ring has gone without a chunk")]
fn unused(chunks: &Chunks<Memory>, slot: Slot) {
    // SAFETY: the rings that were made of the slot were dropped, and no chunk was given away by it.
    let _ = unsafe { chunks.reclaim(slot) };
}

impl<R: XdpRings> Socket<Mapped<R>> {
    /// The rings: the fill ring can be stocked.
    pub fn rings(&mut self) -> &mut R::Rings {
        &mut self.state.rings.rings
    }

    /// Binds the socket to a queue: from now on packets arrive, and can be sent.
    ///
    /// `bind`, `getsockopt(XDP_OPTIONS)`, and without [`multi_buffer`](Queue::multi_buffer) a second `bind`, which the
    /// kernel refuses and tells by it whether it knows of packets in several frames; of another queue than 0
    /// `ioctl(SIOCETHTOOL)` with `ETHTOOL_GCHANNELS` before and after, for
    /// [`Closed::reclaim`](super::Closed::reclaim) to know.
    ///
    /// # Errors
    ///
    /// Gives the socket back, its fill ring stocked, with [`Error::QueueBusy`] where another socket has the queue;
    /// [`Error::System`]: ENODEV where there is no such interface, EINVAL where it has no such queue, EOPNOTSUPP
    /// where its driver cannot do without copies and [`Copies::Never`](super::Copies::Never) was asked for.
    // As `map`.
    #[inline(never)]
    pub fn bind(mut self, queue: Queue) -> Result<Socket<Bound<R>>, Failed<Self>> {
        match self.try_bind(queue) {
            Ok(granted) => Ok(self.bound(queue, granted)),
            Err(error) => Err(Failed::new(error, self)),
        }
    }

    /// The same, again and again while the queue is busy, once a millisecond until the deadline: the kernel lets go
    /// of a closed socket's queue some 25 ms later.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_until(
        mut self,
        queue: Queue,
        deadline: Deadline,
    ) -> Result<Socket<Bound<R>>, Failed<Self>> {
        match until_released(deadline, || self.try_bind(queue)) {
            Ok(granted) => Ok(self.bound(queue, granted)),
            Err(error) => Err(Failed::new(error, self)),
        }
    }

    fn try_bind(&mut self, queue: Queue) -> Result<Granted, Error> {
        let fd = self.state.fd.as_fd();
        if self.made.bound != Some(queue) {
            let received = receives(fd, queue);
            bind(fd, queue)?;
            self.made.bound = Some(queue);
            self.made.stays_busy = received && receives(fd, queue);
        }
        granted(fd, queue)
    }

    fn bound(self, queue: Queue, granted: Granted) -> Socket<Bound<R>> {
        let Mapped { rings, fd } = self.state;
        let MappedRings { mut rings, slot } = rings;
        if let Some(rx) = R::rx(&mut rings) {
            rx.set_multi_buffer(queue.is_multi_buffer());
        }
        if let Some(tx) = R::tx(&mut rings) {
            tx.set_transfer(Transfer {
                zero_copy: granted.zero_copy,
                tells: queue.tells_wakeup(),
                fragments: granted.fragments,
            });
        }
        Socket {
            state: Bound {
                rings: BoundRings {
                    rings,
                    slot,
                    queue,
                    granted,
                },
                fd,
                group: Alone::new(),
            },
            chunks: self.chunks,
            made: self.made,
        }
    }
}

impl<R: XdpRings, G> Socket<Bound<R, G>> {
    /// The rings, to be used together.
    #[inline(always)]
    pub fn rings(&mut self) -> &mut R::Rings {
        &mut self.state.rings.rings
    }

    /// What the socket is bound to.
    #[must_use]
    pub fn queue(&self) -> Queue {
        self.state.rings.queue
    }

    /// Whether packets are transferred without a copy.
    #[doc(alias = "XDP_OPTIONS_ZEROCOPY")]
    #[must_use]
    pub fn is_zero_copy(&self) -> bool {
        self.state.rings.granted.zero_copy
    }

    /// The memory that packets lie in.
    #[must_use]
    pub fn umem(&self) -> Umem {
        Umem::from_chunks(self.chunks.clone())
    }

    /// Parts the rings, which may go to threads of their own, from what closes them when all are back.
    #[must_use]
    pub fn split(self) -> (R::Rings, Joint<R>) {
        let BoundRings {
            rings, slot, queue, ..
        } = self.state.rings;
        let joint = Joint {
            fd: self.state.fd,
            chunks: self.chunks,
            slot,
            queue,
            stays_busy: self.made.stays_busy,
            rings: PhantomData,
        };
        (rings, joint)
    }

    /// Closes the socket, and keeps what the kernel had by it.
    ///
    /// # Errors
    ///
    /// As [`Joint::close`].
    pub fn close(self) -> Result<Closed, Error> {
        let (rings, joint) = self.split();
        joint.close(rings)
    }

    pub(super) fn parts(&self) -> (BorrowedFd<'_>, &Chunks<Memory>, &BoundRings<R::Rings>) {
        (self.state.fd.as_fd(), &self.chunks, &self.state.rings)
    }
}

impl<R: XdpRings> Socket<Bound<R>> {
    /// Lets further sockets onto the same queue: [`sibling_rx`](Socket::sibling_rx),
    /// [`sibling_tx`](Socket::sibling_tx).
    ///
    /// From now on each received frame is taken by an atomic exchange, some 5 ns.
    ///
    /// # Panics
    ///
    /// Where the receive ring was exchanged for another socket's.
    #[must_use]
    pub fn share(mut self) -> Socket<Bound<R, super::Shared>> {
        if let Some(rx) = R::rx(&mut self.state.rings.rings) {
            rx.share(&self.chunks, self.state.rings.slot);
        }
        Socket {
            state: Bound {
                rings: self.state.rings,
                fd: self.state.fd,
                group: super::Shared::new(),
            },
            chunks: self.chunks,
            made: self.made,
        }
    }
}

impl<R: XdpRings> AsFd for Socket<Configured<R>> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state.fd.as_fd()
    }
}

impl<R: XdpRings> AsFd for Socket<Mapped<R>> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state.fd.as_fd()
    }
}

impl<R: XdpRings, G> AsFd for Socket<Bound<R, G>> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.state.fd.as_fd()
    }
}

/// A descriptor of its own for the same socket.
pub(super) fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    sys::duplicate(fd).map_err(Error::system(Operation::DuplicateDescriptor))
}
