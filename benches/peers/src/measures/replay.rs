//! A ring that the kernel has filled, handed to its reader again and again.
//!
//! The kernel fills the ring until it freezes. Then the link goes, the reader takes everything once, and the kernel opens
//! the one block that it waited for, empty. From then on it touches nothing: it never retires an empty block, and no
//! packet comes. So storing `USER` into the status words hands the same packets to the reader once more.
//!
//! # Safety
//!
//! 1. [`Replay`] maps the ring of its reader's socket for itself, for as long as it lives. Blocks are whole pages, so
//!    every word is aligned.
//! 2. Status words are reached as atomics alone.
//! 3. The kernel is at rest once [`Replay::new`] has seen it so, and the reader has returned whenever blocks are handed
//!    out: nobody else reads or writes then.

use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::thread;

use packet_ring_lab::{Injector, frame};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::peer::{Answer, Blocks, Peer, Receive, Ring, Seen, cable};

const STATUS: usize = 8;
const PACKETS: usize = 12;

/// Longer than a block takes to fill.
const RETIRE_TIMEOUT: Duration = Duration::from_millis(50);

/// A filled ring, its reader, and a mapping of it.
pub(crate) struct Replay {
    reader: Box<dyn Receive>,
    base: NonNull<u8>,
    blocks: Blocks,
}

impl Replay {
    /// Lets the kernel fill a ring with frames of `len` bytes.
    pub(crate) fn new(peer: &dyn Peer, ring: Ring, len: usize) -> Answer<Self> {
        let ring = Ring {
            retire_timeout: RETIRE_TIMEOUT,
            ..ring
        };
        let [near, far] = cable()?;
        let mut reader = peer.receiver(&far, &ring)?;
        reader.will_sleep(false);
        let blocks = reader.blocks()?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe {
            mmap(
                null_mut(),
                blocks.size * blocks.count,
                access,
                flags,
                reader.fd(),
                0,
            )
        }?;
        let replay = Self {
            reader,
            base: NonNull::new(base.cast()).ok_or("a mapping at zero")?,
            blocks,
        };
        let injector = Injector::on(&near.link)?;
        let template = frame::numbered(0, len);
        // More than any ring of these sizes holds: a record is longer than its packet.
        let enough = (blocks.size * blocks.count / len + 1000) as u64;
        injector.flood(&template, 0..enough);
        near.link.delete()?;
        replay.settled()
    }

    /// Takes everything once, and waits until the kernel has opened the block that it froze at.
    fn settled(mut self) -> Answer<Self> {
        for _ in 0..40 {
            self.reader.drain(&mut Seen::default());
            thread::sleep(RETIRE_TIMEOUT);
            let empty = (0..self.blocks.count).filter(|&block| {
                // SAFETY: inside the block.
                let packets = unsafe { self.block(block).add(PACKETS) };
                // SAFETY: aligned; the kernel writes this word whole when it opens the block.
                unsafe { packets.cast::<u32>().read_volatile() == 0 }
            });
            if empty.count() == 1 {
                return Ok(self);
            }
        }
        Err("the kernel did not come to rest".into())
    }

    fn block(&self, index: usize) -> *mut u8 {
        // SAFETY: below the number of blocks, inside the mapping (1).
        unsafe { self.base.add(index * self.blocks.size) }.as_ptr()
    }

    /// Hands all blocks out.
    pub(crate) fn hand_out(&mut self) {
        for block in 0..self.blocks.count {
            // SAFETY: inside the block.
            let status = unsafe { self.block(block).add(STATUS) };
            // SAFETY: aligned (1), and reached as an atomic alone (2).
            let status = unsafe { AtomicU32::from_ptr(status.cast()) };
            status.store(1, Ordering::Release);
        }
    }

    pub(crate) fn reader(&mut self) -> &mut dyn Receive {
        &mut *self.reader
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        let len = self.blocks.size * self.blocks.count;
        // SAFETY: mapped by `new`, unmapped once; nothing borrows it.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), len) };
    }
}
