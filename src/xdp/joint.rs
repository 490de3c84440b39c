//! What is left of a socket whose rings went elsewhere, and its end.

use core::marker::PhantomData;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::ring_set::XdpRings;
use super::umem::Memory;
use super::{Closed, Queue};
use crate::chunks::{Chunks, Slot};
use crate::error::{Error, Operation};
use crate::sys;

/// What is left of a bound socket whose rings went elsewhere. It keeps the socket open.
#[derive(Debug)]
pub struct Joint<R: XdpRings> {
    pub(super) fd: OwnedFd,
    pub(super) chunks: Chunks<Memory>,
    pub(super) slot: Slot,
    pub(super) queue: Queue,
    pub(super) stays_busy: bool,
    pub(super) rings: PhantomData<fn() -> R>,
}

impl<R: XdpRings> Joint<R> {
    /// Closes the socket, now that its rings are back: unmaps them and closes every descriptor.
    ///
    /// The kernel lets go of the queue later. Reads `getsockopt(SO_NETNS_COOKIE)` first (Linux 5.14).
    ///
    /// # Errors
    ///
    /// [`Error::System`] where that fails; the socket is closed all the same.
    pub fn close(self, rings: R::Rings) -> Result<Closed, Error> {
        let namespace = sys::namespace_cookie(self.fd.as_fd())
            .map_err(Error::system(Operation::ReadNamespaceCookie));
        drop(rings);
        drop(self.fd);
        Ok(Closed {
            chunks: self.chunks,
            slot: self.slot,
            queue: self.queue,
            stays_busy: self.stays_busy,
            namespace: namespace?,
        })
    }
}

impl<R: XdpRings> AsFd for Joint<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
