//! The memory goes with the last of handles and chunks: dropped on several threads, in every order, it is
//! unmapped once, and behind every use.

use loom::thread;
use packet_ring::chunks::{Chunk, Chunks, List};
use packet_ring_loom_tests::{Model, Outcomes, Pages, Umem, step};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// The last to go, with which the memory went.
    LastHandle,
    LastChunk,
    LastList,
    OtherHandle,
    OtherChunk,
}

/// Uses a chunk and drops it.
fn use_and_drop(chunk: Chunk<Umem>) {
    chunk.owner().write(chunk.number(), 99);
    step();
    drop(chunk);
}

/// Uses a handle and drops it.
fn look_and_drop(chunks: Chunks<Umem>) {
    chunks.owner().touch();
    step();
    drop(chunks);
}

/// A thread that drops something, and what is noted where it was the last to do so.
struct Dropper {
    thread: thread::JoinHandle<thread::ThreadId>,
    last: Seen,
}

impl Dropper {
    fn spawn(last: Seen, drops: impl FnOnce() + 'static) -> Self {
        let thread = thread::spawn(move || {
            drops();
            thread::current().id()
        });
        Self { thread, last }
    }
}

/// Waits for all, and checks that the memory went once. Notes who took it along, `main` where it was the
/// thread that calls this.
fn finish<const N: usize>(
    pages: &Pages,
    droppers: [Dropper; N],
    main: Seen,
    seen: &Outcomes<Seen>,
) {
    let mut threads = vec![(thread::current().id(), main)];
    for dropper in droppers {
        threads.push((dropper.thread.join().unwrap(), dropper.last));
    }
    let unmapped = pages.unmapped();
    assert_eq!(unmapped.len(), 1, "the memory went once: {unmapped:?}");
    let last = threads.into_iter().find(|(id, _)| *id == unmapped[0]);
    seen.note(last.expect("one of the threads").1);
}

/// The last handle goes on one thread while two chunks go on two others.
#[test]
fn the_last_handle_goes_beside_two_chunks() {
    let model = Model::new("the last handle beside two chunks").must_see([
        Seen::LastHandle,
        Seen::LastChunk,
        Seen::OtherChunk,
    ]);
    model.check(|seen| {
        let pages = Pages::new(2);
        let (chunks, mut list) = pages.map();
        let [one, other] = [(); 2].map(|()| list.take().expect("a chunk is free"));
        drop(list);
        let droppers = [
            Dropper::spawn(Seen::LastChunk, || use_and_drop(one)),
            Dropper::spawn(Seen::OtherChunk, || use_and_drop(other)),
        ];
        look_and_drop(chunks);
        finish(&pages, droppers, Seen::LastHandle, seen);
    });
}

/// Two handles go on two threads, one of which drops a chunk before, while a chunk goes on a third.
#[test]
fn handles_go_on_two_threads_beside_a_chunk() {
    let model = Model::new("two handles beside a chunk").must_see([
        Seen::LastHandle,
        Seen::LastChunk,
        Seen::OtherHandle,
    ]);
    model.check(|seen| {
        let pages = Pages::new(2);
        let (chunks, mut list) = pages.map();
        let [one, other] = [(); 2].map(|()| list.take().expect("a chunk is free"));
        drop(list);
        let another = chunks.clone();
        let droppers = [
            Dropper::spawn(Seen::OtherHandle, || {
                use_and_drop(one);
                look_and_drop(another);
            }),
            Dropper::spawn(Seen::LastChunk, || use_and_drop(other)),
        ];
        look_and_drop(chunks);
        finish(&pages, droppers, Seen::LastHandle, seen);
    });
}

/// A list, which has a handle and a chunk in it, goes on one thread, the last other handle and then a chunk on
/// another.
#[test]
fn a_list_goes_beside_a_handle_and_its_chunk() {
    let model = Model::new("a list beside a handle and its chunk")
        .must_see([Seen::LastHandle, Seen::LastList]);
    model.check(|seen| {
        let pages = Pages::new(2);
        let (chunks, mut list) = pages.map();
        let chunk = list.take().expect("a chunk is free");
        let dropper = Dropper::spawn(Seen::LastList, move || use_list_and_drop(list));
        step();
        drop(chunks);
        use_and_drop(chunk);
        finish(&pages, [dropper], Seen::LastHandle, seen);
    });
}

/// Takes a chunk, uses it, gives it back, and drops the list.
fn use_list_and_drop(mut list: List<Umem>) {
    let chunk = list.take().expect("a chunk is free");
    chunk.owner().write(chunk.number(), 99);
    list.give(chunk).expect("of this UMEM");
    step();
    drop(list);
}

/// A chunk that is forgotten keeps the memory for ever; a list that is forgotten does too.
#[test]
fn what_is_forgotten_keeps_the_memory() {
    // One thread, which nothing runs beside.
    loom::model(|| {
        for forget_list in [false, true] {
            let pages = Pages::new(2);
            let (chunks, mut list) = pages.map();
            let chunk = list.take().expect("a chunk is free");
            if forget_list {
                core::mem::forget(list);
                drop(chunk);
            } else {
                core::mem::forget(chunk);
                drop(list);
            }
            drop(chunks);
            assert_eq!(pages.unmapped(), []);
        }
    });
}
