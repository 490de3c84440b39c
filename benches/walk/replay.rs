//! A ring that a real kernel has filled, to be read again and again.
//!
//! The kernel fills the ring until it freezes. Then the link goes down and the ring is drained once,
//! and the kernel opens the one block that it waited for, empty. From then on it touches nothing: it
//! never retires an empty block, and no packet comes. So storing `USER` into the status words hands
//! the same packets to the reader once more, as often as wanted.
//!
//! Every walk goes over one and the same mapping, so that none finds its addresses translated by
//! another's.
//!
//! # Safety
//!
//! 1. [`Replay`] maps the ring for itself, of the length that it was made with, for as long as it
//!    lives. The block size is a multiple of the page size, so every status word is aligned.
//! 2. Status words are reached as atomics alone.
//! 3. The kernel is at rest once [`Replay::new`] has seen it so, and the socket's own ring is not
//!    used any more. A walk reads a block between its status word's `USER` and its own store of
//!    zero. Walks and [`hand_out`](Replay::hand_out) take `&mut self`, so one of them runs at a time
//!    and nobody writes meanwhile.
//! 4. What lies in the blocks, the kernel wrote: its offsets lead to records inside the block. A
//!    plain loop trusts them, which is what it is here for.

use core::ops::ControlFlow;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::thread;

use packet_ring::handoff::Ring;
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Block, Geometry, Interface, Packet, Rx, Socket};
use packet_ring::sync::{Layout, Memory};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame};
use rustix::fd::AsFd;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Offsets of words in a block's header and in a packet record's: `linux/if_packet.h`.
mod at {
    pub(super) const STATUS: usize = 8;
    pub(super) const PACKETS: usize = 12;
    pub(super) const FIRST_PACKET: usize = 16;

    pub(super) const NEXT: usize = 0;
    pub(super) const NANOSECONDS: usize = 8;
    pub(super) const LENGTH: usize = 16;
    pub(super) const MAC: usize = 24;
}

/// The payload byte that a walk touches: the last of the frame's number.
const PAYLOAD_BYTE: usize = 29;

/// Long enough for a block to fill under flood.
const RETIRE_TIMEOUT: Duration = Duration::from_millis(500);

/// What a walk has seen, the same for every way of walking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) packets: u64,
    /// Of a word of each header, each length and one byte of each payload.
    sum: u64,
}

impl Seen {
    #[inline(always)]
    fn add(&mut self, nanoseconds: u32, length: u32, byte: u8) {
        self.packets += 1;
        self.sum = self
            .sum
            .wrapping_add(u64::from(nanoseconds) ^ u64::from(length) ^ u64::from(byte));
    }

    #[inline(always)]
    fn add_packet(&mut self, packet: Packet<'_>) {
        let byte = packet.data().get(PAYLOAD_BYTE).copied().unwrap_or(0);
        self.add(packet.timestamp().nanoseconds, packet.len(), byte);
    }
}

/// A filled ring, and a mapping of it.
pub(crate) struct Replay {
    /// Before the mapping that it lies in.
    ring: Ring,
    mapping: Mapping,
    geometry: Geometry,
    /// Keeps the kernel's side of the ring.
    _socket: Socket<Bound<Rx>>,
}

impl Replay {
    /// Lets the kernel fill a ring of `geometry` with frames of `frame_len` bytes, over a veth pair.
    pub(crate) fn new(geometry: Geometry, frame_len: usize) -> Self {
        let geometry = Geometry::expect(geometry.retire_timeout(RETIRE_TIMEOUT));
        let pair = VethPair::create(&VethOptions::default()).expect("a veth pair");
        let index = pair.far.index().expect("an index");
        let mut socket = Socket::configure(Rx::new(geometry))
            .and_then(|socket| Ok(socket.map()?))
            .and_then(|socket| Ok(socket.bind(Interface::by_index(index).expect("not zero"))?))
            .expect("a bound socket");
        let injector = Injector::on(&pair.near).expect("an injector");
        let template = frame::numbered(0, frame_len);
        while socket.statistics().expect("statistics").drops == 0 {
            injector.flood(&template, 0..10_000);
        }
        pair.delete().expect("the pair goes");
        while socket.next_block().is_some() {}

        let mapping = Mapping::new(&socket, &geometry);
        let layout = Layout::new(geometry.block_size() as usize, at::STATUS);
        // SAFETY: the mapping has the ring's blocks, and words in it are aligned (1).
        let memory = unsafe { Memory::new(mapping.base, layout) };
        // SAFETY: the memory has so many blocks, and `Replay` drops the ring before the mapping; the
        // other side is at rest (3).
        let ring = unsafe { Ring::new(memory, geometry.block_count()) };
        let replay = Self {
            ring,
            mapping,
            geometry,
            _socket: socket,
        };
        replay.await_rest();
        replay
    }

