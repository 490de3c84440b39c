//! Taking blocks, waiting for them, and learning of what went wrong.

use core::ops::ControlFlow;
use core::time::Duration;

use rustix::fd::BorrowedFd;

use super::watch::{Readable, Watch};
use super::{Block, Blocks, Delivery, Frame, Frames, Interface, Packet, Statistics};
use crate::error::Error;
use crate::handoff::{self, Handle, Slots};
use crate::lifecycle::Alone;
use crate::wait::{Deadline, OnSignal, Wake};

/// Why [`Receiver::for_each`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The deadline passed.
    TimedOut,
    /// The closure broke off.
    Stopped,
    /// A signal handler ran, and [`OnSignal::Return`] was asked for.
    Interrupted,
}

/// Hands out the blocks of a borrowed socket, or its frames; any number may be out at once.
///
/// Blocks live as long as the borrow (`'r`), not as long as the receiver: they can be held, sent to
/// other threads and dropped in any order. The kernel fills blocks in turn and stops at the first that
/// it has not got back.
///
/// `Receiver<'_, Frames>` is that of a socket with [`RxV2`](super::RxV2): what is said of blocks here
/// holds for its frames. `G` is that of [`Bound`](crate::lifecycle::Bound).
#[derive(Debug)]
pub struct Receiver<'r, D: Delivery = Blocks, G = Alone> {
    pub(super) ring: handoff::Receiver<'r>,
    fd: BorrowedFd<'r>,
    pub(super) watch: &'r mut Watch,
    pub(super) delivery: D,
    pub(super) group: &'r G,
}

impl<'r, G> Receiver<'r, Blocks, G> {
    /// The next block that the kernel has filled. No system call.
    ///
    /// `None` where none is ready yet, where the block in turn is still out, and for good once the
    /// ring is corrupt: [`take_error`](Self::take_error) tells.
    #[inline]
    pub fn next_block(&mut self) -> Option<Block<&'r Slots>> {
        self.next()
    }
}

impl<'r, G> Receiver<'r, Frames, G> {
    /// The next frame that the kernel has filled: as [`next_block`](Receiver::next_block).
    #[inline]
    pub fn next_frame(&mut self) -> Option<Frame<&'r Slots>> {
        self.next()
    }
}

impl<'r, D: Delivery, G> Receiver<'r, D, G> {
    pub(super) fn new(
        ring: handoff::Receiver<'r>,
        fd: BorrowedFd<'r>,
        watch: &'r mut Watch,
        delivery: D,
        group: &'r G,
    ) -> Self {
        Self {
            ring,
            fd,
            watch,
            delivery,
            group,
        }
    }

    pub(super) fn watch(&mut self) -> &mut Watch {
        self.watch
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Option<D::Guard<&'r Slots>> {
        if self.ring.slots().is_corrupt() {
            return None;
        }
        let guard = self.delivery.check(self.ring.next_block()?)?;
        self.watch.hand_out(D::packet_count(&guard));
        Some(guard)
    }

