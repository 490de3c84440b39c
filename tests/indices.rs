//! The cursors of index rings, over words that hold anything and change at any time.

mod conserved {
    pub(crate) mod cursors;
    pub(crate) mod memory;
}

use core::mem;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use conserved::cursors;
use conserved::memory::HeapRing;
use packet_ring::ring::RingSize;
use proptest::prelude::*;

/// Without optimisation the cases are made slowly.
const CASES: u32 = if cfg!(debug_assertions) {
    2_000
} else {
    50_000
};

const FOUR: RingSize = RingSize::new_assert(4);

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_words_hold_the_cursors_do_as_the_oracle_says(
        input in proptest::collection::vec(any::<u8>(), 0..400)
    ) {
        cursors::run(&input);
    }
}

/// A ring of four filled slots, whose index wraps within them.
fn filled() -> HeapRing<u64> {
    let start = u32::MAX - 1;
    let ring = HeapRing::new(FOUR, start);
    for distance in 0..4 {
        ring.fill(start.wrapping_add(distance), u64::from(distance) + 10);
    }
    let words = ring.words();
    words
        .producer
        .store(start.wrapping_add(4), Ordering::Release);
    ring
}

/// Who read an entry may have made a frame of it: the same entry again would make the frame a second
/// time.
#[test]
fn what_a_forgotten_batch_held_comes_no_second_time() {
    let ring = filled();
    let mut consumer = ring.consumer();
    let mut batch = consumer.batch(3);
    assert_eq!(batch.next(), Some(10));
    mem::forget(batch);
    assert_eq!(consumer.filled(), 1);
    assert_eq!(consumer.batch(4).collect::<Vec<_>>(), [13]);
    let words = ring.words();
    assert_eq!(
        words.consumer.load(Ordering::Acquire),
        words.producer.load(Ordering::Acquire),
        "the slots went back with the next batch"
    );
}

/// Else the other side finds no slot, nothing is ever ready, and nobody looks again.
#[test]
fn a_ring_all_of_which_was_forgotten_goes_back() {
    let ring = filled();
    let mut consumer = ring.consumer();
    mem::forget(consumer.batch(4));
    assert!(consumer.is_ready(), "there is something to give back");
    assert_eq!(consumer.batch(4).next(), None);
    assert!(!consumer.is_ready());
    let words = ring.words();
    assert_eq!(
        words.consumer.load(Ordering::Acquire),
        words.producer.load(Ordering::Acquire)
    );
}

#[test]
fn of_a_corrupt_ring_nothing_is_handed_out_any_more() {
    let ring = filled();
    let producer = &ring.words().producer;
    let good = producer.load(Ordering::Acquire);
    let mut consumer = ring.consumer();
    assert_eq!(consumer.filled(), 4);
    producer.store(good.wrapping_add(1), Ordering::Release);
    for word in [good.wrapping_add(1), good] {
        producer.store(word, Ordering::Release);
        assert_eq!(consumer.filled(), 0);
        assert!(consumer.is_corrupt());
        assert!(!consumer.is_ready());
        let mut batch = consumer.batch(4);
        batch.extend(4);
        assert_eq!(batch.next(), None);
    }

    let ring = filled();
    let consumer = &ring.words().consumer;
    let good = consumer.load(Ordering::Acquire);
    let mut producer = ring.producer();
    assert_eq!((producer.room(), producer.outstanding()), (0, 4));
    for word in [good.wrapping_sub(1), good.wrapping_add(4)] {
        consumer.store(word, Ordering::Release);
        assert_eq!(producer.room(), 0);
        assert!(producer.is_corrupt());
        assert_eq!(producer.batch(4).push(1), Err(1));
    }
}

/// Sets the flag when it is dropped.
struct OnDrop<'f>(&'f AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The other side's word changes between any two instructions of ours: no more than the ring has is ever
/// handed out, and nothing waits for a word to be sane.
#[test]
fn words_that_another_thread_changes_stay_within_the_ring() {
    const CHANGES: u32 = 100_000;
    let size = RingSize::new_assert(8);
    let (filled, emptied) = (HeapRing::<u64>::new(size, 0), HeapRing::<u64>::new(size, 0));
    let (their_fills, their_reads) = (filled.words(), emptied.words());
    let (changes, ends) = (AtomicU32::new(0), AtomicBool::new(false));
    let (mut read, mut written, mut latched) = (0_u64, 0_u64, 0_u32);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut word = 1_u32;
            while !ends.load(Ordering::Relaxed) {
                // Mostly near where the cursors are, now and then anywhere.
                word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let far = if word.is_multiple_of(1_000) { word } else { 0 };
                let own = their_fills.consumer.load(Ordering::Relaxed);
                their_fills
                    .producer
                    .store(own.wrapping_add((word >> 16) % 9 + far), Ordering::Release);
                let own = their_reads.producer.load(Ordering::Relaxed);
                their_reads
                    .consumer
                    .store(own.wrapping_sub((word >> 20) % 9 + far), Ordering::Release);
                their_reads.flags.store(word, Ordering::Relaxed);
                changes.fetch_add(1, Ordering::Relaxed);
            }
        });
        // However this thread ends, the other must, or nobody hears of it.
        let _end = OnDrop(&ends);
        let (mut consumer, mut producer) = (filled.consumer(), emptied.producer());
        // The changes go on until each was seen.
        while changes.load(Ordering::Relaxed) < CHANGES || read == 0 || written == 0 || latched == 0
        {
            let batch = consumer.batch(u32::MAX);
            assert!(batch.len() <= 8);
            assert_eq!(batch.sum::<u64>(), 0);
            let known = consumer.filled();
            assert!(known <= 8);
            read += u64::from(known);

            let mut batch = producer.batch(u32::MAX);
            assert!(batch.room() <= 8);
            while batch.push(0).is_ok() {
                written += 1;
            }
            drop(batch);
            assert!(producer.room() <= 8 && producer.outstanding() <= 8);
            let _ = producer.needs_wakeup();

            if consumer.is_corrupt() {
                assert_eq!(consumer.batch(1).next(), None);
                consumer = filled.consumer();
                latched += 1;
            }
            if producer.is_corrupt() {
                assert_eq!(producer.batch(1).room(), 0);
                producer = emptied.producer();
                latched += 1;
            }
        }
    });
}
