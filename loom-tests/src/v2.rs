//! `tpacket_rcv` and `packet_poll` for `TPACKET_V2`, over one ring.

use core::num::NonZeroU32;

use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use packet_ring::handoff::{Block, Handle, Ring, USER};

use crate::kernel::{Fate, LOSING};
use crate::memory::Blocks;
use crate::sleep::{Polled, WaitQueue};
use crate::step;

/// Bytes of a frame: the packet, twice.
const FRAME: usize = 2;

/// The kernel's side of one `TPACKET_V2` ring: each packet in a slot of its own. Clones stand for the
/// same socket.
#[derive(Clone, Debug)]
pub struct KernelV2(Arc<Socket>);

#[derive(Debug)]
struct Socket {
    frames: Blocks,
    count: usize,
    /// The frame that is filled next. Stored under the lock, and loaded outside it too.
    head: AtomicUsize,
    drops: AtomicU32,
    queue: Mutex<Queue>,
    waiting: WaitQueue,
    /// Steps that concern the processors alone.
    steps: AtomicUsize,
}

/// What the lock of the receive queue guards.
#[derive(Debug)]
struct Queue {
    /// `rx_owner_map`: which frames a processor fills.
    filling: Vec<bool>,
    /// Packets, in the order in which they were given their places.
    placed: Vec<u8>,
    /// And in the order in which their frames were handed over.
    filled: Vec<u8>,
}

impl KernelV2 {
    /// Makes a ring of `frames` frames, all free, and the program's side of it.
    ///
    /// # Panics
    ///
    /// Where there are no frames.
    #[must_use]
    pub fn with_ring(frames: u32) -> (Self, Ring) {
        let count = NonZeroU32::new(frames).expect("a ring has frames");
        let (frames, ring) = Blocks::with_ring(count, FRAME);
        let count = count.get() as usize;
        let socket = Socket {
            frames,
            count,
            head: AtomicUsize::new(0),
            drops: AtomicU32::new(0),
            queue: Mutex::new(Queue {
                filling: vec![false; count],
                placed: Vec::new(),
                filled: Vec::new(),
            }),
            waiting: WaitQueue::new(),
            steps: AtomicUsize::new(0),
        };
        (Self(Arc::new(socket)), ring)
    }

    /// A packet arrives, on the processor that this thread stands for.
    pub fn receive(&self, packet: u8) -> Fate {
        let socket = &*self.0;
        if !socket.has_room() {
            socket.drops.fetch_add(1, Ordering::Relaxed);
            return Fate::NoRoom;
        }
        let mut queue = socket.queue.lock().unwrap();
        let Some(frame) = socket.place(&mut queue, packet) else {
            drop(queue);
            socket.drops.fetch_add(1, Ordering::Relaxed);
            socket.waiting.wake();
            return Fate::Occupied;
        };
        let losing = match socket.drops.load(Ordering::Relaxed) {
            0 => 0,
            _ => LOSING,
        };
        drop(queue);
        socket.frames.write(frame, 0, &[packet]);
        socket.steps.fetch_add(1, Ordering::Relaxed);
        socket.frames.write(frame, 1, &[packet]);
        {
            let mut queue = socket.queue.lock().unwrap();
            socket.frames.publish(frame, USER | losing);
            queue.filling[frame] = false;
            queue.filled.push(packet);
        }
        socket.waiting.wake();
        Fate::Stored
    }

    /// Sleeps in `poll`, without a timeout, until the ring is readable.
    ///
    /// The kernel calls it readable as long as the frame before the next one is not free.
    pub fn poll(&self) -> Polled {
        self.0.waiting.sleep_until(|| self.is_readable())
    }

    /// Asks `poll`, with a timeout of zero, whether the ring is readable.
    pub fn is_readable(&self) -> bool {
        let socket = &*self.0;
        let _queue = socket.queue.lock().unwrap();
        step();
        socket
            .frames
            .peek((socket.head() + socket.count - 1) % socket.count)
            != 0
    }

    pub(crate) fn wait_queue(&self) -> &WaitQueue {
        &self.0.waiting
    }

    /// The packets that were stored or are being stored, in the order of the ring.
    #[must_use]
    pub fn placed(&self) -> Vec<u8> {
        self.0.queue.lock().unwrap().placed.clone()
    }

    /// The packets that were stored, in the order in which their frames were handed over.
    #[must_use]
    pub fn filled(&self) -> Vec<u8> {
        self.0.queue.lock().unwrap().filled.clone()
    }
}

impl Socket {
    fn head(&self) -> usize {
        self.head.load(Ordering::Relaxed)
    }

    /// A frame's status, which the program may have written only as zero, or beside `USER`.
    fn status(&self, frame: usize) -> u32 {
        let status = self.frames.status(frame);
        assert!(
            status == 0 || status & USER != 0,
            "the program gave frame {frame} back with {status:#x}, which wedges the ring"
        );
        status
    }

    /// `packet_rcv_has_room`, outside the lock: whether the frame at the head is free.
    fn has_room(&self) -> bool {
        self.frames.peek(self.head()) == 0
    }

    /// `packet_current_rx_frame`: the frame at the head, where it is free and nobody fills it.
    fn place(&self, queue: &mut Queue, packet: u8) -> Option<usize> {
        let frame = self.head();
        if self.status(frame) != 0 || queue.filling[frame] {
            return None;
        }
        queue.filling[frame] = true;
        queue.placed.push(packet);
        let next = (frame + 1) % self.count;
        self.head.store(next, Ordering::Relaxed);
        Some(frame)
    }
}

/// Reads a frame as a program does, keeping what it lent across a step: its packet.
///
/// # Panics
///
/// Where the frame is half filled.
#[must_use]
pub fn packet<H: Handle>(frame: &Block<H>) -> u8 {
    let bytes = frame.bytes();
    step();
    assert_eq!(bytes[0], bytes[1], "half a frame was handed out");
    bytes[0]
}
