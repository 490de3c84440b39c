//! The kernel's side of one queue, as far as ownership goes: an honest one, and what others do.

use core::sync::atomic::Ordering;
use std::collections::VecDeque;

use packet_ring::ring::{Descriptor, Entry, RingSize};

use super::memory::HeapRing;

/// Bytes of a chunk.
pub(crate) const CHUNK: u64 = 4096;
/// Where in its chunk the kernel puts a packet.
const HEADROOM: u64 = 256;

/// Which chunk lies at an address that came from the kernel: of unaligned chunks the offset stands in the
/// upper 16 bits.
pub(crate) fn chunk_at(address: u64) -> u32 {
    let base = address & ((1 << 48) - 1);
    u32::try_from((base + (address >> 48)) / CHUNK).unwrap_or(u32::MAX)
}

impl<T: Entry> HeapRing<T> {
    /// Slots that are filled, by what the words say.
    fn filled(&self) -> u32 {
        let words = self.words();
        let producer = words.producer.load(Ordering::Acquire);
        producer.wrapping_sub(words.consumer.load(Ordering::Acquire))
    }

    /// Fills a slot; `false` where none is free.
    fn push(&self, entry: T) -> bool {
        if self.filled() >= self.size().get() {
            return false;
        }
        let words = self.words();
        let producer = words.producer.load(Ordering::Relaxed);
        self.fill(producer, entry);
        words
            .producer
            .store(producer.wrapping_add(1), Ordering::Release);
        true
    }

    /// Reads a slot; `None` where none is filled.
    fn pop(&self) -> Option<T> {
        if self.filled() == 0 || self.filled() > self.size().get() {
            return None;
        }
        let words = self.words();
        let consumer = words.consumer.load(Ordering::Relaxed);
        let entry = self.peek(consumer);
        words
            .consumer
            .store(consumer.wrapping_add(1), Ordering::Release);
        Some(entry)
    }
}

/// A ring, and what is in it as its producer believes.
#[derive(Debug)]
pub(crate) struct Witnessed<T> {
    pub(crate) ring: HeapRing<T>,
    pub(crate) entries: VecDeque<T>,
    /// Somebody wrote a word that was not his: what is read is anything.
    pub(crate) is_forged: bool,
}

impl<T: Entry> Witnessed<T> {
    fn new(size: RingSize, start: u32) -> Self {
        Self {
            ring: HeapRing::new(size, start),
            entries: VecDeque::new(),
            is_forged: false,
        }
    }

    /// The other end has read `entry`: it is what was put in first.
    pub(crate) fn was_read(&mut self, entry: T)
    where
        T: PartialEq + core::fmt::Debug,
    {
        if !self.is_forged {
            assert_eq!(self.entries.pop_front(), Some(entry));
        }
    }

    fn push(&mut self, entry: T) -> bool {
        let is_room = self.ring.push(entry);
        if is_room {
            self.entries.push_back(entry);
        }
        is_room
    }

    fn pop(&mut self) -> Option<T>
    where
        T: PartialEq + core::fmt::Debug,
    {
        let entry = self.ring.pop()?;
        self.was_read(entry);
        Some(entry)
    }
}

/// The rings of one socket.
#[derive(Debug)]
pub(crate) struct Rings {
    pub(crate) rx: Witnessed<Descriptor>,
    pub(crate) tx: Witnessed<Descriptor>,
}

/// The kernel behind one queue, on which one socket or several share the fill and completion rings.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) fill: Witnessed<u64>,
    pub(crate) completion: Witnessed<u64>,
    pub(crate) sockets: Vec<Rings>,
    /// Out of the fill ring, without a packet.
    pub(crate) empty: Vec<u64>,
    /// Out of a transmit ring, not on the wire yet.
    pub(crate) sending: Vec<u64>,
    /// What was handed back last, by the receive ring and by the completion ring.
    received: Option<u64>,
    completed: Option<u64>,
}

/// What a kernel does, on its own or to harm.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    TakeFill,
    Deliver,
    TakeTx,
    Complete,
    /// Hands back an address that lies in no chunk, or in the middle of one, or with a high offset.
    EchoRx,
    EchoCompletion,
    /// Hands back what it handed back last.
    DeliverTwice,
    CompleteTwice,
    /// Hands back any chunk.
    DeliverForeign,
    CompleteForeign,
    /// Moves an index of its own past what the program filled or freed.
    OverAdvance,
}

