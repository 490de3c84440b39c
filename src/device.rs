//! Rings as a network stack's device: with the feature `smoltcp` a [`Device`] is a `smoltcp::phy::Device` (0.14), with
//! `embassy-net-driver` a `Driver` makes it an `embassy_net_driver::Driver` (0.2).
//!
//! [`PacketDevice`] is made of the receiver and the transmitter of AF_PACKET, [`XdpDevice`] of an AF_XDP socket and its
//! pool. The stack reads a received packet where the kernel has put it, and writes one into the frame that it leaves
//! from. No heap is used; no thread is started.
//!
//! The interface must be Ethernet. A stack that takes another address than the interface's
//! ([`ethernet_address`](Device::ethernet_address)) needs a [`Membership`](crate::packet::Membership) beside, and the
//! host should have no IP address there, or its own stack answers too (AF_PACKET). Tags of VLANs are not for these
//! stacks: what came with one is passed over, and so is what the host itself sends on the interface.
//!
//! # When frames leave
//!
//! [`Kicks`] says when the kernel is told of the frames that the stack has written. A stack knows no call that says "this
//! was the last", so it happens at each frame unless asked otherwise: a frame is never stuck because a call was
//! forgotten. The system call is most of what a frame costs; [`Kicks::OnFlush`] makes one for many, by
//! [`flush`](Device::flush), which goes behind each poll of the stack, or by [`wait`](Device::wait), which begins with it.
//!
//! A frame that the kernel does not take, for the link is down or a queue full, stays in its ring. While the
//! ring is full the stack is told that there is no room, to receive either: each packet that it is handed must find
//! room for an answer. What waits goes out with a later kick, which `wait` sees to.
//!
//! Where the interface's queue is full (AF_PACKET), the next kick is one that comes after a frame is back or a
//! millisecond has passed; calls before that leave it be. While the queue holds frames of ours, their return wakes a
//! reactor. That a queue which others fill has room again, nobody tells: the stack's own timers, or `wait`, try again.
//!
//! # Errors
//!
//! A packet of which the ring kept a part is passed over, and [`truncated`](PacketDevice::truncated) counts it. A frame
//! of fewer than 14 bytes is not sent. A stack that panics over a packet has taken it, and over a frame has not sent it.
//!
//! These traits know `Some` and `None`. What went wrong meanwhile, [`take_error`](Device::take_error) tells, and
//! [`link_state`](Device::link_state) whether the interface is up and has a carrier.
//!
//! # Checksums
//!
//! The stack computes and verifies all of them. A packet that a process of the same machine sends, over veth or a
//! bridge, can arrive without its checksum: its kernel leaves that to an interface that never computes it, and the stack
//! drops it. AF_PACKET tells of each such packet
//! ([`PacketStatus::CHECKSUM_NOT_READY`](crate::packet::PacketStatus::CHECKSUM_NOT_READY)), and
//! [`unfinished_checksums`](PacketDevice::unfinished_checksums) counts them; AF_XDP tells nothing. The remedy lies at the
//! sender's end of the cable: `ethtool -K veth0 tx-checksumming off`, which also keeps segments to the MTU. A packet
//! from a network has its checksum.

#[cfg(feature = "embassy-net-driver")]
mod embassy_net;
mod packet;
mod sides;
#[cfg(feature = "smoltcp")]
mod smoltcp;
mod token;
mod xdp;

use core::fmt;
use core::time::Duration;

use rustix::event::{Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

use crate::error::{Error, Operation};
use crate::interface::{Interface, LinkState};
use crate::link_watch::LinkWatch;
use crate::sys;
use crate::wait::{Deadline, OnSignal, Wake};

#[cfg(feature = "embassy-net-driver")]
pub use self::embassy_net::Driver;
pub use self::packet::{PacketDevice, PacketRings};
pub use self::sides::Rings;
use self::sides::{Receive, Transmit};
pub use self::token::{RxToken, TxToken};
pub use self::xdp::{XdpDevice, XdpRings};

/// Bytes of an Ethernet header.
const HEADER: u32 = 14;

/// When the kernel is told of the frames that a stack has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kicks {
    /// At each: a system call a frame.
    #[default]
    EachFrame,
    /// By [`flush`](Device::flush) and by [`wait`](Device::wait), and where the ring is full. With
    /// `embassy-net-driver` also whenever the stack asks for the link's state, which embassy-net does at the end of
    /// each poll.
    OnFlush,
}

