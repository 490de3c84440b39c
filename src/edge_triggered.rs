//! Readiness that is told once, for executors that ask again and again.

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use crate::error::{Error, Operation};

/// A descriptor that is readable once for each event of a socket: for executors that are level-triggered, or ask anew
/// at each wait (async-io, compio, `poll`, an io_uring poll that completes once), where blocks are held over a wait.
///
/// They would find the socket readable, at once and again and again, as long as the newest block that the kernel has
/// filled is held. This is readable when something has happened since [`take`](Self::take) was last called: a
/// block, or an error of the link. Have the executor wait for it in place of the socket:
///
/// ```no_run
/// # use packet_ring::packet::{EdgeTriggered, Receiver};
/// # fn wait_until_readable(_: &EdgeTriggered) {}
/// # fn example(ring: &mut Receiver<'_>) -> Result<(), packet_ring::Error> {
/// let events = EdgeTriggered::new(ring.fd())?;
/// let mut held = Vec::new();
/// loop {
///     held.extend(core::iter::from_fn(|| ring.next_block()));
///     ring.take_error()?;
///     // Whatever frees held blocks again is left out here.
///     wait_until_readable(&events); // as the executor does
///     events.take()?;
/// }
/// # }
/// ```
///
/// No event is lost in this order: one that comes before `take` brought its block before the blocks are taken, and one
/// that comes after it makes the descriptor readable.
///
/// It is an epoll instance that holds the socket, edge-triggered, and is owned apart from it: for executors that want
/// to own what they wait for, while the ring is taken from. Once the socket is closed it is never readable again.
#[doc(alias = "EPOLLET")]
#[derive(Debug)]
pub struct EdgeTriggered {
    epoll: OwnedFd,
}

impl EdgeTriggered {
    /// Watches a socket for packets and errors; what is there already is an event.
    ///
    /// `epoll_create1` and `epoll_ctl(EPOLL_CTL_ADD)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EMFILE, ENFILE or ENOMEM; of [`Operation::ListenToSocket`] ENOSPC too, where the kernel has no
    /// room left to watch it, and EPERM for what cannot be polled.
    pub fn new(socket: impl AsFd) -> Result<Self, Error> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)
            .map_err(Error::system(Operation::MakeEdgeTriggered))?;
        epoll::add(
            &epoll,
            socket,
            EventData::new_u64(0),
            EventFlags::IN | EventFlags::ET,
        )
        .map_err(Error::system(Operation::ListenToSocket))?;
        Ok(Self { epoll })
    }

    /// Has it be readable no more, until something happens again; says whether something had.
    ///
    /// `epoll_wait`, which does not sleep.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where that fails.
    pub fn take(&self) -> Result<bool, Error> {
        let mut events = [const { core::mem::MaybeUninit::uninit() }; 1];
        let now = Timespec::default();
        loop {
            match epoll::wait(&self.epoll, &mut events, Some(&now)) {
                Ok((taken, _)) => return Ok(!taken.is_empty()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::system(Operation::TakeEvents)(errno)),
            }
        }
    }
}

impl AsFd for EdgeTriggered {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
