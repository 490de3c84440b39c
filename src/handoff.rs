//! The slot protocol: how blocks and frames pass between the kernel and the program.
//!
//! A slot is a status word and the bytes that it guards; whoever the word names owns the bytes. The
//! kernel fills a block and then stores the word with `USER` set; the program takes the block with
//! an Acquire load, reads it, and gives it back by storing zero with Release. Frames to be sent go the
//! other way round: see [`TxRing`]. Nothing else synchronises the two sides.
//!
//! This module holds no file descriptor and makes no system call. It is public for runtimes that
//! map rings themselves, and it is the very code that the loom models check. Programs that want
//! packets use [`packet`](crate::packet).
//!
//! # Safety
//!
//! 1. A slot whose word has `USER` set belongs to the program; the kernel stores to such a word no
//!    more, and to its bytes neither, until the program has stored zero.
//! 2. Within the program, [`HELD`] says that a [`Block`] of the slot is out. It is set before the
//!    block is handed out, by the one thread that has `&mut` to the ring's cursor, and goes with the
//!    zero that the block's drop stores. So at most one `Block` of a slot exists.
//! 3. An `Index` is made here alone and lies below the number of slots of the ring it is used on.
//! 4. `&mut Ring` proves that no borrowed `Block` lives: what is still `HELD` then was forgotten.

#[cfg(feature = "alloc")]
mod shared;
mod transmit;

use core::num::NonZeroU32;
use core::ops::Deref;

use crate::sync::{AtomicBool, AtomicU32, Lent, LentMut, Memory, Ordering};

#[cfg(feature = "alloc")]
pub use self::shared::{Shared, SharedReceiver};
pub use self::transmit::{Completion, HeaderLayout, Queued, TxFrame, TxRing};

/// Set by the kernel: the program owns the slot. `TP_STATUS_USER`.
pub const USER: u32 = 1;

/// Set by the program beside [`USER`]: a [`Block`] of the slot is out.
///
/// The kernel asks of a block's status only whether `USER` is set and whether it is exactly zero, so
/// it tolerates this bit; none of its flags uses it.
pub const HELD: u32 = 1 << 27;

/// What the kernel reads as its own: the one value that gives a block back. `TP_STATUS_KERNEL`.
const KERNEL: u32 = 0;

/// The number of one slot of one ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Index(u32);

impl Index {
    const FIRST: Self = Self(0);

    fn after(self, count: NonZeroU32) -> Self {
        let next = self.0 + 1;
        if next == count.get() {
            Self::FIRST
        } else {
            Self(next)
        }
    }

    /// The slot `distance` before this one; `distance` is at most `count`.
    fn back(self, distance: u32, count: NonZeroU32) -> Self {
        if self.0 >= distance {
            Self(self.0 - distance)
        } else {
            Self(self.0 + (count.get() - distance))
        }
    }
}

/// The slots of one ring, shared by its cursor and by every block that is out.
#[derive(Debug)]
pub struct Slots {
    memory: Memory,
    count: NonZeroU32,
    corrupt: AtomicBool,
}

impl Slots {
    #[inline(always)]
    fn word(&self, index: Index) -> &AtomicU32 {
        // SAFETY: an `Index` lies below `count` (invariant 3), and `Ring::new` was promised that many
        // slots for as long as `self` lives.
        unsafe { self.memory.word(index.0 as usize) }
    }

    /// How many slots there are.
    #[must_use]
    pub fn count(&self) -> NonZeroU32 {
        self.count
    }

    /// How many slots carry [`HELD`] now: blocks that are out, or were forgotten.
    ///
    /// Exact when no other thread releases blocks meanwhile.
    pub fn held(&self) -> u32 {
        let mut held = 0;
        let mut index = Index::FIRST;
        for _ in 0..self.count.get() {
            // Relaxed: a count to look at; no bytes are read on its strength.
            held += u32::from(self.word(index).load(Ordering::Relaxed) & HELD != 0);
            index = index.after(self.count);
        }
        held
    }