/// The rings of a socket, as a network stack's device.
///
/// `R` is [`PacketRings`] or [`XdpRings`].
pub struct Device<R> {
    rings: R,
    facts: Facts,
    /// How many frames of the greatest length the receive ring holds.
    burst: u32,
    kicks: Kicks,
    error: Latch,
    /// What [`wait`](Self::wait) has told of the link.
    told: Option<Error>,
}

/// What stacks ask of an interface.
#[derive(Debug)]
struct Facts {
    /// Bytes of the longest frame, with its Ethernet header.
    longest_frame: u32,
    address: [u8; 6],
    link: LinkWatch,
}

impl Facts {
    /// Asks about a socket's interface, in whose network namespace the thread must be.
    fn of(interface: Interface, socket: BorrowedFd<'_>) -> Result<Self, Error> {
        let link = LinkWatch::new(interface)?;
        let cookies = [link.as_fd(), socket].map(sys::namespace_cookie);
        // Before Linux 5.14 nobody tells; there an interface of the same index is taken for ours.
        if let [Ok(here), Ok(there)] = cookies
            && here != there
        {
            return Err(Error::OtherNamespace);
        }
        let address = interface.ethernet_address(&link)?;
        Ok(Self {
            longest_frame: interface.mtu(&link)?.saturating_add(HEADER),
            address: address.ok_or(Error::NotEthernet)?,
            link,
        })
    }

    /// Whether so many bytes are room for the longest frame.
    fn fits(&self, room: usize) -> Result<(), Error> {
        if room < self.longest_frame as usize {
            return Err(Error::FrameTooSmall {
                room: room as u64,
                len: self.longest_frame.into(),
            });
        }
        Ok(())
    }
}

/// What went wrong last and was not told yet.
#[derive(Debug, Default)]
struct Latch(Option<Error>);

impl Latch {
    #[inline]
    fn keep(&mut self, done: Result<(), Error>) {
        if let Err(error) = done {
            self.0 = Some(error);
        }
    }
}

impl<R: Rings> Device<R> {
    fn over(rings: R, facts: Facts, burst: u32) -> Self {
        Self {
            rings,
            facts,
            burst,
            kicks: Kicks::default(),
            error: Latch::default(),
            told: None,
        }
    }

    /// Sets when the kernel is told of frames.
    #[must_use]
    pub fn kicks(mut self, kicks: Kicks) -> Self {
        self.kicks = kicks;
        self
    }

    /// The address of the interface, for the stack to take.
    #[must_use]
    pub fn ethernet_address(&self) -> [u8; 6] {
        self.facts.address
    }

    /// The longest frame in bytes, with its Ethernet header: what the MTU was when the device was made, and 14.
    #[must_use]
    pub fn longest_frame(&self) -> usize {
        self.facts.longest_frame as usize
    }

    /// Has the kernel send what the stack has written. Returns how many frames it has not taken, as far as it tells.
    /// `sendto`, where there are any.
    ///
    /// # Errors
    ///
    /// [`Error::LinkDown`], [`Error::LinkGone`]: the frames wait. [`Error::Unsent`] where AF_PACKET refused one, as it
    /// does when the MTU was made smaller: it is dropped, with those behind it. [`Error::System`].
    pub fn flush(&mut self) -> Result<u32, Error> {
        self.rings.sides().1.kick()
    }

    /// What went wrong since it was last asked: in the stack's calls, and then with the link and the ring.
    ///
    /// What [`Receiver::take_error`](crate::packet::Receiver::take_error) or
    /// [`RxRing::check_link`](crate::xdp::RxRing::check_link) calls.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](Self::flush), and of these two. [`Error::FrameTooSmall`] where the stack wrote a frame beyond
    /// [`longest_frame`](Self::longest_frame) and its room, [`Error::FrameTooShort`] one without a whole Ethernet
    /// header: neither was sent.
    pub fn take_error(&mut self) -> Result<(), Error> {
        if let Some(error) = self.error.0.take() {
            return Err(error);
        }
        self.rings.sides().0.look()
    }

    /// Whether the interface is up and has a carrier. `recvfrom` of a [`LinkWatch`], once and for each change of any
    /// interface.
    ///
    /// # Errors
    ///
    /// [`Error::LinkGone`] for good. [`Error::System`].
    pub fn link_state(&mut self) -> Result<LinkState, Error> {
        while self.facts.link.take()?.is_some() {}
        self.facts.link.state()
    }

