//! The receive ring.

use core::time::Duration;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::frame::fits;
use super::member::Member;
use super::ring_set::Making;
use super::umem::{Memory, Place};
use super::watch::Watch;
use super::{Fragments, Frame, Statistics};
use crate::chunks::{Chunks, Consumers, Slot};
use crate::error::{Error, Operation};
use crate::ring::{Consumer, ConsumerBatch, Descriptor, RingSize};
use crate::sys::{self, MappedIndices, XdpRing};
use crate::wait::{Deadline, OnSignal, Wake};

/// How many packets ahead the first line of one is prefetched.
const AHEAD: u32 = 8;

/// Received packets.
#[derive(Debug)]
pub struct RxRing {
    /// Before the descriptor: the memory is unmapped first.
    ring: MappedIndices<Consumer<Descriptor>>,
    fd: OwnedFd,
    member: Member,
    consumers: Consumers,
    /// Whether packets may come in several frames.
    multi_buffer: bool,
    watch: Watch,
}

impl RxRing {
    pub(super) fn map(
        making: Making<'_>,
        size: RingSize,
        consumers: Consumers,
    ) -> Result<Self, Error> {
        let offsets =
            sys::ring_offsets(making.fd).map_err(Error::system(Operation::ReadRingOffsets))?;
        Ok(Self {
            ring: MappedIndices::consumer(making.fd, XdpRing::Rx, &offsets, size)?,
            fd: super::socket::duplicate(making.fd)?,
            member: Member::new(making.chunks, making.slot),
            consumers,
            multi_buffer: false,
            watch: Watch::new(),
        })
    }

    pub(super) fn set_multi_buffer(&mut self, multi_buffer: bool) {
        self.multi_buffer = multi_buffer;
    }

    /// Has the ring be one of several of its slot, which must be this one.
    ///
    /// # Panics
    ///
    /// Where it is another's.
    pub(super) fn share(&mut self, chunks: &Chunks<Memory>, slot: Slot) {
        let own = self.member.is_of(chunks, slot);
        assert!(own, "the socket's own receive ring is shared");
        self.consumers = Consumers::Several;
    }

    /// Takes up to `max` packets that have arrived; they count as read when the batch is dropped. No system
    /// call.
    ///
    /// A batch after one that was not read to its end begins with what that one left, and may hold no more, though
    /// others have arrived: they come with the next.
    ///
    /// Of a socket that receives packets in several frames ([`Queue::multi_buffer`](super::Queue::multi_buffer)),
    /// `max` counts frames, and a batch holds whole packets: at least one, where one has arrived.
    #[inline(always)]
    pub fn batch(&mut self, max: u32) -> RxBatch<'_> {
        let ring = self.ring.side_mut();
        if self.multi_buffer {
            // Of a packet that has arrived in part, the rest may have come since.
            let _ = ring.filled();
        }
        let mut batch = ring.batch(max);
        if self.multi_buffer {
            whole_packets(&mut batch, max);
        }
        RxBatch {
            batch,
            memory: self.member.chunks.owner(),
            chunks: &self.member.chunks,
            slot: self.member.slot,
            consumers: self.consumers,
        }
    }

    /// Whether a packet has arrived. No system call.
    #[inline(always)]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ring.side().is_ready()
    }

    /// Sleeps until a packet has arrived or the deadline has passed. `ppoll`, which also has the kernel look at
    /// the fill ring, and in copy mode send what the transmit ring holds.
    ///
    /// It wakes every second to look whether the link is there: the kernel does not tell.
    ///
    /// # Errors
    ///
    /// [`Error::LinkDown`] and [`Error::LinkGone`] once, and at each deadline while it is so; [`Error::Corrupt`];
    /// [`Error::System`].
    pub fn wait(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
        self.watch
            .wait(self.ring.side(), self.fd.as_fd(), deadline, on_signal)
    }

    /// Looks at the ring for at most `spin`, then waits as [`wait`](Self::wait).
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
            .spin_then_wait(self.ring.side(), self.fd.as_fd(), spin, deadline, on_signal)
    }

    /// Whether the interface is there and up. `recvfrom`.
    ///
    /// # Errors
    ///
    /// [`Error::LinkDown`]: packets come again when it is up. [`Error::LinkGone`]: close the socket.
    /// [`Error::Corrupt`] where the ring holds what the kernel does not write.
    pub fn check_link(&mut self) -> Result<(), Error> {
        if self.ring.side().is_corrupt() {
            return Err(Error::Corrupt);
        }
        super::watch::check_link(self.fd.as_fd())
    }

    /// What the kernel has counted since the socket was made; reading clears nothing.
    /// `getsockopt(XDP_STATISTICS)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    #[doc(alias = "XDP_STATISTICS")]
    pub fn statistics(&self) -> Result<Statistics, Error> {
        Statistics::read(self.fd.as_fd())
    }

    /// The number of slots.
    #[must_use]
    pub fn size(&self) -> RingSize {
        self.ring.side().size()
    }
}

