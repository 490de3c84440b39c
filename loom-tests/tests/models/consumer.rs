//! The consumer alone: more entries than slots, against a kernel that fills them.

use core::mem;

use loom::thread;
use packet_ring::ring::{Consumer, RingSize};
use packet_ring_loom_tests::{KernelProducer, Model, step};

const TWO: RingSize = RingSize::new_assert(2);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// A batch had so many entries.
    Batch(u32),
    /// The kernel stored so many entries while the program read.
    Stored(u64),
    /// A batch with so many entries was forgotten.
    Forgotten(u32),
    /// The program looked without taking note, and an entry was there.
    Ready,
}

/// Fills slots with the numbers from 0 on, with a few attempts.
fn store(mut kernel: KernelProducer<u64>, attempts: u32) -> (KernelProducer<u64>, u64) {
    let mut next = 0;
    for _ in 0..attempts {
        if kernel.reserve(next) {
            next += 1;
        }
        kernel.submit();
    }
    (kernel, next)
}

/// Reads up to `max` entries of a batch of up to two.
fn read(consumer: &mut Consumer<u64>, max: usize, read: &mut Vec<u64>) -> u32 {
    step();
    let mut batch = consumer.batch(2);
    let count = batch.remaining();
    assert_eq!(batch.ahead(count), None, "nothing lies beyond a batch");
    for entry in batch.by_ref().take(max) {
        read.push(entry);
    }
    count
}

/// Reads the rest, and two laps more, when no other thread runs any more. Each of `stored` entries came once
/// and in order, but for those that were lost.
fn finish(
    mut kernel: KernelProducer<u64>,
    mut consumer: Consumer<u64>,
    mut entries: Vec<u64>,
    mut stored: u64,
    lost: &[u64],
) {
    for _ in 0..3 {
        while read(&mut consumer, 2, &mut entries) != 0 {}
        assert!(!consumer.is_ready());
        assert_eq!(consumer.filled(), 0);
        for _ in 0..2 {
            assert!(kernel.reserve(stored), "all slots are free");
            stored += 1;
        }
        kernel.submit();
        assert_eq!(consumer.filled(), 2);
    }
    assert!(!consumer.is_corrupt());
    let expected = (0..stored - 2).filter(|entry| !lost.contains(entry));
    assert!(
        entries.iter().copied().eq(expected),
        "each entry came once and in order: {entries:?} of {stored}, without {lost:?}"
    );
}

/// Indices run on from 2^32 - 1 to 0. A batch that is read in part leaves its rest to the next.
#[test]
fn entries_come_in_order_where_indices_wrap() {
    let model = Model::new("a consumer, wrapping").must_see([
        Seen::Batch(0),
        Seen::Batch(1),
        Seen::Batch(2),
        Seen::Stored(2),
        Seen::Stored(3),
        Seen::Stored(4),
    ]);
    model.check(move |seen| {
        let (kernel, mut consumer) = KernelProducer::with_consumer(TWO, u32::MAX);
        let kernel = thread::spawn(move || store(kernel, 4));
        let mut entries = Vec::new();
        for max in [2, 1, 2] {
            seen.note(Seen::Batch(read(&mut consumer, max, &mut entries)));
        }
        let (kernel, stored) = kernel.join().unwrap();
        seen.note(Seen::Stored(stored));
        finish(kernel, consumer, entries, stored, &[]);
    });
}

/// Indices need not begin at a multiple of the size: the ring's words stand where they were left.
#[test]
fn entries_come_in_order_from_where_the_words_stand() {
    let model = Model::new("a consumer that asks first").must_see([
        Seen::Batch(0),
        Seen::Batch(1),
        Seen::Batch(2),
        Seen::Stored(2),
        Seen::Stored(3),
        Seen::Ready,
    ]);
    model.check(move |seen| {
        let (kernel, mut consumer) = KernelProducer::with_consumer(TWO, 5);
        let kernel = thread::spawn(move || store(kernel, 3));
        let mut entries = Vec::new();
        for _ in 0..2 {
            step();
            let ready = consumer.is_ready();
            let count = read(&mut consumer, 2, &mut entries);
            if ready {
                seen.note(Seen::Ready);
                assert_ne!(count, 0, "what was there is still there");
            }
            seen.note(Seen::Batch(count));
        }
        let (kernel, stored) = kernel.join().unwrap();
        seen.note(Seen::Stored(stored));
        finish(kernel, consumer, entries, stored, &[]);
    });
}

/// A batch that is forgotten takes its entries with it, read or not: what they name may belong to the kernel
/// again. Its slots come back with the next batch.
#[test]
fn entries_of_a_forgotten_batch_come_no_more() {
    let model = Model::new("a consumer's batches forgotten").must_see([
        Seen::Forgotten(0),
        Seen::Forgotten(1),
        Seen::Forgotten(2),
        Seen::Stored(2),
        Seen::Stored(3),
        Seen::Stored(4),
    ]);
    model.check(|seen| {
        let (kernel, mut consumer) = KernelProducer::with_consumer(TWO, u32::MAX);
        let kernel = thread::spawn(move || store(kernel, 4));
        let mut entries = Vec::new();
        step();
        let mut batch = consumer.batch(1);
        batch.extend(2);
        let count = batch.remaining();
        let mut lost: Vec<u64> = (0..u64::from(count)).collect();
        entries.extend(batch.next());
        if !lost.is_empty() {
            lost.remove(0);
        }
        step();
        mem::forget(batch);
        seen.note(Seen::Forgotten(count));
        for _ in 0..2 {
            read(&mut consumer, 2, &mut entries);
        }
        let (kernel, stored) = kernel.join().unwrap();
        seen.note(Seen::Stored(stored));
        finish(kernel, consumer, entries, stored, &lost);
    });
}
