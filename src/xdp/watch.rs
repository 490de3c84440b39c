//! Sleeping until a packet has arrived, and the link meanwhile.
//!
//! The kernel tells a sleeping socket nothing when its interface goes down or away: `poll` stays silent for
//! ever. So a wait wakes every second and asks.

use core::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::error::{Error, Operation};
use crate::ring::{Consumer, Descriptor};
use crate::sys;
use crate::wait::{Deadline, OnSignal, Wake};

/// How often a wait looks at the link.
const LINK_LOOK: Duration = Duration::from_secs(1);

/// How often a spinning wait looks at the ring between two looks at the clock.
const LOOKS_A_CLOCK: u32 = 64;

/// Whether the interface is there and up: the kernel says so to whoever asks it for packets.
pub(super) fn check_link(fd: BorrowedFd<'_>) -> Result<(), Error> {
    match sys::wake_xdp(fd) {
        Ok(()) => Ok(()),
        Err(Errno::NETDOWN) => Err(Error::LinkDown),
        Err(Errno::NXIO) => Err(Error::LinkGone),
        Err(errno) => Err(Error::System {
            operation: Operation::WakeFill,
            errno,
        }),
    }
}

/// What a receive ring knows of its link.
#[derive(Debug)]
pub(super) struct Watch {
    /// What the caller was last told.
    told: Result<(), Error>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { told: Ok(()) }
    }

    /// Asks for the link, and tells what was not told yet.
    fn news(&mut self, fd: BorrowedFd<'_>) -> Result<(), Error> {
        let link = check_link(fd);
        if link == self.told {
            return Ok(());
        }
        self.told = link;
        link
    }

    /// Sleeps until the ring has a packet: `RxRing::wait` tells how.
    pub(super) fn wait(
        &mut self,
        ring: &Consumer<Descriptor>,
        fd: BorrowedFd<'_>,
        deadline: Deadline,
        on_signal: OnSignal,
    ) -> Result<Wake, Error> {
        // Known from the first sleep on that is cut short: signals do not put it off. Until then no clock is read.
        let mut look = Deadline::NEVER;
        loop {
            if ring.is_corrupt() {
                return Err(Error::Corrupt);
            }
            if ring.is_ready() {
                return Ok(Wake::Ready);
            }
            let timeout = deadline.min(look).remaining_within(LINK_LOOK);
            let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
            let slept_on = match poll(&mut fds, timeout.as_ref()) {
                Ok(events) => events == 0,
                Err(Errno::INTR) => match on_signal {
                    OnSignal::Continue => false,
                    OnSignal::Return => return Ok(Wake::Interrupted),
                },
                Err(errno) => {
                    return Err(Error::System {
                        operation: Operation::Wait,
                        errno,
                    });
                }
            };
            if ring.is_ready() {
                return Ok(Wake::Ready);
            }
            if deadline.has_passed() {
                self.told = check_link(fd);
                self.told?;
                return Ok(Wake::TimedOut);
            }
            if slept_on || look.has_passed() {
                look = Deadline::NEVER;
                self.news(fd)?;
            } else if look == Deadline::NEVER {
                look = Deadline::after(LINK_LOOK);
            }
        }
    }

    /// Looks at the ring for a time, then waits.
    pub(super) fn spin_then_wait(
        &mut self,
        ring: &Consumer<Descriptor>,
        fd: BorrowedFd<'_>,
        spin: Duration,
        deadline: Deadline,
        on_signal: OnSignal,
    ) -> Result<Wake, Error> {
        let looks = || {
            (0..LOOKS_A_CLOCK).any(|_| {
                core::hint::spin_loop();
                ring.is_ready()
            })
        };
        // The clock is read only where the answer is not there at once.
        if !ring.is_corrupt() && !ring.is_ready() && !spin.is_zero() && !looks() {
            let end = Deadline::after(spin).min(deadline);
            while !end.has_passed() && !looks() {}
        }
        self.wait(ring, fd, deadline, on_signal)
    }
}
