//! The state byte of a chunk. The invariants are those of [`chunks`](super).

use super::Consumers;
use crate::sync::{AtomicU8, AtomicU32, Ordering, SLOT_WORDS};

/// In a list.
const FREE: u8 = 0;
/// Out: a `Chunk` of it exists, or was forgotten.
const USER: u8 = 1;
/// Its `Chunk` was dropped, or the list that it was in.
const DROPPED: u8 = 2;
/// Out, and no handle is left.
const ORPHAN: u8 = 3;
/// From here on, three states a slot: in a fill ring, in a transmit ring, there with metadata.
const SLOTS: u8 = 4;
const STATES_A_SLOT: u8 = 3;

/// By which a socket, or several on one queue, give chunks to the kernel: 84 at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u8);

impl Slot {
    /// How many there are.
    pub const COUNT: u32 = (u8::MAX as u32 + 1 - SLOTS as u32) / STATES_A_SLOT as u32;

    pub(super) fn take(words: &[AtomicU32; SLOT_WORDS]) -> Option<Self> {
        for number in 0..Self::COUNT {
            let bit = 1 << (number % u32::BITS);
            let word = &words[(number / u32::BITS) as usize];
            // Acquire: pairs with the Release of `give_back`; what was reclaimed is seen as reclaimed.
            if word.fetch_or(bit, Ordering::Acquire) & bit == 0 {
                return Some(Self(SLOTS + number as u8 * STATES_A_SLOT));
            }
        }
        None
    }

    pub(super) fn give_back(self, words: &[AtomicU32; SLOT_WORDS]) {
        let number = self.number();
        let bit = 1 << (number % u32::BITS as usize);
        // Release: pairs with the Acquire of `take`.
        words[number / u32::BITS as usize].fetch_and(!bit, Ordering::Release);
    }

    /// Which it is, from 0.
    #[must_use]
    pub fn number(self) -> usize {
        ((self.0 - SLOTS) / STATES_A_SLOT).into()
    }

    #[inline(always)]
    pub(super) fn fill(self) -> u8 {
        self.0
    }

    #[inline(always)]
    pub(super) fn send(self) -> u8 {
        self.0 + 1
    }

    #[inline(always)]
    pub(super) fn send_with_metadata(self) -> u8 {
        self.0 + 2
    }
}

/// Where the chunks of a UMEM are. They add up to all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// In pools.
    pub free: u32,
    /// Out, as frames.
    pub held: u32,
    /// Dropped: a pool can take them back.
    pub dropped: u32,
    /// Given to be filled with received packets, not handed back yet.
    pub with_rx: u32,
    /// Given to be transmitted, not completed yet.
    pub with_tx: u32,
}

/// One byte.
pub(super) struct State<'t>(&'t AtomicU8);

impl<'t> State<'t> {
    #[inline(always)]
    pub(super) fn new(byte: &'t AtomicU8) -> Self {
        Self(byte)
    }

    /// What the kernel, or a list, had becomes `USER`, if the byte is as `expected`.
    #[inline(always)]
    pub(super) fn take(&self, expected: u8, consumers: Consumers) -> bool {
        // Relaxed throughout: a chunk passes through the ring's index words, which order its byte too.
        match consumers {
            Consumers::One => {
                let is_there = self.0.load(Ordering::Relaxed) == expected;
                if is_there {
                    self.0.store(USER, Ordering::Relaxed);
                }
                is_there
            }
            Consumers::Several => self
                .0
                .compare_exchange(expected, USER, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok(),
        }
    }

    /// What we own becomes as `state` says.
    #[inline(always)]
    pub(super) fn give_away(&self, state: u8) {
        // Relaxed: whoever takes it next hears of it through an index word, or owns it as we do.
        self.0.store(state, Ordering::Relaxed);
    }

    /// What is in our list becomes ours.
    #[inline(always)]
    pub(super) fn take_from_list(&self) {
        self.0.store(USER, Ordering::Relaxed);
    }

    /// What we own, or what was handed back to us, becomes part of our list.
    #[inline(always)]
    pub(super) fn put_into_list(&self) {
        self.0.store(FREE, Ordering::Relaxed);
    }

    /// What was dropped, by whomever, becomes part of our list, if nobody was faster.
    pub(super) fn take_back(&self) -> bool {
        // A look first: few were dropped, and an exchange would claim every line.
        // Acquire: pairs with the Release of who dropped it; its use of the bytes comes before ours.
        self.0.load(Ordering::Relaxed) == DROPPED
            && self
                .0
                .compare_exchange(DROPPED, FREE, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    /// Our chunk is dropped. Whether it was an orphan.
    pub(super) fn drop_chunk(&self) -> bool {
        // Release: pairs with the Acquire of who takes the chunk back, or drops the last handle: our use of
        // the bytes comes before. Acquire: pairs with the last handle's exchange; an orphan sees the count.
        self.0.swap(DROPPED, Ordering::AcqRel) == ORPHAN
    }

    /// The list that it is in is dropped.
    pub(super) fn drop_from_list(&self) {
        // Release: as in `drop_chunk`.
        self.0.store(DROPPED, Ordering::Release);
    }

    /// No handle is left: what is out becomes an orphan. Whether it did.
    pub(super) fn orphan(&self) -> bool {
        // Release: the count of orphans is seen by who drops this one. Acquire, where it is out no more:
        // pairs with its drop; what was done with it comes before the memory goes.
        self.0
            .compare_exchange(USER, ORPHAN, Ordering::Release, Ordering::Acquire)
            .is_ok()
    }

    /// What the kernel had by the slot counts as dropped. Whether it had it.
    pub(super) fn reclaim(&self, slot: Slot) -> bool {
        let byte = self.0.load(Ordering::Relaxed);
        let had = [slot.fill(), slot.send(), slot.send_with_metadata()].contains(&byte);
        if had {
            self.drop_from_list();
        }
        had
    }

    pub(super) fn count_into(&self, census: &mut Census) {
        // Relaxed: a count to look at.
        let count = match self.0.load(Ordering::Relaxed) {
            FREE => &mut census.free,
            USER | ORPHAN => &mut census.held,
            DROPPED => &mut census.dropped,
            byte if (byte - SLOTS).is_multiple_of(STATES_A_SLOT) => &mut census.with_rx,
            _ => &mut census.with_tx,
        };
        *count += 1;
    }
}
