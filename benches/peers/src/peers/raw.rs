//! Receive rings of AF_PACKET by hand: what a program that knows the kernel's interface writes. The library opens the
//! sockets, which is not measured, and its own view of the rings is not used.
//!
//! # Safety
//!
//! 1. A [`Mapping`] has the ring of its socket, of the length that it was made with, for as long as it lives. Block and
//!    frame sizes are such that every status word is aligned.
//! 2. Status words are reached as atomics alone. A slot's other bytes are read between `USER` and the zero that is stored
//!    behind them; whoever walks has `&mut self`.
//! 3. What lies in the slots, the kernel wrote: its offsets lead to packets inside. A plain loop trusts them, which is
//!    what it is here for.

use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering};

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{FrameGeometry, RxV2, Socket};
use rustix::event::{PollFd, PollFlags, epoll, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::{no_version, ours, raw_transmit};
use crate::peer::{
    Answer, Blocks, Converse, Family, NUMBER, Peer, Place, Receive, Ring, Seen, Transmit,
};

/// Offsets of words in a block's header, in a packet's record and in a frame: `linux/if_packet.h`.
mod at {
    pub(super) const STATUS: usize = 8;
    pub(super) const PACKETS: usize = 12;
    pub(super) const FIRST_PACKET: usize = 16;

    pub(super) const NEXT: usize = 0;
    pub(super) const LENGTH: usize = 16;
    pub(super) const MAC: usize = 24;

    pub(super) const FRAME_LENGTH: usize = 4;
    pub(super) const FRAME_MAC: usize = 12;
}

/// TPACKET_V3 to receive, TPACKET_V2 to send.
pub(crate) struct ByHand;

impl Peer for ByHand {
    fn name(&self) -> &'static str {
        "by hand"
    }

    fn version(&self) -> String {
        no_version()
    }

    fn family(&self) -> Family {
        Family::Packet
    }

    fn receiver(&self, place: &Place, ring: &Ring) -> Answer<Box<dyn Receive>> {
        let socket: Box<dyn AsFd + Send> = match ring.fanout {
            None => Box::new(ours::blocks(place, ring)?),
            Some(_) => Box::new(ours::member(place, ring)?),
        };
        let mapping = Mapping::new(socket, ring.bytes())?;
        Ok(Box::new(V3 {
            // A poll returns at once where the newest block is kept.
            edge: (ring.held > 0).then(|| mapping.edge()).transpose()?,
            mapping,
            size: ring.block_size as usize,
            count: ring.blocks as usize,
            next: 0,
            held: ring.held as usize,
            taken: 0,
        }))
    }

    fn sender(&self, place: &Place, template: &[u8]) -> Answer<Box<dyn Transmit>> {
        Ok(Box::new(raw_transmit::V2Ring::new(place, template)?))
    }
}

/// TPACKET_V2.
pub(crate) struct ByHandV2;

impl Peer for ByHandV2 {
    fn name(&self) -> &'static str {
        "by hand, V2"
    }

    fn version(&self) -> String {
        no_version()
    }

    fn family(&self) -> Family {
        Family::Packet
    }

    fn receiver(&self, place: &Place, ring: &Ring) -> Answer<Box<dyn Receive>> {
        if ring.fanout.is_some() || ring.held > 0 {
            return Err("this is a measure of blocks, and it has frames".into());
        }
        let geometry = ours::frames(ring)?;
        Ok(Box::new(V2::new(
            ours::frame_socket(place, geometry)?,
            geometry,
        )?))
    }

    fn end(&self, place: &Place) -> Answer<Box<dyn Converse>> {
        let geometry = FrameGeometry::new_assert(2048, 1 << 16, 2);
        Ok(Box::new(V2::new(
            ours::frame_socket(place, geometry)?,
            geometry,
        )?))
    }
}

/// A ring in memory, and the socket that it belongs to.
struct Mapping {
    base: NonNull<u8>,
    len: usize,
    socket: Box<dyn AsFd + Send>,
}

