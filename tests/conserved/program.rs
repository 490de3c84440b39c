//! A program that moves chunks about, in step with a model of where they are.

use core::iter;
use core::mem;
use std::collections::BTreeSet;

use packet_ring::chunks::{Chunk, Chunks, List, Slot};
use packet_ring::ring::RingSize;

use super::kernel::Act;
use super::places::{Place, Places};
use super::queue::Queue;
use super::table::HeapTable;

/// What one step does; its numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Kernel(Act),
    Take,
    Give,
    Split,
    Append,
    TakeBack,
    DropList,
    ForgetList,
    DropChunk,
    ForgetChunk,
    /// Offers a chunk and a list of another table.
    Foreign,
    Stock,
    Fill,
    Receive,
    Transmit,
    Reap,
    ReapIntoList,
    /// Closes the sockets of a queue, and opens others on it.
    Reopen,
}

/// What must have been seen: a run that meets none of it proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Received,
    Completed,
    ReapedIntoList,
    /// What the kernel handed back was no chunk that it had.
    Refused,
    /// A word held what no ring can hold.
    Corrupt,
    /// A batch was forgotten, and chunks with it.
    Lost,
    TakenBack,
    Reclaimed,
    /// All that the kernel had came back.
    Settled,
}

/// Numbers that choose.
pub(crate) type Choices = (u8, u8, u32);

pub(crate) struct Program {
    pub(super) chunks: Chunks<()>,
    pub(super) lists: Vec<List<()>>,
    pub(super) held: Vec<Chunk<()>>,
    pub(super) places: Places,
    pub(crate) seen: BTreeSet<Outcome>,
    queues: Vec<Queue>,
    other: List<()>,
    /// Behind what uses it: a forgotten list keeps its table for good.
    _memory: [HeapTable; 2],
}

fn table(count: u32) -> (Chunks<()>, List<()>, HeapTable) {
    let mut kept = None;
    let table = HeapTable::new::<()>(count).table(|memory| kept = Some(memory));
    // SAFETY: just made, of a few chunks.
    let (chunks, list) = unsafe { Chunks::new(table) };
    (chunks, list, kept.expect("told of the memory"))
}

impl Program {
    /// A program with `count` chunks, and as many queues as numbers of sockets are told.
    pub(crate) fn new(count: u32, sockets: &[usize], size: RingSize, start: u32) -> Self {
        let (chunks, list, memory) = table(count);
        let (_, other, other_memory) = table(2);
        let queues = sockets
            .iter()
            .map(|&sockets| Queue::open(&chunks, sockets, size, start))
            .collect();
        Self {
            chunks,
            lists: vec![list],
            held: Vec::new(),
            places: Places::new(count),
            seen: BTreeSet::new(),
            queues,
            other,
            _memory: [memory, other_memory],
        }
    }

