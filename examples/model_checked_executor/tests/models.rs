//! The executor against the modelled kernel, in every order of their steps.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test --release -p packet-ring-model-checked-executor --test models
//! ```
#![cfg(loom)]

use std::io;
use std::sync::Arc;

use loom::sync::mpsc;
use loom::thread;
use packet_ring::handoff::{Block, Shared, SharedReceiver};
use packet_ring_loom_tests::{
    Epoll, EventFd, Fate, Kernel, Mapping, Model, Outcomes, Shape, Trigger, contents, step,
};
use packet_ring_model_checked_executor::{
    Reactor, Readiness, Source, block_on, next_block, react, run,
};

const TWO_BLOCKS: Shape = Shape {
    blocks: 2,
    packets: 1,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// The task looked and found a block.
    Block,
    /// The task looked and found none.
    Nothing,
    /// The reactor woke the task, or what waited to be one.
    Told,
    /// So many packets were received before the end.
    Received(usize),
    /// So many blocks were still out when the executor had ended.
    Out(u32),
    /// The ring was unmapped by the thread that had run the executor.
    UnmappedHere,
    /// It was unmapped by the thread that had kept a block.
    UnmappedThere,
}

/// The ring as the executor gets it in a model: it steps before each look, which the executor itself does not.
struct Stepping<S> {
    source: S,
    seen: Outcomes<Seen>,
}

impl<S: Source> Source for Stepping<S> {
    type Block = S::Block;

    fn next_block(&mut self) -> Option<S::Block> {
        step();
        let block = self.source.next_block();
        self.seen.note(if block.is_some() {
            Seen::Block
        } else {
            Seen::Nothing
        });
        block
    }
}

/// The reactor of the modelled kernel: what `Epoll` is to the running one.
struct ModelledEpoll {
    epoll: Epoll,
    seen: Outcomes<Seen>,
}

const RING: u64 = 0;
const END: u64 = 1;

impl ModelledEpoll {
    fn watching(ring: &Kernel, end: &EventFd, seen: &Outcomes<Seen>) -> Self {
        let epoll = Epoll::new();
        epoll.add(ring, RING, Trigger::Edge);
        epoll.add(end, END, Trigger::Level);
        Self {
            epoll,
            seen: seen.clone(),
        }
    }
}

impl Reactor for ModelledEpoll {
    fn wait(&self) -> io::Result<bool> {
        let tokens = self.epoll.wait();
        if tokens.contains(&RING) {
            self.seen.note(Seen::Told);
        }
        Ok(!tokens.contains(&END))
    }
}

/// A packet that is alone in its block, closed at once.
fn arrive(kernel: &Kernel, packet: u8) -> Fate {
    let fate = kernel.receive(packet);
    kernel.expire_timer();
    fate
}

/// A task that finds no block is woken by the next, whenever that comes: a wake-up lost is a deadlock.
#[test]
fn a_task_never_sleeps_with_a_block_ready() {
    let model = Model::new("wake-up against arrival").must_see([
        Seen::Block,
        Seen::Nothing,
        Seen::Told,
        Seen::Received(2),
    ]);
    model.preemptions(3).check(|seen| {
        let (kernel, ring, mapping) = Kernel::with_mapped_ring(TWO_BLOCKS);
        // SAFETY: the mapping is the ring's, and goes with the last that uses it.
        let source = unsafe { ring.into_shared(mapping) };
        let mut source = Stepping {
            source,
            seen: seen.clone(),
        };
        let readiness = Arc::new(Readiness::new());
        let end = EventFd::new();
        let reactor = thread::spawn({
            let epoll = ModelledEpoll::watching(&kernel, &end, seen);
            let readiness = Arc::clone(&readiness);
            move || react(&epoll, &readiness).unwrap()
        });
        let processor = thread::spawn(move || {
            // Both are stored whatever the program does: both blocks are free.
            for packet in 1..=2 {
                assert_eq!(arrive(&kernel, packet), Fate::Stored);
            }
        });
        let mut received = Vec::new();
        block_on(async {
            while received.len() < 2 {
                let block = next_block(&mut source, &readiness).await;
                received.extend(contents(&block.expect("nobody stops")).packets);
            }
        });
        assert_eq!(received, [1, 2]);
        seen.note(Seen::Received(received.len()));
        end.write();
        reactor.join().unwrap();
        processor.join().unwrap();
    });
}