impl Kernel {
    pub(crate) fn new(sockets: usize, size: RingSize, start: u32) -> Self {
        let rings = || Rings {
            rx: Witnessed::new(size, start),
            tx: Witnessed::new(size, start),
        };
        Self {
            fill: Witnessed::new(size, start),
            completion: Witnessed::new(size, start),
            sockets: (0..sockets).map(|_| rings()).collect(),
            empty: Vec::new(),
            sending: Vec::new(),
            received: None,
            completed: None,
        }
    }

    /// Does one thing, if it can; `count` is the number of chunks, `choice` chooses what among many.
    pub(crate) fn act(&mut self, act: Act, count: u32, choice: u32) {
        let socket = choice as usize % self.sockets.len();
        match act {
            Act::TakeFill => {
                if let Some(address) = self.fill.pop() {
                    self.empty.push(address);
                }
            }
            Act::Deliver if !self.empty.is_empty() => {
                let index = choice as usize % self.empty.len();
                let chunk = self.empty[index] / CHUNK * CHUNK;
                // The upper 16 bits hold the offset where chunks are unaligned.
                let address = match choice >> 31 {
                    0 => chunk + HEADROOM,
                    _ => chunk | (HEADROOM << 48),
                };
                if self.deliver(socket, address) {
                    self.empty.swap_remove(index);
                }
            }
            Act::TakeTx => {
                if let Some(descriptor) = self.sockets[socket].tx.pop() {
                    self.sending.push(descriptor.address);
                }
            }
            Act::Complete if !self.sending.is_empty() => {
                let index = choice as usize % self.sending.len();
                if self.complete(self.sending[index]) {
                    self.sending.swap_remove(index);
                }
            }
            Act::EchoRx => _ = self.deliver(socket, bad_address(count, choice)),
            Act::EchoCompletion => _ = self.complete(bad_address(count, choice)),
            Act::DeliverTwice => {
                if let Some(address) = self.received {
                    self.deliver(socket, address);
                }
            }
            Act::CompleteTwice => {
                if let Some(address) = self.completed {
                    self.complete(address);
                }
            }
            Act::DeliverForeign => _ = self.deliver(socket, u64::from(choice % count) * CHUNK),
            Act::CompleteForeign => _ = self.complete(u64::from(choice % count) * CHUNK),
            Act::OverAdvance => self.over_advance(socket, choice),
            Act::Deliver | Act::Complete => {}
        }
    }

    fn deliver(&mut self, socket: usize, address: u64) -> bool {
        let descriptor = Descriptor {
            address,
            len: 64,
            options: 0,
        };
        let is_room = self.sockets[socket].rx.push(descriptor);
        if is_room {
            self.received = Some(address);
        }
        is_room
    }

    fn complete(&mut self, address: u64) -> bool {
        let is_room = self.completion.push(address);
        if is_room {
            self.completed = Some(address);
        }
        is_room
    }

    fn over_advance(&mut self, socket: usize, choice: u32) {
        // Within the ring, where stale entries come again; just past it; far off.
        let distance = match choice >> 8 & 3 {
            0 | 1 => choice >> 10 & 3,
            2 => self.fill.ring.size().get() + 1,
            _ => choice,
        };
        let Rings { rx, tx } = &mut self.sockets[socket];
        let word = match choice >> 12 & 3 {
            0 => {
                self.fill.is_forged = true;
                &self.fill.ring.words().consumer
            }
            1 => {
                tx.is_forged = true;
                &tx.ring.words().consumer
            }
            2 => {
                rx.is_forged = true;
                &rx.ring.words().producer
            }
            _ => {
                self.completion.is_forged = true;
                &self.completion.ring.words().producer
            }
        };
        word.fetch_add(distance, Ordering::Release);
    }
}

fn bad_address(count: u32, choice: u32) -> u64 {
    let end = u64::from(count) * CHUNK;
    let inside = u64::from(choice % count) * CHUNK + u64::from(choice % CHUNK as u32);
    match choice >> 16 & 7 {
        0 => end,
        1 => end + inside,
        2 => u64::MAX,
        3 => u64::from(u32::MAX) * CHUNK,
        // The sum of offset and address lies behind the end.
        4 => (end - 1) | (0x1000 << 48),
        5 => inside | (0xffff << 48),
        6 => inside | (0x0100 << 48),
        _ => inside,
    }
}