    /// The socket, for an executor's or an epoll's own handle over it.
    ///
    /// Its life is the socket's borrow, so that the handle and [`next_block`](Receiver::next_block) can be
    /// used side by side. Register it edge-triggered, and take blocks until there is `None` before the
    /// first wait and after each wake-up: level-triggered polling spins while the newest block is held,
    /// and after the link went down until [`take_error`](Self::take_error) is called. For executors that are
    /// level-triggered there is [`EdgeTriggered`](super::EdgeTriggered).
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'r> {
        self.fd
    }

    /// Says whether the link is down or gone, or the ring corrupt.
    ///
    /// `getsockopt(SO_ERROR)`, and where that says that something happened, or it did before,
    /// `getsockname`, `ioctl(SIOCGIFNAME)` and `ioctl(SIOCGIFFLAGS)`. Call it after each
    /// wake-up, once there is no further block, also where the wake-up brought some: one edge can stand
    /// for both. [`Error::LinkDown`] is no end: go on, and while it lasts ask again about once a second,
    /// for nothing wakes you when the interface goes for good.
    ///
    /// # Errors
    ///
    /// [`Error::LinkDown`] until the link is up again, [`Error::LinkGone`] until the socket is bound to
    /// another interface, [`Error::Corrupt`] for good.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&mut self) -> Result<(), Error> {
        self.watch.take_error(self.ring.slots(), self.fd)
    }

    /// Sleeps until a block is ready or the deadline has passed. No system call where a block is ready.
    ///
    /// `ppoll`, woken by the kernel at each finished block (before Linux 3.19 at each packet), and what
    /// [`take_error`](Self::take_error) calls where the link was heard of or is down; also `recv` with
    /// `MSG_ERRQUEUE`, where a copy of a frame that was sent and stamped woke it. It sleeps in shorter naps in two cases.
    /// While the newest block that the kernel has filled is held, the kernel would report it again
    /// and again: the nap is then the retire timeout, and at most 200 ms; 1 ms
    /// with frames. While the link is down, the kernel does not
    /// say when the interface goes away for good: then it is a second.
    ///
    /// # Errors
    ///
    /// [`Error::LinkDown`] and [`Error::LinkGone`] at once when it happens, and after that when the
    /// deadline has passed, so that a loop over `wait` does not spin. [`Error::Corrupt`] at once.
    pub fn wait(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
        self.watch.wait(&self.ring, self.fd, deadline, on_signal)
    }

    /// Looks for a block again and again for at most `spin`, and then sleeps as [`wait`](Self::wait).
    ///
    /// Waking a thread that sleeps takes tens of microseconds, looking takes none; but who looks has
    /// the processor for itself. Worth its while where the answer comes sooner than a wake-up would,
    /// on a processor that has nothing else to do. No system call but the clock's
    /// (`clock_gettime(CLOCK_MONOTONIC)`, which the vDSO answers) until `spin` has passed; what
    /// [`wait`](Self::wait) says of the link is not noticed before.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn spin_then_wait(
        &mut self,
        spin: Duration,
        deadline: Deadline,
        on_signal: OnSignal,
    ) -> Result<Wake, Error> {
        self.watch
            .spin_then_wait(&self.ring, self.fd, spin, deadline, on_signal)
    }

    /// Runs `f` over packets as they come, until the deadline or until it breaks.
    ///
    /// Costs what walking the blocks costs; it waits as [`wait`](Self::wait) does, and looks at the
    /// clock once a block. What is left of a block when `f` breaks is given back unread: those who must
    /// not lose it take blocks.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
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

    /// Counts since the socket was bound. `getsockopt(PACKET_STATISTICS)`.
    ///
    /// Reading clears the kernel's own counts, and with them [`BlockStatus::LOSING`](super::BlockStatus::LOSING)
    /// in blocks to come.
    ///
    /// # Errors
    ///
    /// [`Error::System`] with [`Operation::ReadStatistics`](crate::Operation::ReadStatistics).
    #[doc(alias = "PACKET_STATISTICS")]
    pub fn statistics(&mut self) -> Result<Statistics, Error> {
        self.watch
            .statistics(self.ring.slots(), self.ring.taken_back(), self.fd)
    }
}

impl<D: Delivery> Receiver<'_, D> {
    /// Binds to another interface, or to one that was removed and made again, with the same ring.
    ///
    /// What the ring holds of the old interface stays readable, and blocks that are out stay out.
    /// A [`MembershipGuard`](super::MembershipGuard) keeps to the old interface. `bind`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: ENODEV where there is no such interface; the socket stays bound as it was.
    pub fn rebind(&mut self, interface: Interface) -> Result<(), Error> {
        self.watch.rebind(self.fd, interface)
    }
}

/// Runs `f` over the packets of the guards that `next` brings, until the deadline or until it breaks.
#[inline]
pub(super) fn for_each<T, D: Delivery, H: Handle>(
    receiver: &mut T,
    next: impl Fn(&mut T) -> Option<D::Guard<H>>,
    wait: impl Fn(&mut T) -> Result<Wake, Error>,
    deadline: Deadline,
    mut f: impl FnMut(Packet<'_, D>) -> ControlFlow<()>,
) -> Result<Ended, Error> {
    loop {
        while let Some(guard) = next(receiver) {
            if D::each(&guard, &mut f).is_break() {
                return Ok(Ended::Stopped);
            }
            drop(guard);
            if deadline.has_passed() {
                return Ok(Ended::TimedOut);
            }
        }
        match wait(receiver)? {
            Wake::Ready => {}
            Wake::TimedOut => return Ok(Ended::TimedOut),
            Wake::Interrupted => return Ok(Ended::Interrupted),
        }
    }
}

impl Readable for handoff::Receiver<'_> {
    fn is_ready(&self) -> bool {
        self.is_ready()
    }

    fn slots(&self) -> &Slots {
        self.slots()
    }
}