    pub(crate) fn queues(&self) -> &[Queue] {
        &self.queues
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// Does one step, and compares all that can be seen with the model.
    pub(crate) fn step(&mut self, step: Step, choices: Choices) {
        let (a, b, c) = choices;
        let queue_index = usize::from(a) % self.queues.len();
        match step {
            Step::Kernel(act) => {
                let count = self.chunks.count();
                self.queues[queue_index].kernel.act(act, count, c);
            }
            Step::Stock => self.on_queue(queue_index, |program, queue| {
                queue.stock(program, usize::from(b), c);
            }),
            Step::Fill => self.on_queue(queue_index, |program, queue| queue.fill(program, b, c)),
            Step::Receive => {
                self.on_queue(queue_index, |program, queue| queue.receive(program, b, c));
            }
            Step::Transmit => {
                self.on_queue(queue_index, |program, queue| queue.transmit(program, b, c));
            }
            Step::Reap => self.on_queue(queue_index, |program, queue| {
                queue.reap(program, None, b, c);
            }),
            Step::ReapIntoList => self.on_queue(queue_index, |program, queue| {
                let list = usize::from(b) % program.lists.len();
                queue.reap(program, Some(list), b, c);
            }),
            Step::Reopen => {
                let queue = self.queues.swap_remove(queue_index);
                let reopened = queue.reopen(self, c);
                self.queues.push(reopened);
            }
            Step::Foreign => self.offer_foreign(usize::from(a), usize::from(b)),
            _ => self.own(step, usize::from(a), usize::from(b)),
        }
        self.check();
    }

    fn on_queue(&mut self, index: usize, step: impl FnOnce(&mut Self, &mut Queue)) {
        let mut queue = self.queues.swap_remove(index);
        step(self, &mut queue);
        self.queues.push(queue);
        let last = self.queues.len() - 1;
        self.queues.swap(index, last);
    }

    /// What the program does without the kernel.
    fn own(&mut self, step: Step, a: usize, b: usize) {
        let list = a % self.lists.len();
        match step {
            Step::Take => {
                let number = self.places.lists[list].pop();
                let chunk = self.lists[list].take();
                assert_eq!(chunk.as_ref().map(Chunk::number), number);
                self.hold(chunk);
            }
            Step::Give => {
                if let Some((number, chunk)) = self.release(b) {
                    assert!(self.lists[list].give(chunk).is_ok());
                    self.places.lists[list].push(number);
                    self.places.set(number, Place::Free);
                }
            }
            Step::Split => {
                let part = self.lists[list].split(b as u32);
                let model = &mut self.places.lists[list];
                let mut numbers = model.split_off(model.len().saturating_sub(b));
                numbers.reverse();
                self.lists.push(part);
                self.places.lists.push(numbers);
            }
            Step::Append if self.lists.len() > 1 => {
                let (other, numbers) = self.part_with_list(list);
                let onto = b % self.lists.len();
                assert!(self.lists[onto].append(other).is_ok());
                self.places.lists[onto].extend(numbers);
            }
            Step::TakeBack => {
                let back = self
                    .places
                    .move_all(|place| place == Place::Dropped, Place::Free);
                assert_eq!(self.lists[list].take_back(), back.len() as u32);
                self.see(Outcome::TakenBack, !back.is_empty());
                self.places.lists[list].extend(back);
            }
            Step::DropList | Step::ForgetList => {
                let (list, numbers) = self.part_with_list(list);
                let place = if matches!(step, Step::DropList) {
                    drop(list);
                    Place::Dropped
                } else {
                    mem::forget(list);
                    Place::FreeForGood
                };
                for number in numbers {
                    self.places.set(number, place);
                }
            }
            Step::DropChunk => {
                if let Some((number, chunk)) = self.release(b) {
                    drop(chunk);
                    self.places.set(number, Place::Dropped);
                }
            }
            Step::ForgetChunk => {
                if let Some((number, chunk)) = self.release(b) {
                    mem::forget(chunk);
                    self.places.set(number, Place::HeldForGood);
                }
            }
            _ => {}
        }
        if self.lists.is_empty() {
            self.lists.push(List::new(self.chunks.clone()));
            self.places.lists.push(Vec::new());
        }
    }

    /// Of another table nothing is accepted, and nothing is lost.
    fn offer_foreign(&mut self, list: usize, queue: usize) {
        let list = list % self.lists.len();
        let queue = queue % self.queues.len();
        let slot = self.queues[queue].slot();
        let foreign = self.other.take().expect("none was accepted");
        assert!(!self.chunks.owns(&foreign));
        let foreign = self.lists[list].give(foreign).expect_err("foreign");
        let foreign = self.chunks.fill(foreign, slot).expect_err("foreign");
        let foreign = self.chunks.send(foreign, slot).expect_err("foreign");
        assert!(self.other.give(foreign).is_ok());
        let part = self.other.split(1);
        let part = self.lists[list].append(part).expect_err("foreign");
        assert!(self.other.append(part).is_ok());
    }

    fn part_with_list(&mut self, list: usize) -> (List<()>, Vec<u32>) {
        (
            self.lists.swap_remove(list),
            self.places.lists.swap_remove(list),
        )
    }

    /// Takes note of what happened, if it did.
    pub(super) fn see(&mut self, outcome: Outcome, happened: bool) {
        if happened {
            self.seen.insert(outcome);
        }
    }

    /// Keeps a chunk.
    pub(super) fn hold(&mut self, chunk: Option<Chunk<()>>) {
        let Some(chunk) = chunk else { return };
        self.places.set(chunk.number(), Place::Held);
        self.places.held.push(chunk.number());
        self.held.push(chunk);
    }

    /// Parts with one of the chunks that are held.
    pub(super) fn release(&mut self, choice: usize) -> Option<(u32, Chunk<()>)> {
        if self.held.is_empty() {
            return None;
        }
        let index = choice % self.held.len();
        let chunk = self.held.swap_remove(index);
        Some((self.places.held.swap_remove(index), chunk))
    }

    fn check(&mut self) {
        let census = self.chunks.census();
        assert_eq!(census, self.places.census());
        let all = [
            census.free,
            census.held,
            census.dropped,
            census.with_rx,
            census.with_tx,
        ];
        assert_eq!(all.iter().sum::<u32>(), self.chunks.count());
        assert_eq!(self.chunks.spurious(), self.places.spurious);
        let numbers: Vec<u32> = self.held.iter().map(Chunk::number).collect();
        assert_eq!(numbers, self.places.held);
        let lens: Vec<u32> = self.lists.iter().map(List::len).collect();
        let expected: Vec<u32> = self
            .places
            .lists
            .iter()
            .map(|list| list.len() as u32)
            .collect();
        assert_eq!(lens, expected);
        let mut is_corrupt = false;
        for queue in &mut self.queues {
            is_corrupt |= queue.check();
        }
        self.see(Outcome::Corrupt, is_corrupt);
        self.see(Outcome::Refused, self.places.spurious > 0);
        let lost = self.queues.iter().any(|queue| queue.lost() > 0);
        self.see(Outcome::Lost, lost);
    }

    /// The kernel does all that is left to do, and the program takes what comes, as long as something does.
    pub(crate) fn settle(&mut self) {
        // Whole batches, nothing dropped or forgotten.
        const ALL: u32 = 0x10_0770;
        let acts = [Act::TakeFill, Act::Deliver, Act::TakeTx, Act::Complete].map(Step::Kernel);
        let steps = [Step::Receive, Step::Reap];
        let mut before = None;
        let (mut rounds, mut idle) = (0, 0);
        // The first round after a forgotten batch may do no more than give its slots back.
        while idle < 2 {
            let now = Some((self.places.census(), self.places.spurious));
            idle = if before == now { idle + 1 } else { 0 };
            before = now;
            for queue in 0..self.queues.len() {
                for socket in 0..self.queues[queue].sockets() {
                    for step in acts.into_iter().chain(steps) {
                        self.step(step, (queue as u8, 0xff, ALL + socket));
                    }
                }
            }
            rounds += 1;
            // Every other round at least moves a chunk, or reads a slot.
            assert!(rounds < 1_000, "it goes on for ever");
        }
        let lost: u32 = self.queues.iter().map(Queue::lost).sum();
        let census = self.chunks.census();
        self.see(Outcome::Settled, census.with_rx + census.with_tx == lost);
    }

    /// Closes all queues and takes back all chunks: each that was not forgotten is there, once.
    pub(crate) fn end(mut self) {
        for queue in mem::take(&mut self.queues) {
            queue.close(&mut self);
        }
        let slots = iter::from_fn(|| self.chunks.take_slot());
        assert_eq!(slots.count() as u32, Slot::COUNT, "every slot came back");
        self.held.clear();
        let for_good = |place: &&Place| matches!(place, Place::HeldForGood | Place::FreeForGood);
        let forgotten = self.places.chunks.iter().filter(for_good).count() as u32;
        self.lists.clear();
        let mut list = List::new(self.chunks.clone());
        let back = list.take_back();
        assert_eq!(back + forgotten, self.chunks.count());
        let mut numbers = Vec::new();
        while let Some(chunk) = list.take() {
            assert_ne!(self.places.of(chunk.number()), Some(Place::HeldForGood));
            numbers.push(chunk.number());
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len() as u32, back, "no chunk is there twice");
    }
}
