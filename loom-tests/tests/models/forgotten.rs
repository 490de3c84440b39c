//! Blocks that were forgotten.

use core::mem::{ManuallyDrop, forget};

use loom::thread;
use packet_ring_loom_tests::{Kernel, Model, Shape, step};

use crate::received::{Received, send};

const TWO_BLOCKS: Shape = Shape {
    blocks: 2,
    packets: 1,
};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// The ring stopped at the forgotten block, filled or not.
    Stopped,
    TakenBack,
    /// The block that had been forgotten came again, filled anew.
    MetAgain,
    /// A forgotten block of a shared ring stays out, and is counted.
    Counted,
    Frozen,
}

/// One block at a time: the next call takes the forgotten block back.
#[test]
fn a_forgotten_block_comes_back() {
    let model =
        Model::new("a forgotten block").must_see([Seen::TakenBack, Seen::MetAgain, Seen::Frozen]);
    model.check(|seen| {
        let (kernel, mut ring) = Kernel::with_ring(TWO_BLOCKS);
        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || send(&kernel, 1..=4)
        });
        let mut received = Received::default();
        for _ in 0..4 {
            step();
            if let Some(block) = ring.next_block() {
                received.add(&block);
                if received.blocks == 1 {
                    forget(block);
                }
            }
        }
        let stored = processor.join().unwrap();
        let mut receiver = ring.receiver();
        assert_eq!(receiver.taken_back(), u64::from(received.blocks >= 1));
        if received.blocks >= 1 {
            seen.note(Seen::TakenBack);
        }
        if received.blocks >= 3 {
            seen.note(Seen::MetAgain);
        }
        if kernel.counts().freezes > 0 {
            seen.note(Seen::Frozen);
        }
        received.finish(&kernel, stored, || receiver.next_block());
    });
}

/// Many blocks at a time: the ring stops at the forgotten block, and goes on when the next receiver
/// is made, which takes back this block and none that is anyone else's.
#[test]
fn the_next_receiver_takes_back_what_was_forgotten() {
    let model = Model::new("one of many forgotten").must_see([
        Seen::Stopped,
        Seen::TakenBack,
        Seen::MetAgain,
    ]);
    model.check(|seen| {
        let (kernel, mut ring) = Kernel::with_ring(TWO_BLOCKS);
        let mut received = Received::default();
        let mut receiver = ring.receiver();
        // More blocks than the ring has come and go before the two sides part.
        let mut stored = Vec::new();
        for packet in 1..=3 {
            stored.append(&mut send(&kernel, [packet]));
            kernel.expire_timer();
            received.add(&receiver.next_block().unwrap());
        }

        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || send(&kernel, 4..=7)
        });
        let mut forgotten = 0;
        let mut stopped = false;
        for _ in 0..4 {
            step();
            match receiver.next_block() {
                Some(block) if received.blocks == 3 => {
                    received.add(&block);
                    forget(block);
                    forgotten = 1;
                }
                Some(block) => received.add(&block),
                None => stopped |= received.blocks == 5,
            }
        }
        step();
        let mut receiver = ring.receiver();
        assert_eq!(receiver.taken_back(), forgotten);
        let before = received.blocks;
        for _ in 0..2 {
            step();
            if let Some(block) = receiver.next_block() {
                received.add(&block);
            }
        }
        stored.extend(processor.join().unwrap());
        if forgotten > 0 {
            seen.note(Seen::TakenBack);
        }
        if stopped {
            seen.note(Seen::Stopped);
        }
        if stopped && before == 5 && received.blocks > 5 {
            seen.note(Seen::MetAgain);
        }
        received.finish(&kernel, stored, || receiver.next_block());
    });
}

/// A shared owner cannot tell that no block lives: the forgotten block stays out and is counted.
/// What was forgotten before the ring was shared has been taken back.
#[test]
fn a_shared_ring_counts_what_was_forgotten() {
    let model = Model::new("forgotten, before and after the ring was shared").must_see([
        Seen::TakenBack,
        Seen::MetAgain,
        Seen::Counted,
        Seen::Stopped,
        Seen::Frozen,
    ]);
    model.check(|seen| {
        let (kernel, mut ring) = Kernel::with_ring(TWO_BLOCKS);
        let mut received = Received::default();
        // The first block is closed before the two sides part.
        let mut stored = send(&kernel, [1]);
        kernel.expire_timer();
        let first = ring.next_block().unwrap();
        received.add(&first);
        forget(first);
        // SAFETY: the memory is loom's, and lives as long as the slots name it.
        let mut receiver = unsafe { ring.into_shared(()) };
        assert_eq!(receiver.taken_back(), 1);
        seen.note(Seen::TakenBack);

        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || send(&kernel, 2..=5)
        });
        // As good as forgotten until the model ends: loom would call it leaked.
        let mut forgotten = None;
        let mut stopped = false;
        for _ in 0..4 {
            step();
            let ready = receiver.is_ready();
            match receiver.next_block() {
                Some(block) if received.blocks == 1 => {
                    received.add(&block);
                    forgotten = Some(ManuallyDrop::new(block));
                }
                Some(block) => received.add(&block),
                None => {
                    assert!(!ready, "what is ready is there to be taken");
                    stopped |= received.blocks == 3;
                }
            }
        }
        stored.extend(processor.join().unwrap());
        assert_eq!(receiver.shared().held(), u32::from(forgotten.is_some()));
        if received.blocks >= 3 {
            seen.note(Seen::MetAgain);
        }
        if let Some(block) = forgotten {
            seen.note(Seen::Counted);
            if stopped {
                seen.note(Seen::Stopped);
            }
            if kernel.counts().freezes > 0 {
                seen.note(Seen::Frozen);
            }
            drop(ManuallyDrop::into_inner(block));
        }
        received.finish(&kernel, stored, || receiver.next_block());
    });
}
