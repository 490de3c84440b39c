//! `tpacket_rcv`, the retire timer and `packet_poll`, over one ring.

use core::num::NonZeroU32;

use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex, RwLock, RwLockReadGuard};
use packet_ring::handoff::{Ring, USER};
use packet_ring::sync::Mapping;

use crate::block::{CLOSED, HEADER, PACKETS, RECORD, record};
use crate::memory::Blocks;
use crate::sleep::{Polled, WaitQueue};
use crate::step;

/// Set in a status beside `USER` where packets were dropped before. `TP_STATUS_LOSING`.
pub const LOSING: u32 = 4;

/// Set in a status beside `USER` where the retire timer closed the block. `TP_STATUS_BLK_TMO`.
pub const BLK_TMO: u32 = 0x20;

/// The size of a modelled ring.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many blocks it has.
    pub blocks: u32,
    /// How many packets fit into a block.
    pub packets: usize,
}

impl Shape {
    /// How many blocks, and of how many bytes.
    fn checked(self) -> (NonZeroU32, usize) {
        let count = NonZeroU32::new(self.blocks).expect("a ring has blocks");
        assert!(self.packets > 0, "a block has room for a packet");
        (count, record(self.packets))
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It lies in a block.
    Stored,
    /// It was dropped at the door: the active block is not the kernel's.
    NoRoom,
    /// It was dropped behind the door: the queue is frozen.
    Frozen,
    /// It was dropped behind the door: the frame at the head is not free, or still being filled.
    /// TPACKET_V2 alone.
    Occupied,
}

/// What the kernel counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that were stored.
    pub packets: u32,
    /// Packets that were dropped.
    pub drops: u32,
    /// How often the queue froze at a block that the program still had.
    pub freezes: u32,
    /// How often a packet thawed it.
    pub thaws_by_packet: u32,
    /// How often the timer thawed it.
    pub thaws_by_timer: u32,
}

/// The kernel's side of one ring. Clones stand for the same socket.
#[derive(Clone, Debug)]
pub struct Kernel(Arc<Socket>);

#[derive(Debug)]
struct Socket {
    blocks: Blocks,
    shape: Shape,
    /// The block that is open, or at which the queue froze. Stored under the lock, and loaded
    /// outside it too.
    active: AtomicUsize,
    drops: AtomicU32,
    queue: Mutex<Queue>,
    /// Held for reading by each processor that copies a packet into the active block.
    filling: RwLock<()>,
    waiting: WaitQueue,
    steps: AtomicUsize,
}

/// What the lock of the receive queue guards.
#[derive(Debug)]
struct Queue {
    sequence: u8,
    /// Packets in the active block.
    filled: usize,
    frozen: bool,
    counts: Counts,
}

/// A place in a block, given to one packet.
struct Place<'k> {
    block: usize,
    record: usize,
    _filling: RwLockReadGuard<'k, ()>,
}

impl Kernel {
    /// Makes a ring, its first block open, and the program's side of it.
    ///
    /// # Panics
    ///
    /// Where the shape has no block or a block no packet.
    #[must_use]
    pub fn with_ring(shape: Shape) -> (Self, Ring) {
        let (count, size) = shape.checked();
        let (blocks, ring) = Blocks::with_ring(count, size);
        (Self::over(blocks, shape), ring)
    }

    /// The same, and the program's mapping of the ring, which its owner drops when nobody uses the ring any
    /// more: for [`Ring::into_shared`], and for runtimes that map rings themselves.
    ///
    /// # Panics
    ///
    /// As [`with_ring`](Self::with_ring).
    pub fn with_mapped_ring(shape: Shape) -> (Self, Ring, Mapping) {
        let (count, size) = shape.checked();
        let (blocks, ring, mapping) = Blocks::with_mapped_ring(count, size);
        (Self::over(blocks, shape), ring, mapping)
    }

    fn over(blocks: Blocks, shape: Shape) -> Self {
        let socket = Socket {
            blocks,
            shape,
            active: AtomicUsize::new(0),
            drops: AtomicU32::new(0),
            queue: Mutex::new(Queue {
                sequence: 0,
                filled: 0,
                frozen: false,
                counts: Counts::default(),
            }),
            filling: RwLock::new(()),
            waiting: WaitQueue::new(),
            steps: AtomicUsize::new(0),
        };
        socket.open(&mut socket.queue.lock().unwrap());
        Self(Arc::new(socket))
    }

    /// A packet arrives, on the processor that this thread stands for.
    pub fn receive(&self, packet: u8) -> Fate {
        let socket = &*self.0;
        if !socket.has_room() {
            socket.drops.fetch_add(1, Ordering::Relaxed);
            return Fate::NoRoom;
        }
        let mut queue = socket.queue.lock().unwrap();
        let Some(place) = socket.place(&mut queue) else {
            drop(queue);
            socket.drops.fetch_add(1, Ordering::Relaxed);
            socket.waiting.wake();
            return Fate::Frozen;
        };
        queue.counts.packets += 1;
        drop(queue);
        socket.step();
        socket
            .blocks
            .write(place.block, record(place.record) + 1, &[packet]);
        Fate::Stored
    }