/// The worker has all stopped while it holds a block and packets arrive. When the executor has ended, every block
/// is back; what it did not take is in the ring.
#[test]
fn every_block_is_back_when_the_executor_has_ended() {
    let model = Model::new("shutdown while a block is held").must_see([
        Seen::Block,
        Seen::Nothing,
        Seen::Received(1),
        Seen::Received(2),
        Seen::Out(0),
    ]);
    model.preemptions(3).check(|seen| {
        let (kernel, ring, mapping) = Kernel::with_mapped_ring(TWO_BLOCKS);
        arrive(&kernel, 1);
        // SAFETY: the mapping is the ring's, and goes with the last that uses it.
        let source = unsafe { ring.into_shared(mapping) };
        let source = Stepping {
            source,
            seen: seen.clone(),
        };
        let processor = thread::spawn(move || {
            let fate = arrive(&kernel, 2);
            assert_eq!(fate, Fate::Stored, "one block was free all the time");
        });
        let readiness = Arc::new(Readiness::new());
        let (worked, finished) = mpsc::channel();
        let work = {
            let readiness = Arc::clone(&readiness);
            move |block: Block<Shared<Mapping>>| {
                step();
                readiness.stop();
                // Held on, while the executor ends.
                for packet in contents(&block).packets {
                    worked.send(packet).unwrap();
                }
            }
        };
        let mut source = run(source, &readiness, work).source;
        seen.note(Seen::Out(source.shared().held()));
        assert_eq!(source.shared().held(), 0, "a block is out");
        let mut received: Vec<u8> = core::iter::from_fn(|| finished.try_recv().ok()).collect();
        seen.note(Seen::Received(received.len()));
        processor.join().unwrap();
        while let Some(block) = source.next_block() {
            received.extend(contents(&block).packets);
        }
        assert_eq!(received, [1, 2], "each packet came once");
    });
}

/// The memory of a ring, which notes where it goes.
struct Memory {
    here: thread::ThreadId,
    seen: Outcomes<Seen>,
    _mapping: Mapping,
}

impl Drop for Memory {
    fn drop(&mut self) {
        let here = thread::current().id() == self.here;
        self.seen.note(if here {
            Seen::UnmappedHere
        } else {
            Seen::UnmappedThere
        });
    }
}

/// A block that `work` keeps beyond the executor's end is counted, and the memory goes behind it.
#[test]
fn a_kept_block_outlives_the_executor() {
    let model = Model::new("a block kept beyond the end").must_see([
        Seen::Out(0),
        Seen::Out(1),
        Seen::UnmappedHere,
        Seen::UnmappedThere,
    ]);
    model.preemptions(3).check(|seen| {
        let (kernel, ring, mapping) = Kernel::with_mapped_ring(TWO_BLOCKS);
        arrive(&kernel, 1);
        let memory = Memory {
            here: thread::current().id(),
            seen: seen.clone(),
            _mapping: mapping,
        };
        // SAFETY: the mapping is the ring's, and goes with the last that uses it.
        let source: SharedReceiver<Memory> = unsafe { ring.into_shared(memory) };
        let source = Stepping {
            source,
            seen: seen.clone(),
        };
        let readiness = Arc::new(Readiness::new());
        let (blocks, kept) = mpsc::channel();
        let keeper = thread::spawn(move || {
            let block: Block<Shared<Memory>> = kept.recv().unwrap();
            assert_eq!(contents(&block).packets, [1]);
            step();
        });
        let work = {
            let readiness = Arc::clone(&readiness);
            move |block| {
                readiness.stop();
                blocks.send(block).unwrap();
            }
        };
        let source = run(source, &readiness, work).source;
        step();
        seen.note(Seen::Out(source.shared().held()));
        step();
        drop(source);
        keeper.join().unwrap();
    });
}
