//! Filling frames, having them sent, and learning what became of them.

use core::time::Duration;

use rustix::event::{Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use super::tx_frame::Format;
use super::{Timestamp, TimestampSource, TxFrame};
use crate::abi::packet::PacketStatus;
use crate::error::{Error, Operation, Unsent};
use crate::handoff::TxRing;
use crate::sys;
use crate::wait::{Deadline, OnSignal, Wake};

/// The state of a bound transmit ring that lies in the program alone.
#[derive(Debug)]
pub(super) struct State {
    format: Format,
    /// Why the kernel refused the frame that it stops at.
    refusal: Errno,
}

impl State {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            refusal: Errno::INVAL,
        }
    }
}

/// A frame that came back from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The frame's number, from 0, in the order in which frames were handed over.
    pub frame: u64,
    /// When it was sent, where the kernel or the interface has stamped it: see
    /// [`timestamp`](super::Socket::timestamp).
    pub timestamp: Option<Timestamp>,
}

/// Fills and sends the frames of a borrowed socket.
///
/// Frames are handed over one by one and sent in the order of the ring by the next
/// [`kick`](Self::kick). Whoever fills frames also kicks: `&mut` sees to it, for the kernel reads what
/// a frame holds without a barrier of its own. What becomes of frames where others send on the
/// descriptor meanwhile, [`TxRing`] says; memory stays safe.
#[derive(Debug)]
pub struct Transmitter<'t> {
    ring: &'t mut TxRing,
    state: &'t mut State,
    fd: BorrowedFd<'t>,
}

impl<'t> Transmitter<'t> {
    pub(super) fn new(ring: &'t mut TxRing, state: &'t mut State, fd: BorrowedFd<'t>) -> Self {
        Self { ring, state, fd }
    }

