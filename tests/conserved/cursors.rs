//! Both cursors over index words that anybody changes at any time, held against an oracle that
//! computes in integers wide enough not to wrap.

use core::mem;
use core::sync::atomic::Ordering;

use packet_ring::ring::{Consumer, ConsumerBatch, NEED_WAKEUP, Producer, ProducerBatch, RingSize};

use super::memory::HeapRing;

/// What is done, byte by byte; zeros once there are none left.
struct Input<'i>(&'i [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// Any number, but more often one near `center`.
    fn near(&mut self, center: u32) -> u32 {
        match self.byte() {
            0xff => self.word(),
            distance => center.wrapping_add_signed(i32::from(distance.cast_signed())),
        }
    }
}

/// How far `end` lies behind `start` on the circle of 2^32.
fn distance(end: u32, start: u32) -> u64 {
    (i64::from(end) - i64::from(start)).rem_euclid(1 << 32) as u64
}

/// What one side must believe.
#[derive(Debug)]
struct Oracle {
    size: u64,
    own: u32,
    /// Our word in the memory, as we wrote it.
    stored: u32,
    /// Filled slots that a consumer knows of, or free ones that a producer knows of.
    known: u64,
    corrupt: bool,
}

impl Oracle {
    fn new(size: RingSize, start: u32) -> Self {
        Self {
            size: size.get().into(),
            own: start,
            stored: start,
            known: 0,
            corrupt: false,
        }
    }

    /// So many slots are filled, or taken, by what the other side's word says.
    fn look(&mut self, slots: u64, known: impl FnOnce(u64) -> u64) {
        if slots > self.size {
            self.corrupt = true;
        } else if !self.corrupt {
            self.known = known(slots);
        }
        if self.corrupt {
            self.known = 0;
        }
    }
}

/// Does to both sides of two rings what `input` says.
pub(crate) fn run(input: &[u8]) {
    let mut input = Input(input);
    let size = RingSize::new_assert(1 << (input.byte() % 7));
    let start = input.word();
    let filled = HeapRing::<u64>::new(size, start);
    let emptied = HeapRing::<u64>::new(size, start);
    for index in 0..size.get() {
        filled.fill(index, index.into());
    }
    // The two sides begin where the words stand, wherever that is.
    let other = input.near(start);
    filled.words().producer.store(other, Ordering::Relaxed);
    emptied.words().consumer.store(other, Ordering::Relaxed);
    let mut reading = Reading {
        consumer: filled.consumer(),
        oracle: Oracle::new(size, start),
        ring: &filled,
    };
    let mut writing = Writing {
        producer: emptied.producer(),
        oracle: Oracle::new(size, start),
        ring: &emptied,
        taken: size.get().into(),
    };
    // A producer looks when it begins.
    writing.look();
    while !input.0.is_empty() {
        match input.byte() % 8 {
            0 => change(&filled, &mut input, reading.oracle.own, true),
            1 => change(&emptied, &mut input, writing.oracle.own, false),
            2..=4 => reading.batch(&mut input),
            5 | 6 => writing.batch(&mut input),
            _ => {
                reading.ask();
                writing.ask();
            }
        }
        reading.check();
        writing.check();
    }
}

/// Somebody changes a word or a slot. Ours is changed too: it is written, never read again.
fn change(ring: &HeapRing<u64>, input: &mut Input<'_>, near: u32, fills: bool) {
    let words = ring.words();
    let theirs = if fills {
        &words.producer
    } else {
        &words.consumer
    };
    match input.byte() % 8 {
        0 => words.flags.store(input.word(), Ordering::Relaxed),
        1 => ring.fill(input.word(), input.byte().into()),
        _ => theirs.store(input.near(near), Ordering::Relaxed),
    }
}

struct Reading<'r> {
    consumer: Consumer<u64>,
    oracle: Oracle,
    ring: &'r HeapRing<u64>,
}

