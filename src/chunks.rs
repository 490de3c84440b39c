//! Who owns which chunk of a UMEM.
//!
//! A chunk has one state byte. The program owns a chunk through one [`Chunk`], which cannot be copied,
//! or keeps it in one [`List`]; the kernel has it between a fill ring and a receive ring, or between a
//! transmit ring and a completion ring. What the kernel hands back becomes a [`Chunk`] only where the byte
//! says that this very socket gave it away.
//!
//! Handles ([`Chunks`]) and chunks that are out keep the memory alive together, without a heap: it goes
//! with the last of them.
//!
//! This module makes no system call, and is the very code that the loom models check. Programs that want
//! packets use `xdp`.
//!
//! # What the bytes cannot see
//!
//! A byte tells that a chunk is with the kernel, not since when. A kernel that keeps to the protocol hands
//! back each chunk once. Of one that does not, whatever a byte contradicts is refused and counted: a chunk
//! that was never given away, or by another socket, or by the other ring, or was taken back since. A *stale
//! duplicate* is not: a chunk is handed back, rightly, and given to the kernel again by the same ring, and
//! only then the kernel hands it back a second time for the first. The byte agrees, the program owns the
//! chunk while the kernel still has it, and what the kernel hands back later, rightly, is what is counted.
//! Nothing in the rings tells the two apart. No chunk is owned twice by the program even then, nor lost.
//!
//! # Safety
//!
//! 1. Of a chunk whose byte is `USER` exactly one [`Chunk`] exists, or it was forgotten; of one that is
//!    `FREE` none exists, and it is in one [`List`], or in one that was forgotten; of any other none
//!    exists.
//! 2. A byte that is `USER`, `FREE`, or given to the kernel by a slot is changed by one party alone: by the
//!    owner of the `Chunk`; by the owner of the `List`; by the one consumer of that slot's ring. Exempt
//!    are the last handle, which turns `USER` into `ORPHAN`; and several consumers of one slot
//!    ([`Consumers::Several`]), which exchange. A `DROPPED` byte is exchanged by whoever finds it.
//! 3. The table's owner is there while a handle lives (a `List` has one), and after the last one while
//!    there are orphans. A `Chunk` is a `USER` byte or an orphan, so it keeps the owner too.
//! 4. The number of a `Chunk`, and each link of a `List`, lies below the table's count.

mod chunk;
mod list;
mod state;

use core::fmt;

use crate::sync::{Ordering, Table, fence};

pub use self::chunk::Chunk;
pub use self::list::List;
use self::state::State;
pub use self::state::{Census, Slot};

/// The most chunks that a table can have.
pub const MAX_COUNT: u32 = Chunk::<()>::NUMBER;

/// How many consumers take from the ring that chunks of one slot come back by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumers {
    /// One: a look and a store suffice.
    One,
    /// Several, which share a fill ring: each has to win the chunk.
    Several,
}

/// A handle to all chunks of one table, counted.
pub struct Chunks<O> {
    table: Table<O>,
}

impl<O> Chunks<O> {
    /// The first handle to a table, and all of its chunks.
    ///
    /// # Safety
    ///
    /// The table was just made, is not used otherwise, and has at most [`MAX_COUNT`] chunks.
    #[must_use]
    pub unsafe fn new(table: Table<O>) -> (Self, List<O>) {
        let chunks = Self { table };
        let list = List::of_all(chunks.clone());
        (chunks, list)
    }

    /// What lives as long as the table.
    #[inline(always)]
    pub fn owner(&self) -> &O {
        // SAFETY: a handle keeps the owner (invariant 3).
        unsafe { self.table.owner() }
    }

    /// How many chunks there are.
    #[inline(always)]
    #[must_use]
    pub fn count(&self) -> u32 {
        // SAFETY: a handle keeps the owner (invariant 3).
        unsafe { self.table.count() }
    }

    /// Whether the chunk is one of these.
    #[inline(always)]
    #[must_use]
    pub fn owns(&self, chunk: &Chunk<O>) -> bool {
        self.table == chunk.table
    }

    /// How often the kernel handed back what this socket had not given it.
    #[must_use]
    pub fn spurious(&self) -> u32 {
        // Relaxed: a count to look at.
        // SAFETY: a handle keeps the owner (invariant 3).
        unsafe { self.table.spurious() }.load(Ordering::Relaxed)
    }

    /// Counts an address that belongs to no chunk.
    #[cold]
    pub fn count_spurious(&self) {
        // Relaxed: a count to look at.
        // SAFETY: a handle keeps the owner (invariant 3).
        unsafe { self.table.spurious() }.fetch_add(1, Ordering::Relaxed);
    }

