//! Blocks that own a share of the ring, for tasks that are `'static`.

use core::ops::ControlFlow;
use core::time::Duration;

use rustix::fd::{AsFd, BorrowedFd};

use super::receiver::for_each;
use super::rings::PacketRings;
use super::rx::BoundRx;
use super::watch::{Readable, Watch};
use super::{Block, Blocks, Delivery, Ended, Frame, Frames, Interface, Packet, Socket, Statistics};
use crate::error::Error;
use crate::handoff::{self, Slots};
use crate::lifecycle::{Alone, Bound};
use crate::sys::Owner;
use crate::wait::{Deadline, OnSignal, Wake};

/// Hands out blocks, or frames, that own a share of the ring.
///
/// Made by [`Socket::into_shared`](super::Socket::into_shared); each method does what that of
/// [`Receiver`](super::Receiver) does.
///
/// A block that is forgotten stays out for good, and the ring stops at it:
/// [`Statistics::held`] counts it.
#[derive(Debug)]
pub struct SharedReceiver<D: Delivery = Blocks, G = Alone> {
    ring: handoff::SharedReceiver<Owner>,
    watch: Watch,
    delivery: D,
    pub(super) group: G,
}

impl<D: Delivery, R: PacketRings<Bound = BoundRx<D>>, G> Socket<Bound<R, G>> {
    /// Shares the ring with blocks, or frames, that are `'static` and own it together. For sockets
    /// that receive alone.
    ///
    /// The socket lives until the receiver and the last block are dropped.
    #[must_use]
    pub fn into_shared(self) -> SharedReceiver<D, G> {
        let Bound { rings, fd, group } = self.into_state();
        SharedReceiver {
            ring: rings.ring.into_shared(fd),
            watch: rings.watch,
            delivery: rings.delivery,
            group,
        }
    }
}

impl<G> SharedReceiver<Blocks, G> {
    /// The next block that the kernel has filled: [`Receiver::next_block`](super::Receiver::next_block).
    #[inline]
    pub fn next_block(&mut self) -> Option<Block<handoff::Shared<Owner>>> {
        self.next()
    }
}

impl<G> SharedReceiver<Frames, G> {
    /// The next frame that the kernel has filled: [`Receiver::next_frame`](super::Receiver::next_frame).
    #[inline]
    pub fn next_frame(&mut self) -> Option<Frame<handoff::Shared<Owner>>> {
        self.next()
    }
}

impl<D: Delivery, G> SharedReceiver<D, G> {
    pub(super) fn fd_and_watch(&mut self) -> (BorrowedFd<'_>, &mut Watch) {
        (self.ring.shared().owner().as_fd(), &mut self.watch)
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<D::Guard<handoff::Shared<Owner>>> {
        if self.ring.shared().is_corrupt() {
            return None;
        }
        let guard = self.delivery.check(self.ring.next_block()?)?;
        self.watch.hand_out(D::packet_count(&guard));
        Some(guard)
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

    /// Spins for a time, then sleeps as [`wait`](Self::wait):
    /// [`Receiver::spin_then_wait`](super::Receiver::spin_then_wait).
    ///
    /// # Errors
    ///
    /// As [`Receiver::wait`](super::Receiver::wait).
    pub fn spin_then_wait(
        &mut self,
        spin: Duration,
        deadline: Deadline,
        on_signal: OnSignal,
    ) -> Result<Wake, Error> {
        let fd = self.ring.shared().owner().as_fd();
        self.watch
            .spin_then_wait(&self.ring, fd, spin, deadline, on_signal)
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
        f: impl FnMut(Packet<'_, D>) -> ControlFlow<()>,
    ) -> Result<Ended, Error> {
        let wait = |receiver: &mut Self| receiver.wait(deadline, on_signal);
        for_each::<_, D, _>(self, Self::next, wait, deadline, f)
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

impl<D: Delivery> SharedReceiver<D> {
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

impl<D: Delivery, G> AsFd for SharedReceiver<D, G> {
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