impl Reading<'_> {
    fn look(&mut self) {
        let producer = self.ring.words().producer.load(Ordering::Relaxed);
        let filled = distance(producer, self.oracle.own);
        self.oracle.look(filled, |filled| filled);
    }

    fn ask(&mut self) {
        let producer = self.ring.words().producer.load(Ordering::Relaxed);
        let ready = producer != self.oracle.stored && !self.oracle.corrupt;
        assert_eq!(self.consumer.is_ready(), ready);
        self.look();
        assert_eq!(u64::from(self.consumer.filled()), self.oracle.known);
    }

    fn batch(&mut self, input: &mut Input<'_>) {
        if self.oracle.known == 0 {
            self.look();
        }
        let max = input.near(8);
        let mut left = self.oracle.known.min(max.into());
        let mut beyond = self.oracle.known - left;
        let mut next = self.oracle.own;
        let mut batch = self.consumer.batch(max);
        loop {
            assert_eq!(u64::from(batch.remaining()), left);
            assert_eq!(batch.len() as u64, left);
            match input.byte() % 16 {
                0 => break drop(batch),
                1 => {
                    // What it held is lost; its slots go back with the next batch.
                    mem::forget(batch);
                    self.oracle.own = next.wrapping_add(left as u32);
                    self.oracle.known = beyond;
                    return;
                }
                2 => {
                    let max = input.byte();
                    batch.limit(max.into());
                    let limited = left.min(max.into());
                    beyond += left - limited;
                    left = limited;
                }
                3 => {
                    let max = input.near(8);
                    batch.extend(max);
                    let extended = (left + beyond).min(max.into()).max(left);
                    beyond -= extended - left;
                    left = extended;
                }
                4 => change(self.ring, input, next, true),
                5 => Self::ahead(self.ring, &batch, next, left, input.near(0)),
                _ => {
                    let expected = (left > 0).then(|| self.ring.peek(next));
                    assert_eq!(batch.next(), expected);
                    if left > 0 {
                        left -= 1;
                        next = next.wrapping_add(1);
                    }
                }
            }
        }
        self.oracle.own = next;
        self.oracle.stored = next;
        self.oracle.known = left + beyond;
    }

    /// Looking ahead takes nothing.
    fn ahead(
        ring: &HeapRing<u64>,
        batch: &ConsumerBatch<'_, u64>,
        next: u32,
        left: u64,
        distance: u32,
    ) {
        let expected = (u64::from(distance) < left).then(|| ring.peek(next.wrapping_add(distance)));
        assert_eq!(batch.ahead(distance), expected);
    }

    fn check(&self) {
        let consumer = self.ring.words().consumer.load(Ordering::Relaxed);
        assert_eq!(consumer, self.oracle.stored);
        assert_eq!(self.consumer.is_corrupt(), self.oracle.corrupt);
    }
}

struct Writing<'r> {
    producer: Producer<u64>,
    oracle: Oracle,
    ring: &'r HeapRing<u64>,
    /// Slots that the other side had not given back when its word was last believed.
    taken: u64,
}

impl Writing<'_> {
    fn look(&mut self) {
        let consumer = self.ring.words().consumer.load(Ordering::Relaxed);
        let taken = distance(self.oracle.own, consumer);
        let size = self.oracle.size;
        self.oracle.look(taken, |taken| size - taken);
        if taken <= size {
            self.taken = taken;
        }
    }

    fn ask(&mut self) {
        let flags = self.ring.words().flags.load(Ordering::Relaxed);
        assert_eq!(self.producer.needs_wakeup(), flags & NEED_WAKEUP != 0);
        self.look();
        assert_eq!(u64::from(self.producer.room()), self.oracle.known);
        assert_eq!(u64::from(self.producer.outstanding()), self.taken);
    }

    fn batch(&mut self, input: &mut Input<'_>) {
        let max = input.near(8);
        if self.oracle.size - self.taken < max.into() {
            self.look();
        }
        let mut left = self.oracle.known.min(max.into());
        let beyond = self.oracle.known - left;
        let mut next = self.oracle.own;
        let mut batch: ProducerBatch<'_, u64> = self.producer.batch(max);
        loop {
            assert_eq!(u64::from(batch.room()), left);
            match input.byte() % 16 {
                0 => break drop(batch),
                1 => return mem::forget(batch),
                2 => change(self.ring, input, next, false),
                entry => {
                    let entry = entry.into();
                    if left == 0 {
                        assert_eq!(batch.push(entry), Err(entry));
                        continue;
                    }
                    assert_eq!(batch.push(entry), Ok(()));
                    assert_eq!(self.ring.peek(next), entry);
                    left -= 1;
                    next = next.wrapping_add(1);
                }
            }
        }
        self.taken += distance(next, self.oracle.own);
        self.oracle.own = next;
        self.oracle.stored = next;
        self.oracle.known = left + beyond;
    }

    fn check(&self) {
        let producer = self.ring.words().producer.load(Ordering::Relaxed);
        assert_eq!(producer, self.oracle.stored);
        assert_eq!(self.producer.is_corrupt(), self.oracle.corrupt);
    }
}
