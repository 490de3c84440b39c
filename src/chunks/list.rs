//! Chunks that are free, linked through the table. The invariants are those of [`chunks`](super).

use core::fmt;
use core::mem;

use super::state::State;
use super::{Chunk, Chunks, Slot};
use crate::sync::{AtomicU32, Ordering};

/// Free chunks, owned together. Holds a handle.
///
/// Any number of lists share the table's links: a list has no capacity and needs no heap. The chunk that was
/// given last comes first.
pub struct List<O> {
    chunks: Chunks<O>,
    /// The first and the last; of no meaning where there is none.
    first: u32,
    last: u32,
    len: u32,
}

impl<O> List<O> {
    /// All chunks of a table that was just made.
    pub(super) fn of_all(chunks: Chunks<O>) -> Self {
        let len = chunks.count();
        let list = Self {
            chunks,
            first: 0,
            last: len.saturating_sub(1),
            len,
        };
        for number in 1..len {
            // Relaxed: see `link`.
            list.link(number - 1).store(number, Ordering::Relaxed);
        }
        list
    }

    /// A list without chunks.
    #[must_use]
    pub fn new(chunks: Chunks<O>) -> Self {
        Self {
            chunks,
            first: 0,
            last: 0,
            len: 0,
        }
    }

    /// The link of a chunk, which only the owner of the list that it is in touches: Relaxed will do.
    fn link(&self, number: u32) -> &AtomicU32 {
        assert!(number < self.chunks.count(), "a chunk of this table");
        // SAFETY: the list has a handle, which keeps the owner; one of the chunks.
        unsafe { self.chunks.table.link(number) }
    }

    fn state(&self, number: u32) -> State<'_> {
        self.chunks.state(number)
    }

    /// How many chunks there are.
    #[inline(always)]
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is none.
    #[inline(always)]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The handle of the list.
    #[inline(always)]
    pub fn chunks(&self) -> &Chunks<O> {
        &self.chunks
    }

    /// The number of the first chunk, which is in the list no more; its byte is still `FREE`.
    #[inline(always)]
    fn pop(&mut self) -> Option<u32> {
        self.len = self.len.checked_sub(1)?;
        let number = self.first;
        self.first = self.link(number).load(Ordering::Relaxed);
        Some(number)
    }

    /// Puts a chunk first, whose byte the caller has made `FREE`.
    #[inline(always)]
    fn push(&mut self, number: u32) {
        if self.len == 0 {
            self.last = number;
        }
        self.link(number).store(self.first, Ordering::Relaxed);
        self.first = number;
        self.len += 1;
    }

    /// Takes a chunk; `None` where there is none.
    #[inline(always)]
    pub fn take(&mut self) -> Option<Chunk<O>> {
        let number = self.pop()?;
        self.state(number).take_from_list();
        Some(Chunk::new(self.chunks.table.alias(), number))
    }

    /// Gives a chunk back.
    ///
    /// # Errors
    ///
    /// The chunk, where it belongs to another table.
    #[inline(always)]
    pub fn give(&mut self, chunk: Chunk<O>) -> Result<(), Chunk<O>> {
        if !self.chunks.owns(&chunk) {
            return Err(chunk);
        }
        let chunk = mem::ManuallyDrop::new(chunk);
        self.state(chunk.number()).put_into_list();
        self.push(chunk.number());
        Ok(())
    }

    /// Gives a chunk to a fill ring. Returns its number; `None` where there is none.
    #[inline(always)]
    pub fn fill(&mut self, slot: Slot) -> Option<u32> {
        let number = self.pop()?;
        self.state(number).give_away(slot.fill());
        Some(number)
    }

    /// Takes a chunk that came out of a completion ring. Whether the socket had sent it: otherwise it is
    /// counted as spurious.
    ///
    /// # Safety
    ///
    /// As for [`Chunks::completed`].
    #[inline(always)]
    pub unsafe fn complete(&mut self, number: u32, slot: Slot) -> bool {
        // SAFETY: the caller's promise.
        let Some(chunk) = (unsafe { self.chunks.completed(number, slot) }) else {
            return false;
        };
        // Of the same table, as `self` asked it.
        let chunk = mem::ManuallyDrop::new(chunk);
        self.state(chunk.number()).put_into_list();
        self.push(chunk.number());
        true
    }

    /// Parts off a list of the first `len` chunks, or of all where there are fewer. Takes as many steps.
    #[must_use]
    pub fn split(&mut self, len: u32) -> Self {
        let mut part = Self::new(self.chunks.clone());
        for _ in 0..len {
            let Some(number) = self.pop() else { break };
            part.push(number);
        }
        part
    }

    /// Puts all chunks of another list first.
    ///
    /// # Errors
    ///
    /// The other list, where it belongs to another table.
    pub fn append(&mut self, mut other: Self) -> Result<(), Self> {
        if self.chunks.table != other.chunks.table {
            return Err(other);
        }
        if other.len == 0 {
            return Ok(());
        }
        if self.len == 0 {
            self.last = other.last;
        } else {
            self.link(other.last).store(self.first, Ordering::Relaxed);
        }
        self.first = other.first;
        self.len += mem::take(&mut other.len);
        Ok(())
    }

    /// Takes all chunks that were dropped, by whomever. Returns how many. Looks at every chunk of the table.
    pub fn take_back(&mut self) -> u32 {
        let before = self.len;
        for number in 0..self.chunks.count() {
            if self.state(number).take_back() {
                self.push(number);
            }
        }
        self.len - before
    }
}

impl<O> Drop for List<O> {
    fn drop(&mut self) {
        while let Some(number) = self.pop() {
            self.state(number).drop_from_list();
        }
    }
}

impl<O> fmt::Debug for List<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List({} of {} chunks)", self.len, self.chunks.count())
    }
}
