//! Chunks that are dropped on one thread and taken back on another, and slots that are given back and taken.

use loom::thread;
use packet_ring::chunks::{Chunk, Chunks, Consumers, List};
use packet_ring_loom_tests::{Model, Pages, Umem, step};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// So many chunks were taken back while they were being dropped.
    TookBack(u32),
    /// The one list, the other one took back so many.
    Shared(u32, u32),
    /// The first of all slots was taken by this thread, or by the other one.
    FirstHere(bool),
    /// The slot was found taken, or free.
    Taken,
    Free,
}

fn write(chunk: &Chunk<Umem>, value: u8) {
    chunk.owner().write(chunk.number(), value);
}

/// Takes all chunks out of a list, writes to them, and gives them back.
fn write_all(list: &mut List<Umem>) {
    let chunks: Vec<_> = core::iter::from_fn(|| list.take()).collect();
    for chunk in chunks {
        write(&chunk, 1);
        list.give(chunk).expect("of this UMEM");
    }
}

/// What another thread did with a chunk comes before what is done once it was taken back, be it dropped as
/// a chunk or with a list.
#[test]
fn bytes_are_ordered_by_taking_back() {
    let model = Model::new("dropped there, taken back here").must_see([
        Seen::TookBack(0),
        Seen::TookBack(1),
        Seen::TookBack(2),
    ]);
    model.check(|seen| {
        let (chunks, mut list) = Pages::new(2).map();
        let chunk = list.take().expect("a chunk is free");
        let mut part = list.split(1);
        assert_eq!((list.len(), part.len()), (0, 1));
        let dropper = thread::spawn(move || {
            write(&chunk, 2);
            step();
            drop(chunk);
            write_all(&mut part);
            step();
            drop(part);
        });
        let mut taken = 0;
        for _ in 0..2 {
            step();
            taken += list.take_back();
            write_all(&mut list);
        }
        seen.note(Seen::TookBack(taken));
        dropper.join().unwrap();
        list.take_back();
        write_all(&mut list);
        assert_eq!((list.len(), chunks.census().free), (2, 2), "all are back");
    });
}

/// Two lists take back at a time: each chunk goes to one of them.
#[test]
fn a_dropped_chunk_is_taken_back_once() {
    let model = Model::new("taken back by two lists").must_see([
        Seen::Shared(0, 0),
        Seen::Shared(0, 1),
        Seen::Shared(1, 0),
    ]);
    model.check(|seen| {
        let (chunks, mut list) = Pages::new(1).map();
        let chunk = list.take().expect("a chunk is free");
        let mut other = List::new(chunks.clone());
        let dropper = thread::spawn(move || {
            write(&chunk, 2);
            step();
            drop(chunk);
        });
        let taker = thread::spawn(move || {
            step();
            let taken = other.take_back();
            write_all(&mut other);
            (taken, other)
        });
        step();
        let here = list.take_back();
        write_all(&mut list);
        let (there, mut other) = taker.join().unwrap();
        dropper.join().unwrap();
        seen.note(Seen::Shared(here, there));
        let rest = other.take_back();
        write_all(&mut other);
        assert_eq!(here + there + rest, 1, "one list has the chunk");
    });
}

/// Two take slots at a time: each gets its own.
#[test]
fn a_slot_is_taken_once() {
    let model =
        Model::new("slots taken by two").must_see([Seen::FirstHere(false), Seen::FirstHere(true)]);
    model.check(|seen| {
        let (chunks, _list) = Pages::new(1).map();
        let other = thread::spawn({
            let chunks = chunks.clone();
            move || {
                step();
                chunks.take_slot()
            }
        });
        step();
        let slot = chunks.take_slot();
        let theirs = other.join().unwrap();
        assert!(slot.is_some() && theirs.is_some());
        assert_ne!(slot, theirs, "a slot is one socket's");
        let first = Pages::new(1).map().0.take_slot();
        seen.note(Seen::FirstHere(slot == first));
    });
}

/// A socket's slot, given back, is another's. What the kernel of the other hands back without having been given
/// it, is nobody's, though the first socket had given it away by the same slot.
#[test]
fn a_slot_that_was_given_back_has_no_chunks() {
    let model = Model::new("a slot given back and taken").must_see([Seen::Taken, Seen::Free]);
    model.check(|seen| {
        let (chunks, mut list) = Pages::new(1).map();
        let slot = chunks.take_slot().expect("a slot is free");
        let number = list.fill(slot).expect("a chunk is free");
        let closer = thread::spawn({
            let chunks = chunks.clone();
            move || {
                step();
                // SAFETY: no kernel has it, and no ring of the slot is left.
                assert_eq!(unsafe { chunks.reclaim(slot) }, 1);
                assert_eq!(list.take_back(), 1);
                write_all(&mut list);
                list
            }
        });
        step();
        let theirs = chunks.take_slot().expect("slots are free");
        if theirs == slot {
            seen.note(Seen::Free);
            let spurious = echoed(&chunks, number, theirs);
            assert!(spurious.is_none(), "the chunk is the list's");
            assert_eq!(chunks.spurious(), 1);
        } else {
            seen.note(Seen::Taken);
        }
        drop(closer.join().unwrap());
    });
}

/// The chunk, if its state says that this slot gave it away.
fn echoed(
    chunks: &Chunks<Umem>,
    number: u32,
    slot: packet_ring::chunks::Slot,
) -> Option<Chunk<Umem>> {
    // SAFETY: it comes out of a ring of this slot, by a kernel that errs.
    unsafe { chunks.received(number, slot, Consumers::One) }
}