    /// The next frame to be filled; `None` while the kernel has them all. No system call.
    ///
    /// A frame that was dropped unsent is handed out again. Completions that nobody asked for are
    /// passed over where their frames are needed.
    #[inline]
    pub fn reserve(&mut self) -> Option<TxFrame<'_>> {
        let format = self.state.format;
        self.ring.reserve().map(|guard| TxFrame::new(guard, format))
    }

    /// Has the kernel send what was handed over, and says how many frames it took.
    ///
    /// One `sendto` with `MSG_DONTWAIT`; none where nothing is queued. The kernel may take fewer than are
    /// queued, since the socket's send buffer (`SO_SNDBUF`) bounds what is under way: kick again once
    /// frames came back, or [`drain`](Self::drain).
    ///
    /// # Errors
    ///
    /// [`Error::Unsent`] names the frame at which the kernel stopped and why; the frames before it were
    /// taken. A frame that was [refused](Self::refused) stops the ring until it is mended or
    /// [recalled](Self::recall); any other stays queued and goes out with a later kick.
    #[doc(alias = "sendto")]
    #[inline]
    pub fn kick(&mut self) -> Result<u32, Error> {
        self.kick_by(sys::send_ring)
    }

    /// [`kick`](Self::kick)s with the time at which all frames of this kick are to leave, counted from the
    /// start of the clock that [`Tx::transmit_times`](super::Tx::transmit_times) chose. The kernel's limit
    /// is 584 years.
    ///
    /// One `sendmsg` with `SCM_TXTIME`. The time is a wish to the interface's queueing discipline: `fq` and
    /// `etf` keep it, or the hardware that `etf` hands it to, and all others send at once. Frames that this
    /// kick does not take, as where the send buffer is full, go at the next kick's time; kicks that
    /// [`wait`](Self::wait) and [`drain`](Self::drain) make have none. That frames leave at their time no
    /// test shows here: it takes one of these disciplines; that the kernel has the time, one does.
    ///
    /// # Errors
    ///
    /// As [`kick`](Self::kick). [`Error::System`] with [`Operation::Kick`] and EINVAL where the ring was made
    /// without [`Tx::transmit_times`](super::Tx::transmit_times).
    #[doc(alias = "SCM_TXTIME")]
    pub fn kick_at(&mut self, time: Duration) -> Result<u32, Error> {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.kick_by(|fd| sys::send_ring_at(fd, nanoseconds))
    }

    #[inline(always)]
    fn kick_by(
        &mut self,
        send: impl FnOnce(BorrowedFd<'_>) -> Result<(), Errno>,
    ) -> Result<u32, Error> {
        self.ring.look();
        let Some(head) = self.ring.head() else {
            return Ok(0);
        };
        if head.refused {
            return Err(Error::unsent(head.number, self.state.refusal));
        }
        let sent = send(self.fd);
        let queued = self.ring.queued();
        self.ring.look();
        let taken = queued - self.ring.queued();
        match sent {
            Ok(()) => Ok(taken),
            Err(errno) => self.stopped(errno, taken),
        }
    }

    /// What a kick comes to that took so many frames and then failed.
    #[cold]
    fn stopped(&mut self, errno: Errno, taken: u32) -> Result<u32, Error> {
        match (errno, self.ring.head()) {
            // The send buffer is full, or a signal came first: nothing is wrong with the frame.
            (Errno::AGAIN | Errno::INTR, _) => Ok(taken),
            (errno, Some(head)) if head.refused || !of_a_frame_alone(errno) => {
                if head.refused {
                    self.state.refusal = errno;
                }
                Err(Error::unsent(head.number, errno))
            }
            // The error is of none of our frames.
            (errno, _) => Err(Error::System {
                operation: Operation::Kick,
                errno,
            }),
        }
    }

    /// The frame at which the kernel stopped because it cannot be sent as it is; `None` where there is
    /// none.
    ///
    /// It holds the bytes that it was sent with, and no vnet header. Mend it and send it again: it goes out in its
    /// old place.
    pub fn refused(&mut self) -> Option<TxFrame<'_>> {
        let format = self.state.format;
        self.ring.refused().map(|guard| TxFrame::new(guard, format))
    }

    /// Takes back the frames that the kernel has not taken, the refused one among them, and says how
    /// many. The next reserved frame has the number of the first of them.
    ///
    /// One `sendto`, where there are any, which finds none to send: it outwaits calls that others make on
    /// the descriptor, which keep the frame that they were about to take.
    pub fn recall(&mut self) -> u32 {
        let fd = self.fd;
        self.ring.recall(|| {
            // Whatever it says: it was to send nothing.
            let _ = sys::send_ring(fd);
        })
    }

    /// The next frame that came back, in the order in which they were sent; `None` where the oldest is
    /// still out. No system call.
    ///
    /// A frame comes back when the interface is done with it, and with
    /// [`Refusal::Skip`](super::Refusal::Skip) also when it was passed over.
    #[inline]
    pub fn next_completion(&mut self) -> Option<Completion> {
        let completion = self.ring.next_completion()?;
        let status = PacketStatus::from_bits_retain(completion.status);
        let source = if status.contains(PacketStatus::TIMESTAMP_HARDWARE) {
            Some(TimestampSource::Hardware)
        } else if status.contains(PacketStatus::TIMESTAMP_SOFTWARE) {
            Some(TimestampSource::Software)
        } else {
            None
        };
        let (seconds, nanoseconds) = completion.stamp;
        Some(Completion {
            frame: completion.number,
            timestamp: source.map(|source| Timestamp {
                seconds,
                nanoseconds,
                source,
            }),
        })
    }

    /// Sleeps until a frame can be reserved or the deadline has passed, kicking what is queued.
    ///
    /// The kernel does not tell when a frame comes back: poll calls a socket writable while its ring is
    /// full. So this sleeps in naps, of 50 us at first and of 5 ms at last (`ppoll` without descriptors).
    ///
    /// # Errors
    ///
    /// As [`kick`](Self::kick), at once where a frame was refused or the link is down or gone; that the
    /// interface's queue is full ([`Unsent::NoBuffers`]) is an error only when the deadline has passed.
    pub fn wait(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
        self.settle(deadline, on_signal, |ring| {
            ring.queued() + ring.in_flight() < ring.count().get()
        })
    }

    /// Sleeps until every frame came back or the deadline has passed, kicking what is queued.
    ///
    /// It sleeps as [`wait`](Self::wait) does, and passes over completions that nobody asked for.
    /// What is still out at the deadline, [`queued`](Self::queued) and [`in_flight`](Self::in_flight)
    /// tell.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn drain(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
        self.settle(deadline, on_signal, |ring| {
            ring.queued() + ring.in_flight() == 0
        })
    }

    fn settle(
        &mut self,
        deadline: Deadline,
        on_signal: OnSignal,
        is_enough: impl Fn(&TxRing) -> bool,
    ) -> Result<Wake, Error> {
        let mut naps = Naps::START;
        loop {
            let kicked = self.kick();
            while !is_enough(self.ring) && self.ring.next_completion().is_some() {}
            if is_enough(self.ring) {
                return Ok(Wake::Ready);
            }
            let busy = match kicked {
                Err(Error::Unsent {
                    why: Unsent::NoBuffers,
                    ..
                })
                | Ok(_) => deadline.has_passed(),
                Err(_) => true,
            };
            if busy {
                return kicked.map(|_| Wake::TimedOut);
            }
            match naps.sleep(deadline) {
                Err(Errno::INTR) if on_signal == OnSignal::Return => return Ok(Wake::Interrupted),
                Ok(()) | Err(Errno::INTR) => {}
                Err(errno) => {
                    return Err(Error::System {
                        operation: Operation::Wait,
                        errno,
                    });
                }
            }
        }
    }

    /// Frames that were handed over and that the kernel was not seen to take.
    #[must_use]
    pub fn queued(&self) -> u32 {
        self.ring.queued()
    }

    /// Frames that the kernel has taken and that were not seen to come back.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.ring.in_flight()
    }

    /// How many frames came back since the ring was made.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.ring.completed()
    }

    /// The socket, for an executor's own handle over it.
    ///
    /// Do not wait for it to be writable: it nearly always is, and says nothing of free frames.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'t> {
        self.fd
    }
}

/// Whether an error stands for what is wrong with a frame, which the kernel then marks as refused.
fn of_a_frame_alone(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::MSGSIZE)
}

/// Sleeps that grow longer.
struct Naps(Duration);

impl Naps {
    const START: Self = Self(Duration::from_micros(50));
    const LONGEST: Duration = Duration::from_millis(5);

    fn sleep(&mut self, deadline: Deadline) -> Result<(), Errno> {
        let nap = Timespec {
            tv_sec: 0,
            tv_nsec: self.0.subsec_nanos().into(),
        };
        self.0 = (self.0 * 2).min(Self::LONGEST);
        let nap = deadline.remaining().map_or(nap, |left| left.min(nap));
        poll(&mut [], Some(&nap)).map(drop)
    }
}
