//! A closed socket, and the frames that the kernel had by it.

use rustix::fd::AsFd;

use super::binding::{bind, until_released};
use super::geometry::UmemGeometry;
use super::ring_set::make;
use super::umem::Memory;
use super::{Queue, Umem};
use crate::chunks::{Chunks, Slot};
use crate::error::{Error, Operation};
use crate::lifecycle::Failed;
use crate::ring::RingSize;
use crate::sys::{self, XdpRing};
use crate::wait::Deadline;

/// A socket that was closed. The frames that the kernel had by it can be [reclaimed](Self::reclaim).
#[derive(Debug)]
pub struct Closed {
    pub(super) chunks: Chunks<Memory>,
    pub(super) slot: Slot,
    pub(super) queue: Queue,
    /// Whether the queue is busy for as long as the socket is bound, whatever becomes of the interface's queues.
    pub(super) stays_busy: bool,
    /// The network namespace of the socket.
    pub(super) namespace: u64,
}

impl Closed {
    /// Takes back what the kernel had, once it has let go, and no ring of the socket, nor of its siblings, is left in
    /// the program. Returns how many frames there were:
    /// [`Pool::take_back`](super::Pool::take_back) finds them.
    ///
    /// That the kernel has let go is proved by binding another socket to the queue, for a moment: until then it
    /// may write into the frames, as where somebody holds a duplicate of the descriptor. So it needs CAP_NET_RAW,
    /// and the socket's network namespace. Where the interface is gone, it has.
    ///
    /// It proves nothing where the interface had no receive queue of the queue's number when the socket was bound, or
    /// did not tell ([`Interface::queues`](super::Interface::queues)): one that is added is free, whoever is bound to
    /// the number. Then the queue counts as busy until the interface is gone.
    ///
    /// A ring that was forgotten (`mem::forget`) is left for ever.
    ///
    /// Frames that were sent with a [request](super::Frame::request) and have not come out of the completion ring
    /// stay with the kernel for ever, and with them the socket's place among the 84 of the UMEM: a packet can wait in
    /// another interface's queue after its own has gone (that of a macvlan in the one below), and when it leaves,
    /// the kernel writes the time into its frame. Who wants them back takes them out before closing.
    ///
    /// # Errors
    ///
    /// Gives itself back, with [`Error::QueueBusy`] or [`Error::RingsLeft`] at the deadline,
    /// [`Error::OtherNamespace`], [`Error::System`].
    pub fn reclaim(self, deadline: Deadline) -> Result<u32, Failed<Self>> {
        match until_released(deadline, || self.is_released()) {
            Ok(()) => Ok(self.reclaim_released()),
            Err(error) => Err(Failed::new(error, self)),
        }
    }

    /// What it was bound to.
    #[must_use]
    pub fn queue(&self) -> Queue {
        self.queue
    }

    /// Binds a socket with a memory of its own to the queue, and closes it.
    fn is_released(&self) -> Result<(), Error> {
        // It stays so: rings are made for sockets, and there is none any more that has the slot.
        if !self.chunks.owner().rings().has_none(self.slot) {
            return Err(Error::RingsLeft);
        }
        const PROBE: UmemGeometry = UmemGeometry::new_assert(2048, 2);
        const ONE: RingSize = RingSize::new_assert(1);
        let (umem, _pool) = Umem::with_pages(PROBE, super::HugePages::None, super::Locking::None)?;
        let fd = sys::open_xdp().map_err(Error::system(Operation::OpenXdpSocket))?;
        let fd = fd.as_fd();
        let namespace =
            sys::namespace_cookie(fd).map_err(Error::system(Operation::ReadNamespaceCookie))?;
        if namespace != self.namespace {
            return Err(Error::OtherNamespace);
        }
        let memory = umem.chunks().owner().registration();
        let register = Operation::RegisterUmem { bytes: memory.len };
        sys::register_umem(fd, &memory).map_err(Error::system(register))?;
        // Without rings it takes no queue (EINVAL), but is told all the same where the interface is gone.
        let rings: &[XdpRing] = match self.stays_busy {
            true => &[XdpRing::Fill, XdpRing::Completion, XdpRing::Tx],
            false => &[],
        };
        for ring in rings {
            make(fd, *ring, ONE)?;
        }
        let queue = Queue::new(self.queue.interface(), self.queue.index());
        match bind(fd, queue.copies(super::Copies::Always)) {
            Err(Error::System {
                errno: rustix::io::Errno::NODEV,
                ..
            }) => Ok(()),
            _ if !self.stays_busy => Err(Error::QueueBusy {
                interface: queue.interface().index(),
                queue: queue.index(),
            }),
            bound => bound,
        }
    }

    #[allow(unsafe_code, reason = "it was proved that the kernel has let go")]
    fn reclaim_released(self) -> u32 {
        // SAFETY: no ring of the slot is left: it was asked. A queue that receives has one memory at a time, and ours
        // received when our socket was bound to it: where another could be bound to it with its own memory, the
        // kernel has unbound ours, which cannot be bound again. Where the interface has gone from the namespace, the
        // kernel has unbound it too. So it receives nothing more. Of what it copied to be sent, packets may be left
        // that outlive the binding; of their chunks they write metadata.
        unsafe { self.chunks.reclaim_without_metadata(self.slot) }
    }
}
