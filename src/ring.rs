//! The index protocol: how descriptors pass between the kernel and the program.
//!
//! A ring is a power of two of slots and two index words that run through all of 2^32 and wrap. The
//! producer fills slots and then stores its word with Release; the consumer loads that word with
//! Acquire, reads the slots, and stores its own word with Release, which gives them back. Each word
//! has one writer, so stores suffice.
//!
//! Both sides work in batches held by value: [`Producer::batch`] reserves slots and publishes with one
//! store, when it is dropped, those that were filled; [`Consumer::batch`] gives back with one store
//! those that were read.
//!
//! This module holds no file descriptor and makes no system call. It is public for runtimes that map
//! rings themselves, and it is the very code that the loom models check. Programs that want packets use
//! `xdp`.
//!
//! # Safety
//!
//! 1. The slots from the consumer's word up to the producer's belong to the consumer, the others to the
//!    producer. Whoever made the ring promised that the other side keeps to this.
//! 2. The program is the only writer of its word, through one `Producer` or `Consumer`, of which no second
//!    is made; so what is cached of it is what it holds.
//! 3. What is cached of the other side's word was loaded with Acquire, and lies at most the ring's size
//!    away from ours: another value is not used, but latched as corrupt.
//! 4. A slot is an index without its upper bits: it lies in the ring whatever the words hold.
//! 5. An entry that was taken from a batch comes no second time, also where the batch was forgotten: as long
//!    as the other side keeps to the protocol, whoever takes an entry is the only one to whom it was handed
//!    back.

mod consumer;
mod producer;

use core::num::NonZeroU32;

use crate::sync::Indices;

pub use self::consumer::{Consumer, ConsumerBatch};
pub use self::producer::{Producer, ProducerBatch};
pub use crate::sync::Entry;

/// Set by the other side in the word of flags: it sleeps, and must be woken by a system call.
/// `XDP_RING_NEED_WAKEUP`.
pub const NEED_WAKEUP: u32 = 1;

/// What a receive or a transmit ring passes: where a packet lies. `struct xdp_desc`.
#[doc(alias = "xdp_desc")]
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// Where the packet begins in the UMEM.
    pub address: u64,
    /// The packet's length in bytes, or that of this fragment.
    pub len: u32,
    /// [`CONTINUES`](Self::CONTINUES), [`HAS_METADATA`](Self::HAS_METADATA).
    pub options: u32,
}

impl Descriptor {
    /// The packet goes on in the next descriptor. `XDP_PKT_CONTD`.
    #[doc(alias = "XDP_PKT_CONTD")]
    pub const CONTINUES: u32 = 1;
    /// Metadata for the transmission lies before the packet. `XDP_TX_METADATA`.
    #[doc(alias = "XDP_TX_METADATA")]
    pub const HAS_METADATA: u32 = 2;
}

impl Entry for Descriptor {}
impl Entry for u64 {}

/// How many slots a ring has: a power of two, up to 2^31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSize(NonZeroU32);

impl RingSize {
    /// A ring of `slots`; `None` where that is no power of two.
    #[must_use]
    pub const fn new(slots: u32) -> Option<Self> {
        match NonZeroU32::new(slots) {
            Some(slots) if slots.is_power_of_two() => Some(Self(slots)),
            _ => None,
        }
    }

    /// The same, for a constant: fails the build where it is no power of two.
    ///
    /// # Panics
    ///
    /// Where `slots` is no power of two.
    #[must_use]
    pub const fn new_assert(slots: u32) -> Self {
        match Self::new(slots) {
            Some(size) => size,
            None => panic!("a ring has a power of two of slots: 1, 2, 4 to 2147483648"),
        }
    }

    /// How many slots.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The slot that an index names.
    #[inline(always)]
    const fn slot(self, index: u32) -> usize {
        (index & (self.0.get() - 1)) as usize
    }
}

/// A ring as one side sees it.
#[derive(Debug)]
struct Side<T> {
    memory: Indices<T>,
    size: RingSize,
    /// How far we are. The producer's word, which nobody else writes; the consumer's lags behind.
    own: u32,
    /// The other side's word when we last looked.
    other: u32,
    corrupt: bool,
}

impl<T: Entry> Side<T> {
    /// Takes note of the other side's word, `filled` slots beyond ours or short of it.
    #[inline]
    fn see(&mut self, other: u32, filled: u32) {
        if filled > self.size.get() {
            self.corrupt = true;
        } else {
            self.other = other;
        }
    }
}
