//! The transmit ring.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::frame::{Refusal, Refused};
use super::member::Member;
use super::ring_set::Making;
use super::umem::Memory;
use super::{Fragments, Frame, Statistics};
use crate::chunks::{Chunks, Slot};
use crate::error::{Error, Operation};
use crate::ring::{Descriptor, Producer, ProducerBatch, RingSize};
use crate::sys::{self, MappedIndices, XdpRing};

/// Packets to be sent.
#[derive(Debug)]
pub struct TxRing {
    /// Before the descriptor: the memory is unmapped first.
    ring: MappedIndices<Producer<Descriptor>>,
    fd: OwnedFd,
    member: Member,
    transfer: Transfer,
    budget: u32,
}

/// How many frames one kick sends in copy mode where the kernel was told nothing.
const KERNELS_BUDGET: u32 = 32;

/// How many it is asked to send: a kick of 256 costs a tenth less a frame than eight of 32.
const WANTED_BUDGET: u32 = 256;

/// How packets leave the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    /// The driver reads the ring by itself: one kick starts it.
    pub(super) zero_copy: bool,
    /// The kernel says by a flag whether it has to be kicked.
    pub(super) tells: bool,
    /// The kernel knows of packets in several frames.
    pub(super) fragments: bool,
}

/// What a [`kick`](TxRing::kick) came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Kicked {
    /// The kernel has taken all that it could.
    Done,
    /// There is more to take: EAGAIN. In copy mode a kick sends as many frames as the
    /// [budget](TxRing::budget) has, and stops where the completion ring is full or memory short.
    Again,
}

impl Kicked {
    #[cold]
    fn of(errno: Errno) -> Result<Self, Error> {
        match errno {
            Errno::AGAIN | Errno::BUSY => Ok(Self::Again),
            Errno::NETDOWN => Err(Error::LinkDown),
            Errno::NXIO => Err(Error::LinkGone),
            errno => Err(Error::System {
                operation: Operation::Kick,
                errno,
            }),
        }
    }
}