    /// The retire timer expires, on the processor that this thread stands for.
    pub fn expire_timer(&self) {
        let socket = &*self.0;
        let mut queue = socket.queue.lock().unwrap();
        if queue.frozen {
            if !socket.program_has(socket.active()) {
                socket.open(&mut queue);
                queue.counts.thaws_by_timer += 1;
            }
        } else if queue.filled > 0 {
            socket.retire(&mut queue, BLK_TMO);
            socket.open_next(&mut queue);
        }
    }

    /// Sleeps in `poll`, without a timeout, until the ring is readable.
    ///
    /// The kernel calls it readable as long as the block before the active one is not free.
    pub fn poll(&self) -> Polled {
        self.0.waiting.sleep_until(|| self.is_readable())
    }

    /// Asks `poll`, with a timeout of zero, whether the ring is readable.
    pub fn is_readable(&self) -> bool {
        let socket = &*self.0;
        let _queue = socket.queue.lock().unwrap();
        let blocks = socket.shape.blocks as usize;
        step();
        socket.blocks.peek((socket.active() + blocks - 1) % blocks) != 0
    }

    pub(crate) fn wait_queue(&self) -> &WaitQueue {
        &self.0.waiting
    }

    /// What was counted until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            drops: self.0.drops.load(Ordering::Relaxed),
            ..self.0.queue.lock().unwrap().counts
        }
    }
}

impl Socket {
    /// A step that concerns the processors alone: loom tries every order of theirs.
    fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// The status of a block, which the program may have written only as zero, or beside `USER`.
    fn status(&self, block: usize) -> u32 {
        let status = self.blocks.status(block);
        assert!(
            status == 0 || status & USER != 0,
            "the program gave block {block} back with {status:#x}, which wedges the ring"
        );
        status
    }

    fn program_has(&self, block: usize) -> bool {
        self.status(block) & USER != 0
    }

    /// `packet_rcv_has_room`, outside the lock: whether the active block is free.
    fn has_room(&self) -> bool {
        self.status(self.active()) == 0
    }

    /// `packet_current_rx_frame`: finds a place, closing a full block and freezing or thawing.
    fn place(&self, queue: &mut Queue) -> Option<Place<'_>> {
        if queue.frozen {
            if self.program_has(self.active()) {
                return None;
            }
            self.open(queue);
            queue.counts.thaws_by_packet += 1;
        }
        if queue.filled == self.shape.packets {
            self.retire(queue, 0);
            if !self.open_next(queue) {
                return None;
            }
        }
        Some(self.fill(queue))
    }

    /// `prb_fill_curr_block`.
    fn fill(&self, queue: &mut Queue) -> Place<'_> {
        let place = Place {
            block: self.active(),
            record: queue.filled,
            _filling: self.filling.read().unwrap(),
        };
        queue.filled += 1;
        let count = u8::try_from(queue.filled).expect("a block of few packets");
        self.blocks.write(place.block, PACKETS, &[count]);
        self.blocks
            .write(place.block, record(place.record), &[RECORD as u8]);
        place
    }

    /// `prb_retire_current_block`: waits for the processors that still copy, then closes the block.
    fn retire(&self, queue: &mut Queue, bits: u32) {
        let block = self.active();
        let status = self.blocks.peek(block);
        assert_eq!(status, 0, "the program wrote block {block}, which is open");
        self.step();
        drop(self.filling.write().unwrap());
        self.close(queue, bits);
    }

    /// `prb_close_block`: hands the block over, wakes the sleeper, and goes on to the next.
    fn close(&self, queue: &mut Queue, bits: u32) {
        let block = self.active();
        self.blocks.write(block, record(queue.filled - 1), &[0]);
        self.blocks.write(block, CLOSED, &[1]);
        let losing = match self.drops.load(Ordering::Relaxed) {
            0 => 0,
            _ => LOSING,
        };
        self.blocks.publish(block, USER | bits | losing);
        self.waiting.wake();
        let next = (block + 1) % self.shape.blocks as usize;
        self.active.store(next, Ordering::Relaxed);
    }

    /// `prb_dispatch_next_block`: opens the active block, or freezes where the program has it.
    fn open_next(&self, queue: &mut Queue) -> bool {
        if self.program_has(self.active()) {
            queue.frozen = true;
            queue.counts.freezes += 1;
            return false;
        }
        self.open(queue);
        true
    }

    /// `prb_open_block`.
    fn open(&self, queue: &mut Queue) {
        queue.sequence += 1;
        queue.filled = 0;
        queue.frozen = false;
        self.blocks
            .write(self.active(), HEADER, &[queue.sequence, 0, 0]);
    }
}
