//! In whatever order handles, lists and chunks go, the table's owner goes once, with the last of them.
//!
//! The owner frees the table's memory: what is used after that is seen by AddressSanitizer and valgrind.

mod conserved {
    pub(crate) mod table;
}

use core::mem;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::thread;

use conserved::table::HeapTable;
use packet_ring::chunks::{Chunk, Chunks, List};

/// Frees the memory, unless somebody else keeps that, and counts how often it went.
struct Owner {
    gone: Arc<AtomicU32>,
    _memory: Option<HeapTable>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.gone.fetch_add(1, Ordering::Relaxed);
    }
}

/// A table whose memory goes with its owner.
fn table(count: u32) -> (Chunks<Owner>, List<Owner>, Arc<AtomicU32>) {
    let gone = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&gone);
    let table = HeapTable::new::<Owner>(count).table(|memory| Owner {
        gone: counter,
        _memory: Some(memory),
    });
    // SAFETY: just made, of a few chunks.
    let (chunks, list) = unsafe { Chunks::new(table) };
    (chunks, list, gone)
}

/// What keeps the owner.
enum Item {
    Handle(Chunks<Owner>),
    List(List<Owner>),
    Chunk(Chunk<Owner>),
}

impl Item {
    fn owner(&self) -> &Owner {
        match self {
            Self::Handle(chunks) => chunks.owner(),
            Self::List(list) => list.chunks().owner(),
            Self::Chunk(chunk) => chunk.owner(),
        }
    }
}

/// What becomes of a chunk before anything goes.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Listed,
    Parted,
    Held,
    Dropped,
    WithRx,
    WithTx,
}

const FATES: [Fate; 6] = [
    Fate::Listed,
    Fate::Parted,
    Fate::Held,
    Fate::Dropped,
    Fate::WithRx,
    Fate::WithTx,
];

/// A table whose chunks have these fates, with as many handles beside those of its lists.
fn items(fates: &[Fate], handles: usize) -> (Vec<Item>, Arc<AtomicU32>) {
    let (chunks, mut list, gone) = table(fates.len() as u32);
    let slot = chunks.take_slot().expect("a slot");
    let mut items = Vec::new();
    let mut part = List::new(chunks.clone());
    let mut rest = List::new(chunks.clone());
    for fate in fates {
        let chunk = list.take().expect("one a fate");
        match fate {
            Fate::Listed => assert!(rest.give(chunk).is_ok()),
            Fate::Parted => assert!(part.give(chunk).is_ok()),
            Fate::Held => items.push(Item::Chunk(chunk)),
            Fate::Dropped => drop(chunk),
            Fate::WithRx => assert!(chunks.fill(chunk, slot).is_ok()),
            Fate::WithTx => assert!(chunks.send(chunk, slot).is_ok()),
        }
    }
    for list in [rest, part] {
        if !list.is_empty() {
            items.push(Item::List(list));
        }
    }
    for _ in 0..handles {
        items.push(Item::Handle(chunks.clone()));
    }
    (items, gone)
}

/// Calls with every order of `0..count`.
fn orders(count: usize, mut call: impl FnMut(&[usize])) {
    fn permute(order: &mut [usize], fixed: usize, call: &mut impl FnMut(&[usize])) {
        if fixed == order.len() {
            return call(order);
        }
        for next in fixed..order.len() {
            order.swap(fixed, next);
            permute(order, fixed + 1, call);
            order.swap(fixed, next);
        }
    }
    let mut order: Vec<usize> = (0..count).collect();
    permute(&mut order, 0, &mut call);
}

/// Calls with every way of giving `count` chunks a fate.
fn all_fates(count: u32, mut call: impl FnMut(&[Fate])) {
    for number in 0..FATES.len().pow(count) {
        let fate = |digit| FATES[number / FATES.len().pow(digit) % FATES.len()];
        call(&(0..count).map(fate).collect::<Vec<_>>());
    }
}

#[test]
fn in_every_order_of_dropping_the_owner_goes_once_and_last() {
    let mut tried = 0;
    for count in 0..=3 {
        all_fates(count, |fates| {
            for handles in 0..=2 {
                let (probe, _) = items(fates, handles);
                orders(probe.len(), |order| {
                    let (items, gone) = items(fates, handles);
                    let mut items: Vec<_> = items.into_iter().map(Some).collect();
                    for &index in order {
                        assert_eq!(gone.load(Ordering::Relaxed), 0, "{fates:?} {order:?}");
                        for item in items.iter().flatten() {
                            assert!(Arc::ptr_eq(&item.owner().gone, &gone));
                        }
                        items[index] = None;
                    }
                    assert_eq!(gone.load(Ordering::Relaxed), 1, "{fates:?} {order:?}");
                    tried += 1;
                });
            }
        });
    }
    assert!(tried > 1_000, "{tried}");
}

#[test]
fn dropped_by_several_threads_at_once_the_owner_goes_once() {
    for _ in 0..200 {
        let (items, gone) = items(&[Fate::Listed, Fate::Held, Fate::Held, Fate::WithRx], 2);
        thread::scope(|scope| {
            for item in items {
                scope.spawn(move || {
                    let _ = item.owner().gone.load(Ordering::Relaxed);
                    drop(item);
                });
            }
        });
        assert_eq!(gone.load(Ordering::Relaxed), 1);
    }
}

/// What was forgotten may be used somewhere still: the memory stays, rather than go too early.
#[test]
fn what_was_forgotten_keeps_the_owner() {
    let forget: [fn(List<Owner>); 3] = [
        mem::forget,
        |mut list| mem::forget(list.take()),
        |list| mem::forget(list.chunks().clone()),
    ];
    for forget in forget {
        let gone = Arc::new(AtomicU32::new(0));
        let mut memory = None;
        let table = HeapTable::new::<Owner>(2).table(|kept| {
            memory = Some(kept);
            Owner {
                gone: Arc::clone(&gone),
                _memory: None,
            }
        });
        // SAFETY: just made, of two chunks.
        let (chunks, list) = unsafe { Chunks::new(table) };
        forget(list);
        drop(chunks);
        assert_eq!(gone.load(Ordering::Relaxed), 0);
        assert_eq!(
            Arc::strong_count(&gone),
            2,
            "the owner is there, in the table"
        );
        // It stays for good: take down by hand what it holds.
        // SAFETY: the owner's count, of which nobody else knows any more.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(&gone)) };
    }
}