impl AsFd for RxRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Has a batch end where a packet ends.
#[inline]
fn whole_packets(batch: &mut ConsumerBatch<'_, Descriptor>, max: u32) {
    let ends = |batch: &ConsumerBatch<'_, Descriptor>, at: u32| {
        batch
            .ahead(at)
            .is_some_and(|descriptor| descriptor.options & Descriptor::CONTINUES == 0)
    };
    let mut whole = batch.remaining();
    while whole > 0 && !ends(batch, whole - 1) {
        whole -= 1;
    }
    if whole == 0 && batch.remaining() > 0 {
        // The first packet has more fragments than were asked for, or has not arrived whole.
        let mut len = max;
        while !ends(batch, len.saturating_sub(1)) {
            let before = batch.remaining();
            len = len.saturating_add(1);
            batch.extend(len);
            if batch.remaining() == before {
                batch.limit(0);
                return;
            }
        }
        whole = len;
    }
    batch.limit(whole);
}

/// Packets that have arrived, in order. Dropping it gives their slots back, without those that were not taken:
/// they come in the next batch.
#[derive(Debug)]
pub struct RxBatch<'r> {
    batch: ConsumerBatch<'r, Descriptor>,
    memory: &'r Memory,
    chunks: &'r Chunks<Memory>,
    slot: Slot,
    consumers: Consumers,
}

impl RxBatch<'_> {
    /// The next packet of a socket that receives packets in several frames, whole.
    ///
    /// A packet of more than [`Fragments::MOST`] frames, which no kernel makes, is dropped, as is one of which the
    /// kernel had no right to hand a frame back.
    pub fn next_packet(&mut self) -> Option<Fragments> {
        loop {
            let mut fragments = Fragments::new();
            let mut is_whole = true;
            loop {
                let (frame, continues) = self.next_entry()?;
                is_whole &= frame.is_some_and(|frame| fragments.push(frame).is_ok());
                if !continues {
                    break;
                }
            }
            if is_whole {
                return Some(fragments);
            }
        }
    }

    /// The next frame, if the kernel had the right to hand it back, and whether its packet goes on.
    #[inline(always)]
    fn next_entry(&mut self) -> Option<(Option<Frame>, bool)> {
        if let Some(ahead) = self.batch.ahead(AHEAD) {
            self.memory.prefetch(ahead.address);
        }
        let Descriptor {
            address,
            len,
            options,
        } = self.batch.next()?;
        let continues = options & Descriptor::CONTINUES != 0;
        let place = self.memory.place(address);
        let place = place.filter(|place| fits(self.memory, place.offset, len));
        let Some(Place { number, offset }) = place else {
            self.chunks.count_spurious();
            return Some((None, continues));
        };
        // SAFETY: it came out of the slot's receive ring, or of one of them; the batch borrows the ring's only
        // consumer, and hands out each entry once.
        let chunk = unsafe { self.chunks.received(number, self.slot, self.consumers) };
        // What fits has 16 bits.
        let mut frame = chunk.and_then(|chunk| Frame::with_packet(chunk, offset, len as u16));
        if let Some(frame) = &mut frame {
            frame.set_continues(continues);
        }
        Some((frame, continues))
    }

    /// How many frames are left at most: what the kernel had no right to hand back is passed over.
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> u32 {
        self.batch.remaining()
    }
}

impl Iterator for RxBatch<'_> {
    type Item = Frame;

    #[inline(always)]
    fn next(&mut self) -> Option<Frame> {
        loop {
            let (frame, _) = self.next_entry()?;
            if frame.is_some() {
                return frame;
            }
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.batch.remaining() as usize))
    }
}
