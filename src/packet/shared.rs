//! Blocks that own a share of the ring, for tasks that are `'static`.

use core::ops::ControlFlow;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::receiver::for_each;
use super::watch::{Readable, Watch};
use super::{Block, Ended, Interface, Packet, Statistics};
use crate::error::Error;
use crate::handoff::{self, Slots};
use crate::lifecycle::Alone;
use crate::sys::{MappedRing, Owner};
use crate::wait::{Deadline, OnSignal, Wake};

/// Hands out blocks that own a share of the ring.
///
/// Made by [`Socket::into_shared`](super::Socket::into_shared); each method does what that of
/// [`Receiver`](super::Receiver) does.
///
/// A block that is forgotten stays out for good, and the ring stops at it:
/// [`Statistics::held`] counts it.
#[derive(Debug)]
pub struct SharedReceiver<G = Alone> {
    ring: handoff::SharedReceiver<Owner>,
    watch: Watch,
    pub(super) group: G,
}

impl<G> SharedReceiver<G> {
    pub(super) fn new(ring: MappedRing, watch: Watch, fd: OwnedFd, group: G) -> Self {
        Self {
            ring: ring.into_shared(fd),
            watch,
            group,
        }
    }

    pub(super) fn fd_and_watch(&mut self) -> (BorrowedFd<'_>, &mut Watch) {
        (self.ring.shared().owner().as_fd(), &mut self.watch)
    }

    /// The next block that the kernel has filled: [`Receiver::next_block`](super::Receiver::next_block).
    #[inline]
    pub fn next_block(&mut self) -> Option<Block<handoff::Shared<Owner>>> {
        if self.ring.shared().is_corrupt() {
            return None;
        }
        let block = Block::check(self.ring.next_block()?, self.watch.shape())?;
        self.watch.hand_out(block.packet_count());
        Some(block)
    }

    /// Says whether the link is down or gone, or the ring corrupt:
    /// [`Receiver::take_error`](super::Receiver::take_error).
    ///
    /// # Errors
    ///
    /// As [`Receiver::take_error`](super::Receiver::take_error).
    pub fn take_error(&mut self) -> Result<(), Error> {
        let shared = self.ring.shared();
        self.watch.take_error(shared, shared.owner().as_fd())
    }

    /// Sleeps until a block is ready or the deadline has passed:
    /// [`Receiver::wait`](super::Receiver::wait).
    ///
    /// # Errors
    ///
    /// As [`Receiver::wait`](super::Receiver::wait).
    pub fn wait(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
        let fd = self.ring.shared().owner().as_fd();
        self.watch.wait(&self.ring, fd, deadline, on_signal)
    }

    /// Runs `f` over packets as they come: [`Receiver::for_each`](super::Receiver::for_each).
    ///
    /// # Errors
    ///
    /// As [`Receiver::wait`](super::Receiver::wait).
    pub fn for_each(
        &mut self,
        deadline: Deadline,
        on_signal: OnSignal,
        f: impl FnMut(Packet<'_>) -> ControlFlow<()>,
    ) -> Result<Ended, Error> {
        let wait = |receiver: &mut Self| receiver.wait(deadline, on_signal);
        for_each(self, Self::next_block, wait, deadline, f)
    }

    /// The interface that the socket was last bound to.
    #[must_use]
    pub fn interface(&self) -> Interface {
        self.watch.interface()
    }

    /// Counts since the socket was bound: [`Receiver::statistics`](super::Receiver::statistics).
    ///
    /// # Errors
    ///
    /// As [`Receiver::statistics`](super::Receiver::statistics).
    pub fn statistics(&mut self) -> Result<Statistics, Error> {
        let shared = self.ring.shared();
        self.watch
            .statistics(shared, self.ring.taken_back(), shared.owner().as_fd())
    }
}

impl SharedReceiver {
    /// Binds to another interface with the same ring:
    /// [`Receiver::rebind`](super::Receiver::rebind).
    ///
    /// # Errors
    ///
    /// As [`Receiver::rebind`](super::Receiver::rebind).
    pub fn rebind(&mut self, interface: Interface) -> Result<(), Error> {
        let fd = self.ring.shared().owner().as_fd();
        self.watch.rebind(fd, interface)
    }
}

impl<G> AsFd for SharedReceiver<G> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.shared().owner().as_fd()
    }
}

impl Readable for handoff::SharedReceiver<Owner> {
    fn is_ready(&self) -> bool {
        self.is_ready()
    }

    fn slots(&self) -> &Slots {
        self.shared()
    }
}
