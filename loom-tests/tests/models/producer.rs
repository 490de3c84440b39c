//! The producer alone: more entries than slots, against a kernel that reads them.

use core::mem;

use loom::thread;
use packet_ring::ring::{Producer, RingSize};
use packet_ring_loom_tests::{KernelConsumer, Model, step};

const TWO: RingSize = RingSize::new_assert(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// A batch had room for so many entries.
    Room(u32),
    /// The kernel read so many entries while the program filled.
    Read(usize),
    /// The program saw so many entries outstanding.
    Outstanding(u32),
}

/// Reads with a few attempts, and gives back at their end.
fn read(mut kernel: KernelConsumer<u64>) -> (KernelConsumer<u64>, Vec<u64>) {
    let mut read = Vec::new();
    for _ in 0..3 {
        step();
        read.extend(kernel.take());
    }
    kernel.release();
    (kernel, read)
}

/// Fills as many slots as the batch has, with the numbers from `next` on.
fn fill(producer: &mut Producer<u64>, want: u32, next: &mut u64) -> u32 {
    step();
    let mut batch = producer.batch(want);
    let room = batch.room();
    assert!(room <= want, "more slots than were asked for");
    for _ in 0..room {
        assert_eq!(batch.push(*next), Ok(()), "there was room");
        step();
        *next += 1;
    }
    assert_eq!(batch.room(), 0);
    assert_eq!(batch.push(99), Err(99), "a full batch gives entries back");
    room
}

/// Reads the rest, and two laps more, when no other thread runs any more: each entry came once and in order,
/// and all slots come back.
fn finish(
    mut kernel: KernelConsumer<u64>,
    mut producer: Producer<u64>,
    mut read: Vec<u64>,
    mut next: u64,
) {
    for _ in 0..3 {
        while let Some(entry) = kernel.take() {
            read.push(entry);
        }
        kernel.release();
        assert_eq!(producer.outstanding(), 0, "all was given back");
        assert_eq!(producer.room(), 2, "all slots are free");
        assert_eq!(fill(&mut producer, 3, &mut next), 2, "all slots are free");
    }
    assert!(!producer.is_corrupt());
    assert!(
        read.iter().copied().eq(0..read.len() as u64),
        "each entry came once and in order: {read:?}"
    );
    assert_eq!(read.len() as u64 + 2, next, "no entry was lost");
}

fn entries_come_once_and_in_order(
    name: &'static str,
    start: u32,
    wants: &'static [u32],
    must_see: &[Seen],
) {
    let model = Model::new(name).must_see(must_see.iter().copied());
    model.check(move |seen| {
        let (kernel, mut producer) = KernelConsumer::with_producer(TWO, start);
        let kernel = thread::spawn(move || read(kernel));
        let mut next = 0;
        for &want in wants {
            seen.note(Seen::Room(fill(&mut producer, want, &mut next)));
        }
        let (kernel, read) = kernel.join().unwrap();
        seen.note(Seen::Read(read.len()));
        finish(kernel, producer, read, next);
    });
}

const WHILE_FILLING: [Seen; 6] = [
    Seen::Room(0),
    Seen::Room(1),
    Seen::Room(2),
    Seen::Read(0),
    Seen::Read(1),
    Seen::Read(2),
];

/// Indices run on from 2^32 - 1 to 0.
#[test]
fn entries_come_in_order_where_indices_wrap() {
    let name = "a producer, wrapping";
    entries_come_once_and_in_order(name, u32::MAX, &[1, 2, 2], &WHILE_FILLING);
}

/// Indices need not begin at a multiple of the size: the ring's words stand where they were left.
#[test]
fn entries_come_in_order_from_where_the_words_stand() {
    entries_come_once_and_in_order("a producer", 5, &[2, 2], &WHILE_FILLING);
}

/// A batch publishes what was filled, be it a part; one that is abandoned or forgotten publishes nothing.
#[test]
fn a_batch_publishes_what_was_filled() {
    let model = Model::new("a producer's batches in part, abandoned, forgotten").must_see([
        Seen::Read(0),
        Seen::Read(1),
        Seen::Read(2),
        Seen::Read(3),
        Seen::Outstanding(0),
        Seen::Outstanding(1),
    ]);
    model.check(|seen| {
        let (kernel, mut producer) = KernelConsumer::with_producer(TWO, u32::MAX);
        let kernel = thread::spawn(move || read(kernel));

        let mut next = 0;
        let mut batch = producer.batch(2);
        assert_eq!(batch.push(next), Ok(()));
        next += 1;
        step();
        assert_eq!(batch.room(), 1);
        drop(batch);

        step();
        let mut batch = producer.batch(1);
        if batch.room() == 1 {
            assert_eq!(batch.push(99), Ok(()));
        }
        step();
        mem::forget(batch);
        step();
        drop(producer.batch(2));
        seen.note(Seen::Outstanding(producer.outstanding()));

        fill(&mut producer, 2, &mut next);
        let (kernel, read) = kernel.join().unwrap();
        seen.note(Seen::Read(read.len()));
        finish(kernel, producer, read, next);
    });
}