impl TxRing {
    pub(super) fn map(making: Making<'_>, size: RingSize) -> Result<Self, Error> {
        let offsets =
            sys::ring_offsets(making.fd).map_err(Error::system(Operation::ReadRingOffsets))?;
        let mut tx = Self {
            ring: MappedIndices::producer(making.fd, XdpRing::Tx, &offsets, size)?,
            fd: super::socket::duplicate(making.fd)?,
            member: Member::new(making.chunks, making.slot),
            transfer: Transfer {
                zero_copy: false,
                tells: false,
                fragments: false,
            },
            budget: KERNELS_BUDGET,
        };
        let wanted = size.get().min(WANTED_BUDGET);
        if wanted > KERNELS_BUDGET {
            match tx.set_budget(wanted) {
                // An older kernel, whose budget cannot be set.
                Ok(())
                | Err(Error::System {
                    errno: Errno::NOPROTOOPT,
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(tx)
    }

    pub(super) fn set_transfer(&mut self, transfer: Transfer) {
        self.transfer = transfer;
    }

    /// Reserves up to `max` slots, for packets that are handed over together when the batch is dropped.
    ///
    /// They are sent when the kernel is [kicked](Self::kick) or the ring [flushed](Self::flush).
    #[inline(always)]
    pub fn batch(&mut self, max: u32) -> TxBatch<'_> {
        TxBatch {
            batch: self.ring.side_mut().batch(max),
            chunks: &self.member.chunks,
            slot: self.member.slot,
            fragments: self.transfer.fragments,
        }
    }

    /// Whether the kernel has to be kicked. To be asked after every batch. Always in copy mode, and where the socket
    /// was bound [without the flag](super::Queue::always_wake).
    #[inline]
    #[must_use]
    pub fn needs_wakeup(&self) -> bool {
        // In copy mode nothing but a kick sends, and the flag, which only drivers take back, stays set. To look at it
        // takes a fence, which waits for every line that we wrote and the kernel had on another processor: 130 ns
        // of an answer.
        !self.transfer.zero_copy || !self.transfer.tells || self.ring.side().needs_wakeup()
    }

    /// Has the kernel send. One `sendto`.
    ///
    /// # Errors
    ///
    /// [`Error::LinkDown`], [`Error::LinkGone`]. [`Error::System`]: ENOBUFS where the kernel has no memory, EINVAL
    /// where it does not know what the next frame asks for and never gets past it: a
    /// [launch time](super::TxRequest::launch_time) before Linux 6.15.
    #[inline(always)]
    pub fn kick(&mut self) -> Result<Kicked, Error> {
        match sys::send_ring(self.fd.as_fd()) {
            Ok(()) => Ok(Kicked::Done),
            Err(errno) => Kicked::of(errno),
        }
    }

    /// Has the kernel send all that the ring holds: in copy mode kicks until it is empty or a kick takes
    /// nothing; in zero-copy mode kicks once, where it is [needed](Self::needs_wakeup).
    ///
    /// Returns how many frames the kernel has not taken, [as far as it tells](Self::outstanding). In copy mode there
    /// are some where the completion ring is full: take the completed frames out and flush again. A kick that meets
    /// an invalid descriptor stops there, so frames may be left for the next kick.
    ///
    /// # Errors
    ///
    /// As [`kick`](Self::kick).
    #[inline(always)]
    pub fn flush(&mut self) -> Result<u32, Error> {
        if self.transfer.zero_copy {
            return self.start_driver();
        }
        let mut left = self.outstanding();
        // What the kernel may have taken since it last told that it took something.
        let mut untold = 0_u32;
        while left > 0 {
            let kicked = self.kick()?;
            let now = self.outstanding();
            if now < left {
                (left, untold) = (now, 0);
                continue;
            }
            // Nothing was taken: all that is left is invalid, or the completion ring is full. Or the kernel is older
            // than 6.17 and tells nothing before it has emptied the ring, but for EAGAIN where its budget ran out.
            untold = untold.saturating_add(self.budget);
            if kicked == Kicked::Done || untold >= left {
                return Ok(now);
            }
        }
        Ok(0)
    }

    /// Starts a driver that reads the ring by itself, where it sleeps.
    #[inline(never)]
    fn start_driver(&mut self) -> Result<u32, Error> {
        if self.outstanding() > 0 && self.needs_wakeup() {
            let _ = self.kick()?;
        }
        Ok(self.outstanding())
    }

    /// Sets how many frames one kick sends in copy mode: from 32 to as many as the ring has slots.
    /// `setsockopt(XDP_MAX_TX_SKB_BUDGET)`, Linux 6.17.
    ///
    /// A kick keeps the processor that long. See [`budget`](Self::budget) for what holds without this.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EACCES below 32 and beyond the ring, ENOPROTOOPT on older kernels.
    #[doc(alias = "XDP_MAX_TX_SKB_BUDGET")]
    pub fn set_budget(&mut self, frames: u32) -> Result<(), Error> {
        sys::set_tx_budget(self.fd.as_fd(), frames)
            .map_err(Error::system(Operation::SetTxBudget))?;
        self.budget = frames;
        Ok(())
    }

    /// How many frames one kick sends in copy mode: what was [set](Self::set_budget); else 256, or as many as the
    /// ring has slots; and 32 before Linux 6.17, and of a smaller ring.
    #[must_use]
    pub fn budget(&self) -> u32 {
        self.budget
    }

    /// How many frames the kernel has not taken out of the ring, as far as it tells: before Linux 6.17 it tells in
    /// copy mode that it has taken some when it has taken all.
    #[inline(always)]
    #[must_use]
    pub fn outstanding(&mut self) -> u32 {
        self.ring.side_mut().outstanding()
    }

    /// How many slots are free, as far as the kernel [tells](Self::outstanding).
    #[must_use]
    pub fn room(&mut self) -> u32 {
        self.ring.side_mut().room()
    }

    /// Whether the interface is there and up. `recvfrom`.
    ///
    /// # Errors
    ///
    /// [`Error::LinkDown`], [`Error::LinkGone`]; [`Error::Corrupt`] where the ring holds what the kernel does
    /// not write.
    pub fn check_link(&mut self) -> Result<(), Error> {
        if self.ring.side().is_corrupt() {
            return Err(Error::Corrupt);
        }
        super::watch::check_link(self.fd.as_fd())
    }

    /// What the kernel has counted: [`RxRing::statistics`](super::RxRing::statistics).
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn statistics(&self) -> Result<Statistics, Error> {
        Statistics::read(self.fd.as_fd())
    }

    /// Whether it takes packets that lie in several frames: that of a bound socket does, since Linux 6.6. An older
    /// kernel would send the last frame alone.
    #[must_use]
    pub fn takes_fragments(&self) -> bool {
        self.transfer.fragments
    }

    /// The number of slots.
    #[must_use]
    pub fn size(&self) -> RingSize {
        self.ring.side().size()
    }
}

impl AsFd for TxRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Reserved slots of a transmit ring; dropping it hands the packets over.
///
/// Forgetting it (`mem::forget`) loses the frames.
#[derive(Debug)]
pub struct TxBatch<'r> {
    batch: ProducerBatch<'r, Descriptor>,
    chunks: &'r Chunks<Memory>,
    slot: Slot,
    fragments: bool,
}

impl TxBatch<'_> {
    /// Puts a packet in, which lies in one frame.
    ///
    /// # Errors
    ///
    /// The frame: [`Refusal::Full`], [`Refusal::Foreign`], [`Refusal::Empty`].
    #[inline(always)]
    pub fn push(&mut self, frame: Frame) -> Result<(), Refused> {
        if self.batch.room() == 0 {
            return Err(Refused::new(frame, Refusal::Full));
        }
        if !frame.is_of(self.chunks) {
            return Err(Refused::new(frame, Refusal::Foreign));
        }
        if frame.is_empty() {
            return Err(Refused::new(frame, Refusal::Empty));
        }
        self.put(frame, 0);
        Ok(())
    }

    /// Puts a packet in that lies in several frames, whole. Linux 6.6; a socket need not be bound for receiving
    /// such packets.
    ///
    /// # Errors
    ///
    /// The frames, all of them: where the batch has not as many slots, where one belongs to another UMEM, where
    /// one has no bytes, or where there is none; where there are several, and the ring
    /// [takes no such packets](TxRing::takes_fragments).
    #[inline]
    pub fn push_packet(&mut self, packet: Fragments) -> Result<(), Fragments> {
        let taken = packet.len() as u32 <= self.batch.room()
            && !packet.is_empty()
            && (packet.len() == 1 || self.fragments)
            && packet
                .iter()
                .all(|frame| frame.is_of(self.chunks) && !frame.is_empty());
        if !taken {
            return Err(packet);
        }
        let mut left = packet.len();
        for frame in packet {
            left -= 1;
            let continues = if left > 0 { Descriptor::CONTINUES } else { 0 };
            self.put(frame, continues);
        }
        Ok(())
    }

    /// Puts a frame in that is ours and has bytes; there is room.
    #[inline(always)]
    fn put(&mut self, mut frame: Frame, options: u32) {
        frame.clear_unrequested();
        let metadata = if frame.has_request() {
            Descriptor::HAS_METADATA
        } else {
            0
        };
        let descriptor = Descriptor {
            address: frame.address(),
            // The length has 16 bits.
            len: frame.len() as u32,
            options: options | metadata,
        };
        if self.chunks.send(frame.into_chunk(), self.slot).is_ok() {
            // There is room.
            let _ = self.batch.push(descriptor);
        }
    }

    /// How many slots are left.
    #[inline(always)]
    #[must_use]
    pub fn room(&self) -> u32 {
        self.batch.room()
    }
}