    /// Flushes, then sleeps until the stack can receive or the deadline has passed. No `ppoll` where it can at once.
    ///
    /// While frames wait to be taken, or there is no room for another, it sleeps in naps of 1 to 64 ms and tries again:
    /// the kernel tells nobody when it can go on.
    ///
    /// # Errors
    ///
    /// [`Error::LinkDown`] and [`Error::LinkGone`] once, and at each deadline while it is so: go on after the first.
    /// [`Error::Corrupt`]. [`Error::System`]. What else became of the flush, [`take_error`](Self::take_error) tells.
    pub fn wait(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
        let mut nap = SHORTEST_NAP;
        loop {
            let left = match self.flush() {
                Ok(left) => left,
                Err(error) => {
                    self.news(error)?;
                    1
                }
            };
            let has_room = self.make_room();
            let (rx, _) = self.rings.sides();
            if has_room && rx.fetch() {
                return Ok(Wake::Ready);
            }
            let until = if has_room && left == 0 {
                deadline
            } else {
                deadline.min(Deadline::after(nap))
            };
            let woken = if has_room {
                rx.wait(until, on_signal)
            } else {
                sleep(until, on_signal)
            };
            match woken {
                Ok(Wake::TimedOut) if !has_room && deadline.has_passed() => {
                    // Nobody has looked at the link.
                    return rx.look().map(|()| Wake::TimedOut);
                }
                Ok(Wake::TimedOut) if !deadline.has_passed() => {}
                // What came can be nothing for the stack.
                Ok(Wake::Ready) if !rx.fetch() => {
                    if deadline.has_passed() {
                        return Ok(Wake::TimedOut);
                    }
                    continue;
                }
                Ok(woken) => {
                    self.told = None;
                    return Ok(woken);
                }
                Err(error) if deadline.has_passed() => return Err(error),
                Err(error) => self.news(error)?,
            }
            nap = (nap * 2).min(LONGEST_NAP);
        }
    }

    /// Tells what [`wait`](Self::wait) has not told yet of the link; what is no matter of the link is kept.
    fn news(&mut self, error: Error) -> Result<(), Error> {
        if !matches!(error, Error::LinkDown | Error::LinkGone) {
            self.error.keep(Err(error));
            return Ok(());
        }
        if self.told.replace(error) == Some(error) {
            return Ok(());
        }
        Err(error)
    }

    /// Whether a frame can be written, if need be after a kick.
    #[inline]
    fn make_room(&mut self) -> bool {
        let (_, tx) = self.rings.sides();
        if tx.has_room() {
            return true;
        }
        self.error.keep(tx.kick().map(drop));
        tx.has_room()
    }

    /// Both tokens, where a packet is there and room for an answer.
    #[inline]
    fn receive_tokens(&mut self) -> Option<(RxToken<'_, R>, TxToken<'_, R>)> {
        if !self.make_room() || !self.rings.sides().0.fetch() {
            return None;
        }
        Some(self.tokens())
    }

    #[inline]
    fn transmit_token(&mut self) -> Option<TxToken<'_, R>> {
        if !self.make_room() {
            return None;
        }
        Some(self.tokens().1)
    }

    #[inline]
    fn tokens(&mut self) -> (RxToken<'_, R>, TxToken<'_, R>) {
        let (rx, tx) = self.rings.sides();
        let tx = TxToken {
            tx,
            kicks: self.kicks,
            error: &mut self.error,
        };
        (RxToken { rx }, tx)
    }
}

/// The socket that receives, for those who sleep in a reactor of their own in place of [`wait`](Device::wait): to be
/// registered edge-triggered. Poll the stack before the first sleep and after each, and [`flush`](Device::flush) behind
/// each poll; where that says that frames are left, sleep no longer than 64 ms.
impl<R: Rings> AsFd for Device<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rings.rx().fd()
    }
}

impl<R: Rings> fmt::Debug for Device<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("facts", &self.facts)
            .field("burst", &self.burst)
            .field("kicks", &self.kicks)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// The first and the last nap of a wait for the kernel to go on.
const SHORTEST_NAP: Duration = Duration::from_millis(1);
const LONGEST_NAP: Duration = Duration::from_millis(64);

/// Sleeps and listens to nothing.
fn sleep(deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
    let left: Option<Timespec> = deadline.remaining();
    match poll(&mut [], left.as_ref()) {
        Err(Errno::INTR) if on_signal == OnSignal::Return => Ok(Wake::Interrupted),
        Ok(_) | Err(Errno::INTR) => Ok(Wake::TimedOut),
        Err(errno) => Err(Error::system(Operation::Wait)(errno)),
    }
}
