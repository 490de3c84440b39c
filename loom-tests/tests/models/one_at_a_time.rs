//! One block at a time.

use loom::thread;
use packet_ring_loom_tests::{Kernel, Model, Shape, step};

use crate::received::{Received, send};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Delivered(u8),
    Nothing,
    Frozen,
}

/// Blocks come complete, in order and without a gap, around the ring and around again.
#[test]
fn blocks_come_in_order_around_the_ring() {
    const SHAPE: Shape = Shape {
        blocks: 2,
        packets: 1,
    };
    let model = Model::new("one block at a time")
        .must_see((0..=4).map(Seen::Delivered))
        .must_see([Seen::Nothing, Seen::Frozen]);
    model.check(|seen| {
        let (kernel, mut ring) = Kernel::with_ring(SHAPE);
        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || send(&kernel, 1..=5)
        });
        let mut received = Received::default();
        for _ in 0..4 {
            step();
            let Some(block) = ring.next_block() else {
                seen.note(Seen::Nothing);
                continue;
            };
            received.add(&block);
        }
        let stored = processor.join().unwrap();
        seen.note(Seen::Delivered(received.blocks));
        if kernel.counts().freezes > 0 {
            seen.note(Seen::Frozen);
        }
        let mut receiver = ring.receiver();
        assert_eq!(
            receiver.taken_back(),
            0,
            "every block was given back by its drop"
        );
        received.finish(&kernel, stored, || receiver.next_block());
    });
}
