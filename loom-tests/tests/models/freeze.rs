//! The queue freezes at a block that the program has, and thaws.

use loom::thread;
use packet_ring_loom_tests::{BLK_TMO, Kernel, LOSING, Model, Shape, step};

use crate::received::{Received, send};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Frozen,
    FrozenTwice,
    ThawedByPacket,
    ThawedByTimer,
    DeliveredAfterThaw,
    Losing,
    ByTimer,
}

/// A slow program loses packets, never blocks, and hears of the loss.
#[test]
fn the_queue_freezes_and_thaws() {
    const SHAPE: Shape = Shape {
        blocks: 2,
        packets: 1,
    };
    let model = Model::new("freeze and thaw").must_see([
        Seen::Frozen,
        Seen::FrozenTwice,
        Seen::ThawedByPacket,
        Seen::ThawedByTimer,
        Seen::DeliveredAfterThaw,
        Seen::Losing,
        Seen::ByTimer,
    ]);
    model.check(|seen| {
        let (kernel, mut ring) = Kernel::with_ring(SHAPE);
        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || {
                let mut stored = send(&kernel, 1..=3);
                kernel.expire_timer();
                stored.append(&mut send(&kernel, 4..=5));
                stored
            }
        });
        let mut received = Received::default();
        for _ in 0..4 {
            step();
            let Some(block) = ring.next_block() else {
                continue;
            };
            if block.status() & LOSING != 0 {
                seen.note(Seen::Losing);
            }
            if block.status() & BLK_TMO != 0 {
                seen.note(Seen::ByTimer);
            }
            received.add(&block);
        }
        let stored = processor.join().unwrap();
        let counts = kernel.counts();
        if counts.freezes > 0 {
            seen.note(Seen::Frozen);
        }
        if counts.freezes > 1 {
            seen.note(Seen::FrozenTwice);
        }
        if counts.thaws_by_packet > 0 {
            seen.note(Seen::ThawedByPacket);
        }
        if counts.thaws_by_timer > 0 {
            seen.note(Seen::ThawedByTimer);
        }
        // Both blocks were out when the queue froze first.
        if counts.freezes > 0 && received.blocks > 2 {
            seen.note(Seen::DeliveredAfterThaw);
        }
        let mut receiver = ring.receiver();
        received.finish(&kernel, stored, || receiver.next_block());
    });
}