    /// Says that the ring holds words that the kernel does not write; it stays so. The handoff goes on;
    /// it is [`packet`](crate::packet) that hands out no more.
    pub fn mark_corrupt(&self) {
        // Relaxed: a latch; what it stops is decided by whoever reads it next.
        self.corrupt.store(true, Ordering::Relaxed);
    }

    /// Whether [`mark_corrupt`](Self::mark_corrupt) was called.
    pub fn is_corrupt(&self) -> bool {
        self.corrupt.load(Ordering::Relaxed)
    }

    /// Gives the slot back to the kernel.
    fn release(&self, index: Index) {
        // Release: pairs with the kernel's load of the word and the control dependency behind it
        // (and smp_rmb): our reads of the bytes come before its next writes.
        self.word(index).store(KERNEL, Ordering::Release);
    }
}

mod sealed {
    pub trait Sealed {}
}

/// What keeps the slots of a [`Block`] alive: a borrow, or a shared owner.
///
/// Sealed: a block relies on its handle always naming the same slots.
pub trait Handle: Deref<Target = Slots> + sealed::Sealed {}

impl sealed::Sealed for &Slots {}
impl Handle for &Slots {}

/// A block that the kernel has filled, owned until it is dropped; dropping gives it back.
///
/// Forgetting it is safe: the ring stops at the slot, and takes it back as soon as `&mut` to the
/// ring proves that no borrowed block lives. A shared ring can never prove it: there the block stays
/// out, and [`Slots::held`] counts it.
#[derive(Debug)]
pub struct Block<H: Handle> {
    slots: H,
    index: Index,
    status: u32,
}

impl<H: Handle> Block<H> {
    /// The status word as it was when the block was taken, without [`HELD`].
    #[inline]
    pub fn status(&self) -> u32 {
        self.status
    }

    /// The bytes of the slot behind its status word.
    #[inline]
    pub fn bytes(&self) -> Lent<'_> {
        // SAFETY: `self` is the only block of its slot (invariant 2), which the kernel leaves alone
        // (invariant 1); the result borrows `self`, so no `bytes_mut` is out.
        unsafe { self.slots.memory.lend(self.index.0 as usize) }
    }

    /// The bytes of the slot behind its status word, for writing.
    ///
    /// What is written is nobody's concern but the writer's: the kernel overwrites it.
    #[inline]
    pub fn bytes_mut(&mut self) -> LentMut<'_> {
        self.parts_mut().0
    }

    /// The slots that this block is one of.
    #[inline]
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// [`bytes_mut`](Self::bytes_mut) and [`slots`](Self::slots) at once.
    #[inline]
    pub fn parts_mut(&mut self) -> (LentMut<'_>, &Slots) {
        // SAFETY: as in `bytes`, and the result borrows `self` exclusively; the fields of `Slots` lie
        // elsewhere.
        let bytes = unsafe { self.slots.memory.lend_mut(self.index.0 as usize) };
        (bytes, &self.slots)
    }
}

impl<H: Handle> Drop for Block<H> {
    fn drop(&mut self) {
        self.slots.release(self.index);
    }
}

/// Where the program is in its ring.
#[derive(Debug)]
struct Cursor {
    next: Index,
    /// Slots handed out since the last look for forgotten blocks; at most the number of slots.
    handed_out: u32,
    taken_back: u64,
}

impl Cursor {
    const START: Self = Self {
        next: Index::FIRST,
        handed_out: 0,
        taken_back: 0,
    };

    #[inline]
    fn is_ready(&self, slots: &Slots) -> bool {
        // Relaxed: only asks; `take` reads the bytes.
        let word = slots.word(self.next).load(Ordering::Relaxed);
        word & (USER | HELD) == USER
    }

