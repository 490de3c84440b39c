//! A ring's memory that goes while the ring is used.

use loom::thread;
use packet_ring_loom_tests::{Kernel, Model, Shape, contents, step};

const ONE_BLOCK: Shape = Shape {
    blocks: 1,
    packets: 1,
};

/// A ring whose mapping is undone too early, as by an owner that drops it before its blocks: what it lends is
/// used by another thread at any time, before, meanwhile or behind.
fn unmapped_beside_a_block() {
    let model = Model::new("unmapped too early").must_see([()]);
    model.check(|seen| {
        let (kernel, ring, mapping) = Kernel::with_mapped_ring(ONE_BLOCK);
        kernel.receive(1);
        kernel.expire_timer();
        // SAFETY: the memory of a model is there for as long as anybody names it; it is the mapping that goes.
        let mut receiver = unsafe { ring.into_shared(()) };
        let block = receiver.next_block().expect("a block that was filled");
        let reader = thread::spawn(move || {
            step();
            let _ = contents(&block);
            step();
        });
        step();
        drop(mapping);
        reader.join().unwrap();
        seen.note(());
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn memory_that_goes_beside_its_use_fails_the_model() {
    unmapped_beside_a_block();
}

/// The same in one thread, where all is ordered.
#[test]
#[should_panic(expected = "the ring was used after its memory was unmapped")]
fn memory_that_is_used_behind_its_end_fails_the_model() {
    loom::model(|| {
        let (_kernel, mut ring, mapping) = Kernel::with_mapped_ring(ONE_BLOCK);
        assert!(ring.next_block().is_none());
        drop(mapping);
        let _ = ring.next_block();
    });
}

/// Memory that goes behind its last use is nobody's error.
#[test]
fn memory_goes_behind_its_last_use() {
    let model = Model::new("unmapped by the last").must_see([false, true]);
    model.check(|seen| {
        let (kernel, ring, mapping) = Kernel::with_mapped_ring(ONE_BLOCK);
        // SAFETY: the mapping is the ring's, and goes with the last that uses it.
        let mut receiver = unsafe { ring.into_shared(mapping) };
        let processor = thread::spawn(move || {
            kernel.receive(1);
            kernel.expire_timer();
            // The kernel's own mapping stays.
            kernel.receive(2)
        });
        step();
        let block = receiver.next_block();
        drop(receiver);
        seen.note(block.is_some());
        if let Some(block) = &block {
            assert_eq!(contents(block).packets, [1]);
        }
        drop(block);
        processor.join().unwrap();
    });
}
