//! Several blocks out at a time.

use loom::sync::mpsc;
use loom::thread;
use packet_ring::handoff::{Block, Slots};
use packet_ring_loom_tests::{Kernel, Model, Shape, borrowed_for_ever, contents, step};

use crate::received::{Received, send};

const TWO_BLOCKS: Shape = Shape {
    blocks: 2,
    packets: 1,
};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// So many blocks were out at once.
    Out(usize),
    /// The cursor came round to a block that was still out.
    Refused,
    /// A block that was met while it was out came again, filled anew.
    MetAgain,
    Frozen,
}

/// A block that is out is not handed out again when the cursor comes round; once dropped, it is.
#[test]
fn a_held_block_is_met_at_the_wrap() {
    let model = Model::new("wrap-around onto a held block").must_see([
        Seen::Refused,
        Seen::MetAgain,
        Seen::Frozen,
    ]);
    model.check(|seen| {
        let (kernel, mut ring) = Kernel::with_ring(TWO_BLOCKS);
        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || send(&kernel, 1..=5)
        });
        let mut received = Received::default();
        let mut receiver = ring.receiver();
        let mut held = None;
        let mut refused = false;
        for _ in 0..3 {
            step();
            match receiver.next_block() {
                Some(block) if held.is_none() => {
                    received.add(&block);
                    held = Some(block);
                }
                Some(block) => received.add(&block),
                None => refused |= received.blocks == 2,
            }
        }
        step();
        drop(held);
        let at_drop = received.blocks;
        step();
        if let Some(block) = receiver.next_block() {
            received.add(&block);
        }
        let stored = processor.join().unwrap();
        if refused {
            seen.note(Seen::Refused);
            if at_drop == 2 && received.blocks > 2 {
                seen.note(Seen::MetAgain);
            }
            if kernel.counts().freezes > 0 {
                seen.note(Seen::Frozen);
            }
        }
        received.finish(&kernel, stored, || receiver.next_block());
    });
}

/// Blocks are sent to another thread, read there, and dropped there newest first, while the first
/// thread goes on receiving.
#[test]
fn blocks_are_dropped_elsewhere_and_out_of_order() {
    let model = Model::new("held, and dropped by another thread out of order").must_see([
        Seen::Out(0),
        Seen::Out(1),
        Seen::Out(2),
        Seen::Refused,
        Seen::MetAgain,
        Seen::Frozen,
    ]);
    model.check(|seen| {
        let (kernel, ring) = Kernel::with_ring(TWO_BLOCKS);
        let seen = seen.clone();
        // SAFETY: both threads are joined before the closure returns.
        unsafe {
            borrowed_for_ever(ring, move |ring| {
                let processor = thread::spawn({
                    let kernel = kernel.clone();
                    move || send(&kernel, 1..=4)
                });
                let mut received = Received::default();
                let mut receiver = ring.receiver();
                let mut held: Vec<Block<&'static Slots>> = Vec::new();
                for _ in 0..2 {
                    step();
                    if let Some(block) = receiver.next_block() {
                        received.add(&block);
                        held.push(block);
                    }
                }
                let out = held.len();
                seen.note(Seen::Out(out));
                let worker = thread::spawn(move || {
                    for block in held.into_iter().rev() {
                        let _ = contents(&block);
                        step();
                    }
                });
                let mut refused = false;
                for _ in 0..2 {
                    step();
                    match receiver.next_block() {
                        Some(block) => received.add(&block),
                        None => refused |= received.blocks == 2,
                    }
                }
                worker.join().unwrap();
                let stored = processor.join().unwrap();
                if out == 2 && refused {
                    seen.note(Seen::Refused);
                    if received.blocks > 2 {
                        seen.note(Seen::MetAgain);
                    }
                    if kernel.counts().freezes > 0 {
                        seen.note(Seen::Frozen);
                    }
                }
                received.finish(&kernel, stored, || receiver.next_block());
            });
        }
    });
}

/// A receiver that owns its share of the ring runs on one thread, what it hands out is read and
/// dropped on another.
#[test]
fn a_shared_ring_feeds_a_worker() {
    let model = Model::new("shared owner, blocks sent to a worker").must_see([
        Seen::Out(0),
        Seen::Out(1),
        Seen::Out(2),
        Seen::Out(3),
    ]);
    model.check(|seen| {
        let (kernel, ring) = Kernel::with_ring(TWO_BLOCKS);
        // SAFETY: the memory is loom's, and lives as long as the slots name it.
        let mut receiver = unsafe { ring.into_shared(()) };
        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || send(&kernel, 1..=4)
        });
        let (blocks, inbox) = mpsc::channel();
        let worker = thread::spawn(move || {
            let mut received = Received::default();
            while let Some(block) = inbox.recv().unwrap() {
                received.add(&block);
            }
            received
        });
        for _ in 0..3 {
            step();
            if let Some(block) = receiver.next_block() {
                blocks.send(Some(block)).unwrap();
            }
        }
        blocks.send(None).unwrap();
        let received = worker.join().unwrap();
        let stored = processor.join().unwrap();
        seen.note(Seen::Out(received.blocks.into()));
        assert_eq!(receiver.shared().held(), 0);
        received.finish(&kernel, stored, || receiver.next_block());
    });
}
