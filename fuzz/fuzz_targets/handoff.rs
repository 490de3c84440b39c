//! Any order of filling, taking, releasing, forgetting and starting anew, against a plain model.
//!
//! Input: one byte of block count, then one byte an operation. The kernel fills blocks in turn, and
//! stops at one that it has not got back.

#![no_main]

#[path = "../../tests/model"]
mod model {
    pub(crate) mod heap;
    #[path = "../../fuzz/fuzz_targets/kernel.rs"]
    pub(crate) mod kernel;
}

use core::ops::Range;

use libfuzzer_sys::fuzz_target;
use model::heap::HeapRing;
use packet_ring::handoff::{Block, Slots};
use packet_ring::packet::Geometry;

const BLOCK: usize = 4096;

/// What the model knows of a block; the number is what the kernel filled it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Kernel,
    Ready(u8),
    Out(u8),
    Forgotten,
}

struct Model {
    blocks: Vec<State>,
    kernel: usize,
    program: usize,
    filled: u8,
    taken_back: u64,
}

impl Model {
    fn after(&self, index: usize) -> usize {
        (index + 1) % self.blocks.len()
    }

    /// Takes the next block, whose index and content it returns.
    fn take(&mut self) -> Option<(usize, u8)> {
        let index = self.program;
        let State::Ready(content) = self.blocks[index] else {
            return None;
        };
        self.blocks[index] = State::Out(content);
        self.program = self.after(index);
        Some((index, content))
    }

    /// A new borrow of the ring: what was forgotten comes back.
    fn start_anew(&mut self) {
        for block in &mut self.blocks {
            if *block == State::Forgotten {
                *block = State::Kernel;
                self.taken_back += 1;
            }
            assert!(!matches!(block, State::Out(_)));
        }
    }

    fn held(&self) -> u32 {
        let out = |block: &&State| matches!(block, State::Out(_) | State::Forgotten);
        self.blocks.iter().filter(out).count() as u32
    }
}

type Held<'r> = (usize, u8, Block<&'r Slots>);

/// What the block lends lies in its place, and is what the kernel or we wrote there.
fn check(place: &Range<usize>, content: u8, block: &Block<&Slots>) {
    let bytes = block.bytes();
    let start = bytes.as_ptr().addr();
    assert_eq!(start..start + bytes.len(), place.start + 12..place.end);
    assert!(bytes == [content; BLOCK - 12]);
}

fuzz_target!(|input: &[u8]| {
    let Some((&count, operations)) = input.split_first() else {
        return;
    };
    let count = usize::from(count % 5) + 1;
    let Ok(geometry) = Geometry::new(BLOCK as u32, count as u32) else {
        return;
    };
    let mut heap = HeapRing::new(&geometry, &[]);
    let places: Vec<Range<usize>> = (0..count).map(|index| heap.addresses(index)).collect();
    let (ring, memory) = heap.split();
    let mut model = Model {
        blocks: vec![State::Kernel; count],
        kernel: 0,
        program: 0,
        filled: 0,
        taken_back: 0,
    };
    let mut operations = operations.iter().copied().peekable();
    while operations.peek().is_some() {
        model.start_anew();
        let mut receiver = ring.receiver();
        let slots = receiver.slots();
        assert_eq!(receiver.taken_back(), model.taken_back);
        let mut held: Vec<Held<'_>> = Vec::new();
        for operation in operations.by_ref() {
            let choice = usize::from(operation >> 3);
            match operation & 7 {
                0 | 1 => {
                    let content = model.filled.wrapping_add(1);
                    // Any flags that the kernel may set beside USER.
                    let status = 1 | (u32::from(operation >> 3) << 1);
                    let was_its_own = memory.fill(model.kernel, content, status);
                    assert_eq!(was_its_own, model.blocks[model.kernel] == State::Kernel);
                    if was_its_own {
                        model.filled = content;
                        model.blocks[model.kernel] = State::Ready(content);
                        model.kernel = model.after(model.kernel);
                    }
                }
                2 | 3 => {
                    let ready = receiver.is_ready();
                    let expected = model.take();
                    assert_eq!(ready, expected.is_some());
                    let block = receiver.next_block();
                    assert_eq!(block.is_some(), expected.is_some());
                    if let (Some((index, content)), Some(block)) = (expected, block) {
                        check(&places[index], content, &block);
                        held.push((index, content, block));
                    }
                }
                4 if !held.is_empty() => {
                    let (index, content, block) = held.swap_remove(choice % held.len());
                    check(&places[index], content, &block);
                    drop(block);
                    model.blocks[index] = State::Kernel;
                }
                5 if !held.is_empty() => {
                    let (index, content, block) = held.swap_remove(choice % held.len());
                    check(&places[index], content, &block);
                    core::mem::forget(block);
                    model.blocks[index] = State::Forgotten;
                }
                6 if !held.is_empty() => {
                    let place = choice % held.len();
                    let (_, content, block) = &mut held[place];
                    *content = content.wrapping_add(100);
                    block.bytes_mut().fill(*content);
                }
                7 => break,
                _ => {}
            }
            assert_eq!(slots.held(), model.held());
        }
        for (index, content, block) in held {
            check(&places[index], content, &block);
            drop(block);
            model.blocks[index] = State::Kernel;
        }
    }
});
