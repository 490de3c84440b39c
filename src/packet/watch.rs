//! What a receiver knows beside its ring: the link, the counts, and how to sleep.

use core::num::NonZeroU32;
use core::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use super::Interface;
use super::link::Link;
use super::rings::bind;
use super::statistics::{Statistics, Sums};
use crate::error::{Error, Operation};
use crate::handoff::Slots;
use crate::sys::timestamp;
use crate::wait::{Deadline, OnSignal, Wake};

/// How often a link that is down is looked at: the kernel does not say when it goes away for good.
const LINK_LOOK: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// The longest that a wait sleeps without listening for blocks: meanwhile the ring may fill up.
const LONGEST_NAP_MS: u32 = 200;

/// How often a spinning wait looks at the ring between two looks at the clock, and before the first:
/// reading it takes as long as some of these, and a pause at each makes the whole a microsecond or a few.
const LOOKS_A_CLOCK: u32 = 64;

/// The state of a bound receive ring that lies in the program alone.
#[derive(Debug)]
pub(super) struct Watch {
    link: Link,
    sums: Sums,
    /// How many packets were handed out, modulo 2^32.
    handed_out: u32,
    /// What no filter keeps more of, in bytes.
    snap_length: Option<NonZeroU32>,
    /// What the socket is bound to beside the interface, in host byte order.
    protocol: u16,
    /// How long a wait sleeps where the kernel cannot wake it.
    nap: Timespec,
}

/// What one turn of a wait does.
#[derive(Clone, Copy)]
enum Turn {
    /// Listens for blocks and for the link.
    Listen,
    /// Listens for nothing: what stays up brought no block, and would wake us again and again.
    Nap,
}

impl Watch {
    /// `nap_ms` is how long the program can do without hearing of a packet, in milliseconds.
    pub(super) fn new(
        nap_ms: u32,
        snap_length: Option<NonZeroU32>,
        interface: Interface,
        protocol: u16,
    ) -> Self {
        let nap_ms = nap_ms.min(LONGEST_NAP_MS);
        Self {
            link: Link::new(interface),
            sums: Sums::default(),
            handed_out: 0,
            snap_length,
            protocol,
            nap: Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(nap_ms) * 1_000_000,
            },
        }
    }

    pub(super) fn interface(&self) -> Interface {
        self.link.interface()
    }

    /// Binds to another interface, whose link nothing is known of yet.
    pub(super) fn rebind(&mut self, fd: BorrowedFd<'_>, interface: Interface) -> Result<(), Error> {
        bind(fd, interface, self.protocol)?;
        self.link = Link::new(interface);
        Ok(())
    }

    pub(super) fn snap_length(&self) -> Option<NonZeroU32> {
        self.snap_length
    }

    /// Takes note of the packets of a block or a frame that is handed out.
    #[inline]
    pub(super) fn hand_out(&mut self, packets: u32) {
        self.handed_out = self.handed_out.wrapping_add(packets);
    }

    pub(super) fn handed_out(&self) -> u32 {
        self.handed_out
    }

    /// How many packets the kernel has put into the ring up to now, modulo 2^32.
    pub(super) fn received(&mut self, fd: BorrowedFd<'_>) -> Result<u32, Error> {
        self.sums.read(fd, 0, 0)?;
        Ok(self.sums.in_ring())
    }

    pub(super) fn take_error(&mut self, slots: &Slots, fd: BorrowedFd<'_>) -> Result<(), Error> {
        if slots.is_corrupt() {
            return Err(Error::Corrupt);
        }
        self.link.look(fd)?;
        self.link.state()
    }

    pub(super) fn statistics(
        &mut self,
        slots: &Slots,
        taken_back: u64,
        fd: BorrowedFd<'_>,
    ) -> Result<Statistics, Error> {
        self.sums.read(fd, slots.held(), taken_back)
    }

    /// Sleeps until a block of `ring` is ready: `Receiver::wait` tells how.
    pub(super) fn wait(
        &mut self,
        ring: &impl Readable,
        fd: BorrowedFd<'_>,
        deadline: Deadline,
        on_signal: OnSignal,
    ) -> Result<Wake, Error> {
        let mut turn = Turn::Listen;
        loop {
            // First: of a corrupt ring nothing is handed out, so a block that is ready there would
            // bring the caller back here at once, for ever.
            if ring.slots().is_corrupt() {
                return Err(Error::Corrupt);
            }
            if ring.is_ready() {
                return Ok(Wake::Ready);
            }
            self.link.news()?;
            let heard = match self.sleep(turn, fd, deadline) {
                Ok(heard) => heard,
                Err(Errno::INTR) => match on_signal {
                    OnSignal::Continue => continue,
                    OnSignal::Return => return Ok(Wake::Interrupted),
                },
                Err(errno) => {
                    return Err(Error::System {
                        operation: Operation::Wait,
                        errno,
                    });
                }
            };
            let expired = deadline.has_passed();
            if heard.contains(PollFlags::ERR) || self.link.is_latched() {
                self.link.look(fd)?;
            }
            // What else keeps POLLERR up are stamps of sent frames; they were read off the ring.
            let emptied = heard.contains(PollFlags::ERR)
                && !self.link.is_latched()
                && timestamp::empty_error_queue(fd);
            if expired && !ring.is_ready() {
                self.link.state()?;
                return Ok(Wake::TimedOut);
            }
            // A block that we hold keeps POLLIN up; POLLERR can stay up for what SO_ERROR does not tell.
            turn = if heard.is_empty() || emptied {
                Turn::Listen
            } else {
                Turn::Nap
            };
        }
    }

    /// Looks at the ring for at most this time, then waits: `Receiver::spin_then_wait` tells how.
    pub(super) fn spin_then_wait(
        &mut self,
        ring: &impl Readable,
        fd: BorrowedFd<'_>,
        spin: Duration,
        deadline: Deadline,
        on_signal: OnSignal,
    ) -> Result<Wake, Error> {
        let looks = |ring: &_| {
            (0..LOOKS_A_CLOCK).any(|_| {
                core::hint::spin_loop();
                Readable::is_ready(ring)
            })
        };
        // The clock is read only where the answer is not there at once.
        if !ring.slots().is_corrupt() && !ring.is_ready() && !spin.is_zero() && !looks(ring) {
            let end = Deadline::after(spin).min(deadline);
            while !end.has_passed() && !looks(ring) {}
        }
        self.wait(ring, fd, deadline, on_signal)
    }

    /// One `ppoll`, until the deadline at the latest.
    fn sleep(
        &self,
        turn: Turn,
        fd: BorrowedFd<'_>,
        deadline: Deadline,
    ) -> Result<PollFlags, Errno> {
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        let (heeded, limit) = match turn {
            Turn::Listen => (&mut fds[..], self.link.is_latched().then_some(LINK_LOOK)),
            Turn::Nap => (&mut fds[..0], Some(self.nap)),
        };
        let timeout = match (deadline.remaining(), limit) {
            (Some(left), Some(limit)) => Some(left.min(limit)),
            (left, limit) => left.or(limit),
        };
        poll(heeded, timeout.as_ref())?;
        Ok(fds[0].revents())
    }
}

/// A ring that can be asked, without a system call, whether its next block is ready.
pub(super) trait Readable {
    fn is_ready(&self) -> bool;
    fn slots(&self) -> &Slots;
}