    #[inline]
    fn take(&mut self, slots: &Slots) -> Option<(Index, u32)> {
        let index = self.next;
        // Acquire: pairs with the kernel's smp_wmb before its store of the word, and, where a block
        // of this slot was dropped on another thread, orders us behind that drop through the kernel.
        let status = slots.word(index).load(Ordering::Acquire);
        if status & (USER | HELD) != USER {
            return None;
        }
        // Relaxed: until we store zero the word is ours alone (invariants 1 and 2), and the bit tells
        // nobody anything but ourselves.
        slots.word(index).store(status | HELD, Ordering::Relaxed);
        self.next = index.after(slots.count);
        self.handed_out = (self.handed_out + 1).min(slots.count.get());
        Some((index, status))
    }

    /// Gives back what was handed out and forgotten. No block of `slots` may live.
    fn take_back(&mut self, slots: &Slots) {
        let mut index = self.next.back(self.handed_out, slots.count);
        for _ in 0..self.handed_out {
            // Relaxed: whoever held a block of this slot did so under a borrow that has ended.
            if slots.word(index).load(Ordering::Relaxed) & HELD != 0 {
                slots.release(index);
                self.taken_back += 1;
            }
            index = index.after(slots.count);
        }
        self.handed_out = 0;
    }
}

/// A receive ring: its slots, and the program's place in it.
#[derive(Debug)]
pub struct Ring {
    slots: Slots,
    cursor: Cursor,
}

impl Ring {
    /// Makes a ring of `count` slots, all still the kernel's, its cursor at the first.
    ///
    /// # Safety
    ///
    /// `memory` has `count` slots, valid as long as the ring, what is borrowed from it and what
    /// `into_shared` makes of it; the other side keeps to the protocol; and no other ring is made of
    /// the same memory.
    ///
    /// A `&mut Ring` that is lent to safe code can be swapped for another ring, which then outlives
    /// its own memory: lend a [`Receiver`], which cannot be parted from what it borrows.
    #[must_use]
    pub unsafe fn new(memory: Memory, count: NonZeroU32) -> Self {
        Self {
            slots: Slots {
                memory,
                count,
                corrupt: AtomicBool::new(false),
            },
            cursor: Cursor::START,
        }
    }

    /// The next block that the kernel has filled, or `None` where there is none yet.
    ///
    /// Blocks that were forgotten earlier are given back first.
    #[inline]
    pub fn next_block(&mut self) -> Option<Block<&Slots>> {
        self.receiver().next_block()
    }

    /// Hands out many blocks at a time, to be dropped anywhere and in any order.
    ///
    /// Blocks that were forgotten earlier are given back first.
    #[inline]
    pub fn receiver(&mut self) -> Receiver<'_> {
        // `&mut self`: no borrowed block lives (invariant 4).
        self.cursor.take_back(&self.slots);
        Receiver {
            slots: &self.slots,
            cursor: &mut self.cursor,
        }
    }

    /// The slots of the ring.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// How many forgotten blocks were given back.
    pub fn taken_back(&self) -> u64 {
        self.cursor.taken_back
    }
}

/// Hands out the blocks of a borrowed ring in order; any number may be out at once.
#[derive(Debug)]
pub struct Receiver<'r> {
    slots: &'r Slots,
    cursor: &'r mut Cursor,
}

impl<'r> Receiver<'r> {
    /// The next block that the kernel has filled; `None` where there is none yet, or where the block
    /// at the cursor is still out.
    #[inline]
    pub fn next_block(&mut self) -> Option<Block<&'r Slots>> {
        let slots = self.slots;
        let (index, status) = self.cursor.take(slots)?;
        Some(Block {
            slots,
            index,
            status,
        })
    }

    /// Whether [`next_block`](Self::next_block) would return a block.
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.cursor.is_ready(self.slots)
    }

    /// The slots of the ring.
    #[inline]
    pub fn slots(&self) -> &'r Slots {
        self.slots
    }

    /// How many forgotten blocks were given back before this receiver was made.
    pub fn taken_back(&self) -> u64 {
        self.cursor.taken_back
    }
}
