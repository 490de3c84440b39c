//! Several processors at work on one block.

use loom::thread;
use packet_ring_loom_tests::{BLK_TMO, Kernel, Model, Shape, contents, step};

use crate::received::{Received, send};

const TWO_BY_TWO: Shape = Shape {
    blocks: 2,
    packets: 2,
};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Delivered(u8),
    /// A block held packets of both processors.
    Mingled,
    ByTimer,
    Full,
    /// The timer closed a block that had room for more.
    Half,
}

/// A block that two processors fill is handed over when both are done, never earlier.
#[test]
fn two_processors_fill_one_block() {
    let model = Model::new("two processors fill one block").must_see([
        Seen::Delivered(0),
        Seen::Delivered(1),
        Seen::Mingled,
    ]);
    model.check(|seen| {
        let (kernel, mut ring) = Kernel::with_ring(TWO_BY_TWO);
        let one = thread::spawn({
            let kernel = kernel.clone();
            move || send(&kernel, 1..=2)
        });
        let other = thread::spawn({
            let kernel = kernel.clone();
            move || send(&kernel, 11..=12)
        });
        let mut received = Received::default();
        for _ in 0..2 {
            step();
            if let Some(block) = ring.next_block() {
                let packets = contents(&block).packets;
                if packets.iter().any(|&packet| packet < 10)
                    && packets.iter().any(|&packet| packet > 10)
                {
                    seen.note(Seen::Mingled);
                }
                received.add(&block);
            }
        }
        let mut stored = one.join().unwrap();
        stored.append(&mut other.join().unwrap());
        seen.note(Seen::Delivered(received.blocks));
        let mut receiver = ring.receiver();
        received.finish(&kernel, stored, || receiver.next_block());
    });
}

/// The retire timer, on a processor of its own, closes a block that another one fills.
#[test]
fn the_timer_closes_a_block() {
    let model = Model::new("the retire timer").must_see([
        Seen::Delivered(0),
        Seen::Delivered(1),
        Seen::Delivered(2),
        Seen::ByTimer,
        Seen::Full,
        Seen::Half,
    ]);
    model.check(|seen| {
        let (kernel, mut ring) = Kernel::with_ring(TWO_BY_TWO);
        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || send(&kernel, 1..=3)
        });
        let timer = thread::spawn({
            let kernel = kernel.clone();
            move || kernel.expire_timer()
        });
        let mut received = Received::default();
        for _ in 0..3 {
            step();
            if let Some(block) = ring.next_block() {
                let by_timer = block.status() & BLK_TMO != 0;
                seen.note(if by_timer { Seen::ByTimer } else { Seen::Full });
                if by_timer && contents(&block).packets.len() == 1 {
                    seen.note(Seen::Half);
                }
                received.add(&block);
            }
        }
        let stored = processor.join().unwrap();
        timer.join().unwrap();
        seen.note(Seen::Delivered(received.blocks));
        let mut receiver = ring.receiver();
        received.finish(&kernel, stored, || receiver.next_block());
    });
}
