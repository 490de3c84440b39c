//! A closed socket, and the frames that the kernel had by it.

use rustix::fd::AsFd;

use super::geometry::UmemGeometry;
use super::ring_set::make;
use super::socket::{bind, until_free};
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
    chunks: Chunks<Memory>,
    slot: Slot,
    queue: Queue,
    /// The network namespace of the socket.
    namespace: u64,
}

impl Closed {
    pub(super) fn new(chunks: Chunks<Memory>, slot: Slot, queue: Queue, namespace: u64) -> Self {
        Self {
            chunks,
            slot,
            queue,
            namespace,
        }
    }

    /// Takes back what the kernel had, once it has let go, and no ring of the socket, nor of its siblings, is left in
    /// the program. Returns how many frames there were:
    /// [`Pool::take_back`](super::Pool::take_back) finds them.
    ///
    /// That the kernel has let go is proved by binding another socket to the queue, for a moment: until then it
    /// may write into the frames, as where somebody holds a duplicate of the descriptor. So it needs CAP_NET_RAW,
    /// and the socket's network namespace. Where the interface is gone, it has.
    ///
    /// A ring that was forgotten (`mem::forget`) is left for ever.
    ///
    /// # Errors
    ///
    /// Gives itself back, with [`Error::QueueBusy`] or [`Error::RingsLeft`] at the deadline,
    /// [`Error::OtherNamespace`], [`Error::System`].
    pub fn reclaim(self, deadline: Deadline) -> Result<u32, Failed<Self>> {
        match until_free(deadline, || self.is_released()) {
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
        for ring in [XdpRing::Fill, XdpRing::Completion, XdpRing::Tx] {
            make(fd, ring, ONE)?;
        }
        let queue = Queue::new(self.queue.interface(), self.queue.index());
        match bind(fd, queue.copies(super::Copies::Always)) {
            Err(Error::System {
                errno: rustix::io::Errno::NODEV,
                ..
            }) => Ok(()),
            bound => bound,
        }
    }

    #[allow(unsafe_code, reason = "it was proved that the kernel has let go")]
    fn reclaim_released(self) -> u32 {
        // SAFETY: no ring of the slot is left: it was asked. A queue has one memory at a time: where another socket
        // could be bound to it with its own, the kernel has unbound ours, which cannot be bound again. Where the
        // interface has gone from the namespace, the kernel has unbound it too. So it transfers nothing more.
        unsafe { self.chunks.reclaim(self.slot) }
    }
}