    fn state(&self, number: u32) -> State<'_> {
        assert!(number < self.count(), "a chunk of this table");
        // SAFETY: a handle keeps the owner (invariant 3); one of the chunks.
        State::new(unsafe { self.table.state(number) })
    }

    /// Takes a slot, for a socket, or several on one queue, to give chunks to the kernel by; `None` where
    /// all are taken.
    #[must_use]
    pub fn take_slot(&self) -> Option<Slot> {
        // SAFETY: a handle keeps the owner (invariant 3).
        Slot::take(unsafe { self.table.slots() })
    }

    /// Takes back what the kernel had by the slot, which another may take then: the chunks count as
    /// dropped. Returns how many there were.
    ///
    /// # Safety
    ///
    /// The kernel uses no chunk that it had by this slot any more, and no producer or consumer of the slot
    /// is left.
    pub unsafe fn reclaim(&self, slot: Slot) -> u32 {
        let reclaimed = (0..self.count()).filter(|&number| self.state(number).reclaim(slot));
        let reclaimed = reclaimed.count() as u32;
        // SAFETY: a handle keeps the owner (invariant 3).
        slot.give_back(unsafe { self.table.slots() });
        reclaimed
    }

    /// Gives the chunk to a fill ring. Returns its number.
    ///
    /// # Errors
    ///
    /// The chunk, where it belongs to another table.
    #[inline]
    pub fn fill(&self, chunk: Chunk<O>, slot: Slot) -> Result<u32, Chunk<O>> {
        if !self.owns(&chunk) {
            return Err(chunk);
        }
        Ok(chunk.give_away(slot.fill()))
    }

    /// Gives the chunk to a transmit ring. Returns its number.
    ///
    /// # Errors
    ///
    /// The chunk, where it belongs to another table.
    #[inline]
    pub fn send(&self, chunk: Chunk<O>, slot: Slot) -> Result<u32, Chunk<O>> {
        if !self.owns(&chunk) {
            return Err(chunk);
        }
        let state = if chunk.has_metadata() {
            slot.send_with_metadata()
        } else {
            slot.send()
        };
        Ok(chunk.give_away(state))
    }

    /// The chunk of this number, which came out of a receive ring; `None`, and counted, where the socket
    /// had not put it into its fill ring.
    ///
    /// # Safety
    ///
    /// The kernel handed it back by the slot's receive ring, or one of them where there are several
    /// [`Consumers`]; the caller is the only consumer of its ring, and does this once for each entry.
    #[inline(always)]
    pub unsafe fn received(
        &self,
        number: u32,
        slot: Slot,
        consumers: Consumers,
    ) -> Option<Chunk<O>> {
        if number < self.count() && self.state(number).take(slot.fill(), consumers) {
            // It was the kernel's, and is ours alone now (invariant 2).
            return Some(Chunk::new(self.table.alias(), number));
        }
        self.count_spurious();
        None
    }

    /// The chunk of this number, which came out of a completion ring; `None`, and counted, where the
    /// socket had not sent it. It [has metadata](Chunk::has_metadata) where it was sent with it.
    ///
    /// # Safety
    ///
    /// The kernel handed it back by the slot's completion ring, whose only consumer the caller is, and who
    /// does this once for each entry.
    #[inline(always)]
    pub unsafe fn completed(&self, number: u32, slot: Slot) -> Option<Chunk<O>> {
        if number < self.count() {
            let state = self.state(number);
            if state.take(slot.send(), Consumers::One) {
                return Some(Chunk::new(self.table.alias(), number));
            }
            if state.take(slot.send_with_metadata(), Consumers::One) {
                let mut chunk = Chunk::new(self.table.alias(), number);
                chunk.set_metadata(true);
                return Some(chunk);
            }
        }
        self.count_spurious();
        None
    }

    /// Where all chunks are. Exact while nobody else moves any, else a snapshot of moments.
    #[must_use]
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for number in 0..self.count() {
            self.state(number).count_into(&mut census);
        }
        census
    }
}

impl<O> Clone for Chunks<O> {
    /// Another handle.
    ///
    /// # Panics
    ///
    /// Where there are 4,294,967,295 already.
    fn clone(&self) -> Self {
        // Relaxed: whoever gets the new handle gets it from us, who hold one.
        // SAFETY: a handle keeps the owner (invariant 3).
        let counted = unsafe { self.table.handles() }.fetch_update(
            Ordering::Relaxed,
            Ordering::Relaxed,
            |handles| handles.checked_add(1),
        );
        assert!(counted.is_ok(), "the handles of a table are countable");
        Self {
            table: self.table.alias(),
        }
    }
}

impl<O> Drop for Chunks<O> {
    fn drop(&mut self) {
        // Release: pairs with the fence of whoever drops the last handle; all that was done by this one comes
        // before the memory goes.
        // SAFETY: a handle keeps the owner (invariant 3).
        if unsafe { self.table.handles() }.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        // One more than chunks can be dropped meanwhile: none of them can be the last before we know how
        // many there are.
        // Relaxed: published by the exchanges below.
        // SAFETY: we have not counted ourselves out as an owner of orphans yet (invariant 3).
        unsafe { self.table.orphans() }.store(self.count() + 1, Ordering::Relaxed);
        let orphans = (0..self.count()).filter(|&number| self.state(number).orphan());
        let gone = self.count() + 1 - orphans.count() as u32;
        // SAFETY: as above: `gone` is at least the one that stands for us.
        unsafe { count_down(&self.table, gone) };
    }
}

/// Takes note that so many of a table's orphans have gone, and frees it with the last.
///
/// # Safety
///
/// They were counted, and the caller uses the table no more.
unsafe fn count_down<O>(table: &Table<O>, gone: u32) {
    // Release and Acquire: all that was done with the other orphans comes before the memory goes.
    // SAFETY: those who are counted keep the owner.
    let left = unsafe { table.orphans() }.fetch_sub(gone, Ordering::AcqRel) - gone;
    if left == 0 {
        // SAFETY: nobody is left to use it; the count reaches zero once.
        drop(unsafe { table.alias().take_owner() });
    }
}

impl<O> fmt::Debug for Chunks<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chunks").field(&self.census()).finish()
    }
}