    /// Waits until the kernel has opened the block that it froze at.
    fn await_rest(&self) {
        for _ in 0..20 {
            thread::sleep(RETIRE_TIMEOUT / 2);
            let empty = self.blocks().filter(|&block| {
                // SAFETY: inside the block.
                let packets = unsafe { block.add(at::PACKETS) };
                // SAFETY: aligned; the kernel writes this word whole when it opens the block, and we
                // only look.
                unsafe { packets.cast::<u32>().read_volatile() == 0 }
            });
            if empty.count() == 1 {
                return;
            }
        }
        panic!("the kernel does not come to rest");
    }

    fn blocks(&self) -> impl Iterator<Item = *mut u8> + use<> {
        let (base, size) = (self.mapping.base, self.geometry.block_size() as usize);
        (0..self.geometry.block_count().get() as usize)
            // SAFETY: inside the mapping (1).
            .map(move |block| unsafe { base.add(block * size) }.as_ptr())
    }

    /// Hands all blocks to the reader once more.
    pub(crate) fn hand_out(&mut self) {
        for block in self.blocks() {
            // SAFETY: `block` begins a block of the mapping (1).
            let status = unsafe { status(block) };
            status.store(1, Ordering::Release);
        }
    }

    /// The plain loop: raw pointers, no check of what the ring says, nothing prefetched.
    #[inline(never)]
    pub(crate) fn walk_raw(&mut self) -> Seen {
        let mut seen = Seen::default();
        for block in self.blocks() {
            // SAFETY: `block` begins a block of the mapping (1).
            let status = unsafe { status(block) };
            if status.load(Ordering::Acquire) & 1 == 0 {
                break;
            }
            // SAFETY: the block is ours (3), and what it says leads to its records (4).
            unsafe { walk_block(block, &mut seen) };
            status.store(0, Ordering::Release);
        }
        seen
    }

    /// `Block::for_each`.
    #[inline(never)]
    pub(crate) fn walk_with_closure(&mut self) -> Seen {
        let mut seen = Seen::default();
        let mut receiver = self.ring.receiver();
        while let Some(guard) = receiver.next_block() {
            let Some(block) = Block::open(guard, &self.geometry) else {
                break;
            };
            let _ = block.for_each(|packet| {
                seen.add_packet(packet);
                ControlFlow::Continue(())
            });
        }
        seen
    }

    /// `Block::packets` and a `for` loop.
    #[inline(never)]
    pub(crate) fn walk_with_iterator(&mut self) -> Seen {
        let mut seen = Seen::default();
        let mut receiver = self.ring.receiver();
        while let Some(guard) = receiver.next_block() {
            let Some(block) = Block::open(guard, &self.geometry) else {
                break;
            };
            for packet in block.packets() {
                seen.add_packet(packet);
            }
        }
        seen
    }
}

/// The ring in memory.
struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

impl Mapping {
    fn new(socket: &Socket<Bound<Rx>>, geometry: &Geometry) -> Self {
        let len = usize::try_from(geometry.bytes()).expect("64 bits");
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let base = unsafe { mmap(core::ptr::null_mut(), len, access, flags, socket.as_fd(), 0) };
        let base = NonNull::new(base.expect("a mapping").cast()).expect("not at zero");
        Self { base, len }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the ring in it is gone.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// The status word of a block.
///
/// # Safety
///
/// `block` begins a block of a mapping that outlives the result.
#[inline(always)]
unsafe fn status<'a>(block: *mut u8) -> &'a AtomicU32 {
    // SAFETY: inside the block.
    let word = unsafe { block.add(at::STATUS) };
    // SAFETY: aligned (1), and reached as an atomic alone (2).
    unsafe { AtomicU32::from_ptr(word.cast()) }
}

/// Walks one block as C would.
///
/// # Safety
///
/// `block` begins a block that is the caller's (3) and that the kernel has filled (4).
#[inline(always)]
#[expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "the plain loop that the library is measured against"
)]
unsafe fn walk_block(block: *const u8, seen: &mut Seen) {
    // SAFETY: what the kernel wrote leads from record to record within the block (4), all of whose
    // words are aligned.
    unsafe {
        let packets = block.add(at::PACKETS).cast::<u32>().read();
        let first = block.add(at::FIRST_PACKET).cast::<u32>().read();
        let mut record = block.add(first as usize);
        for _ in 0..packets {
            let mac = record.add(at::MAC).cast::<u16>().read();
            seen.add(
                record.add(at::NANOSECONDS).cast::<u32>().read(),
                record.add(at::LENGTH).cast::<u32>().read(),
                record.add(usize::from(mac) + PAYLOAD_BYTE).read(),
            );
            let next = record.add(at::NEXT).cast::<u32>().read();
            record = record.add(next as usize);
        }
    }
}