// SAFETY: the mapping belongs to the value, and is reached through whoever owns that.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(socket: Box<dyn AsFd + Send>, len: usize) -> Answer<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap(null_mut(), len, access, flags, &*socket, 0) }?;
        let base = NonNull::new(base.cast()).ok_or("a mapping at zero")?;
        Ok(Self { base, len, socket })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// An edge-triggered instance of epoll with the socket in it.
    fn edge(&self) -> Answer<OwnedFd> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, self.fd(), epoll::EventData::new_u64(0), flags)?;
        Ok(epoll)
    }

    fn sleep(&self) {
        let fd = self.fd();
        let _ = poll(&mut [PollFd::new(&fd, PollFlags::IN)], None);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, unmapped once; nothing borrows it.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// A status word.
///
/// # Safety
///
/// The address is that of one in a mapping that outlives the result.
#[inline(always)]
unsafe fn word<'a>(address: *mut u8) -> &'a AtomicU32 {
    // SAFETY: aligned (1), and reached as an atomic alone (2).
    unsafe { AtomicU32::from_ptr(address.cast()) }
}

struct V3 {
    mapping: Mapping,
    edge: Option<OwnedFd>,
    size: usize,
    count: usize,
    next: usize,
    /// Blocks that are kept, and those that were taken.
    held: usize,
    taken: usize,
}

impl V3 {
    fn block(&self, index: usize) -> *mut u8 {
        // SAFETY: below the number of blocks, inside the mapping (1).
        unsafe { self.mapping.base.add(index * self.size) }.as_ptr()
    }

    fn status(&self, index: usize) -> &AtomicU32 {
        // SAFETY: inside the block.
        let status = unsafe { self.block(index).add(at::STATUS) };
        // SAFETY: the status word of a block, in a mapping that lives as long as `self`.
        unsafe { word(status) }
    }
}

impl Receive for V3 {
    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        // The word of a block that is kept says USER as well: where all are taken, it is not a new one.
        while self.taken < self.count && self.status(self.next).load(Ordering::Acquire) & 1 != 0 {
            // SAFETY: the block is ours (2), and what it says leads to its records (3).
            unsafe { walk(self.block(self.next), seen) };
            self.taken += 1;
            if self.taken > self.held {
                self.taken -= 1;
                let oldest = (self.next + self.count - self.taken) % self.count;
                self.status(oldest).store(0, Ordering::Release);
            }
            self.next += 1;
            if self.next == self.count {
                self.next = 0;
            }
        }
    }

    fn receive(&mut self, seen: &mut Seen) {
        match &self.edge {
            None => self.mapping.sleep(),
            Some(epoll) => {
                let mut events = [epoll::Event {
                    flags: epoll::EventFlags::empty(),
                    data: epoll::EventData::new_u64(0),
                }];
                let _ = epoll::wait(epoll, &mut events, None);
            }
        }
        self.drain(seen);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.mapping.fd()
    }

    fn blocks(&self) -> Answer<Blocks> {
        Ok(Blocks {
            size: self.size,
            count: self.count,
        })
    }
}

/// Walks one block as C would.
///
/// # Safety
///
/// `block` begins a block that is the caller's (2) and that the kernel has filled (3).
#[inline(always)]
#[expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "the plain loop that everybody is measured against"
)]
unsafe fn walk(block: *const u8, seen: &mut Seen) {
    // SAFETY: what the kernel wrote leads from record to record within the block (3), all of whose words are
    // aligned; every packet has 60 bytes and more.
    unsafe {
        let packets = block.add(at::PACKETS).cast::<u32>().read();
        let first = block.add(at::FIRST_PACKET).cast::<u32>().read();
        let mut record = block.add(first as usize);
        for _ in 0..packets {
            let mac = record.add(at::MAC).cast::<u16>().read();
            let packet = record.add(usize::from(mac));
            seen.note(
                packet.cast::<u64>().read_unaligned(),
                packet.add(NUMBER).cast::<u64>().read_unaligned(),
                record.add(at::LENGTH).cast::<u32>().read(),
            );
            let next = record.add(at::NEXT).cast::<u32>().read();
            record = record.add(next as usize);
        }
    }
}

struct V2 {
    mapping: Mapping,
    size: usize,
    count: usize,
    next: usize,
}

impl V2 {
    fn new(socket: Socket<Bound<RxV2>>, geometry: FrameGeometry) -> Answer<Self> {
        assert!(geometry.block_size().is_multiple_of(geometry.frame_size()));
        Ok(Self {
            mapping: Mapping::new(Box::new(socket), geometry.bytes() as usize)?,
            size: geometry.frame_size() as usize,
            count: geometry.frame_count().get() as usize,
            next: 0,
        })
    }

    /// Takes the frame that is next, if it is there.
    #[inline(always)]
    fn take_one(&mut self, seen: &mut Seen) -> bool {
        // SAFETY: below the number of frames, inside the mapping (1).
        let frame = unsafe { self.mapping.base.add(self.next * self.size) }.as_ptr();
        // SAFETY: a frame's first word is its status.
        let status = unsafe { word(frame) };
        if status.load(Ordering::Acquire) & 1 == 0 {
            return false;
        }
        // SAFETY: the frame is ours (2), filled by the kernel (3).
        unsafe { note_frame(frame, seen) };
        status.store(0, Ordering::Release);
        self.next += 1;
        if self.next == self.count {
            self.next = 0;
        }
        true
    }
}

/// Looks at the packet of one frame as C would.
///
/// # Safety
///
/// `frame` begins a frame that is the caller's (2) and that the kernel has filled (3).
#[inline(always)]
#[expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "the plain loop that everybody is measured against"
)]
unsafe fn note_frame(frame: *const u8, seen: &mut Seen) {
    // SAFETY: where the kernel says that the packet begins (3), which has 60 bytes and more.
    unsafe {
        let packet = frame.add(frame.add(at::FRAME_MAC).cast::<u16>().read().into());
        seen.note(
            packet.cast::<u64>().read_unaligned(),
            packet.add(NUMBER).cast::<u64>().read_unaligned(),
            frame.add(at::FRAME_LENGTH).cast::<u32>().read(),
        );
    }
}

impl Receive for V2 {
    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        while self.take_one(seen) {}
    }

    fn receive(&mut self, seen: &mut Seen) {
        self.mapping.sleep();
        self.drain(seen);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.mapping.fd()
    }
}

impl Converse for V2 {
    fn take(&mut self, sleeps: bool) -> u64 {
        let mut seen = Seen::default();
        while !self.take_one(&mut seen) {
            if sleeps {
                self.mapping.sleep();
            } else {
                core::hint::spin_loop();
            }
        }
        seen.numbers
    }

    fn give(&mut self, frame: &[u8]) -> Answer<()> {
        super::messages::send_one(self.mapping.fd(), frame)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.mapping.fd()
    }
}
