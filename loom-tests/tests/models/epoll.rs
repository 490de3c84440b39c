//! A reactor over modelled rings: what it is told of, how often, and that it misses nothing.

use loom::thread;
use packet_ring_loom_tests::{
    Epoll, EventFd, Kernel, KernelV2, Model, Shape, Trigger, packet, step,
};

use crate::received::{Received, send};

const TWO_BLOCKS: Shape = Shape {
    blocks: 2,
    packets: 1,
};

const RING: u64 = 1;
const COUNTER: u64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// The block was found before the reactor was asked.
    Ready,
    /// The reactor told of it.
    Told,
    /// It told so many times of a ring whose newest block was held.
    Times(usize),
}

/// Edge-triggered, a program that takes all blocks before each wait is told of every one that comes then, and of
/// nothing that is not there.
#[test]
fn no_edge_is_lost() {
    let model = Model::new("epoll: no lost edge").must_see([Seen::Ready, Seen::Told]);
    model.check(|seen| {
        let (kernel, mut ring) = Kernel::with_ring(TWO_BLOCKS);
        let epoll = Epoll::new();
        epoll.add(&kernel, RING, Trigger::Edge);
        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || {
                let stored = send(&kernel, 1..=2);
                kernel.expire_timer();
                stored
            }
        });
        let mut received = Received::default();
        let mut told = false;
        while received.blocks < 2 {
            step();
            match ring.next_block() {
                Some(block) => {
                    received.add(&block);
                    seen.note(if told { Seen::Told } else { Seen::Ready });
                    told = false;
                }
                None => {
                    assert!(!told, "nothing is there");
                    assert_eq!(epoll.wait(), [RING]);
                    told = true;
                }
            }
        }
        let stored = processor.join().unwrap();
        let mut receiver = ring.receiver();
        received.finish(&kernel, stored, || receiver.next_block());
    });
}

/// How often a ring is told of whose newest block is held, until a counter is told of or three waits are over.
fn times_told(name: &'static str, trigger: Trigger, must_see: &'static [Seen]) {
    let model = Model::new(name).must_see(must_see.iter().copied());
    model.check(move |seen| {
        let (kernel, mut ring) = Kernel::with_ring(TWO_BLOCKS);
        let counter = EventFd::new();
        let epoll = Epoll::new();
        epoll.add(&kernel, RING, trigger);
        epoll.add(&counter, COUNTER, Trigger::Edge);
        send(&kernel, [1]);
        kernel.expire_timer();
        let newest = ring.next_block();
        let other = thread::spawn({
            let counter = counter.clone();
            move || {
                step();
                counter.write();
            }
        });
        let mut times = 0;
        for _ in 0..3 {
            step();
            let tokens = epoll.wait();
            times += usize::from(tokens.contains(&RING));
            if tokens.contains(&COUNTER) {
                assert_eq!(counter.read(), 1);
                break;
            }
        }
        drop(newest);
        other.join().unwrap();
        seen.note(Seen::Times(times));
        assert!(must_see.contains(&Seen::Times(times)), "told {times} times");
    });
}

#[test]
fn an_edge_is_told_once() {
    times_told("epoll: edges", Trigger::Edge, &[Seen::Times(1)]);
}

#[test]
fn a_level_is_told_as_long_as_it_lasts() {
    const TIMES: &[Seen] = &[Seen::Times(1), Seen::Times(2), Seen::Times(3)];
    times_told("epoll: levels", Trigger::Level, TIMES);
}

/// A ring that becomes readable while it is added is told of, before or behind.
#[test]
fn a_ring_is_told_of_that_fills_while_it_is_added() {
    let model = Model::new("epoll: readable while it is added").must_see([Seen::Ready, Seen::Told]);
    model.check(|seen| {
        let (kernel, mut ring) = KernelV2::with_ring(2);
        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || kernel.receive(1)
        });
        let epoll = Epoll::new();
        let ready = kernel.is_readable();
        epoll.add(&kernel, RING, Trigger::Edge);
        assert_eq!(epoll.wait(), [RING]);
        let frame = ring.next_block().expect("what was told of");
        assert_eq!(packet(&frame), 1);
        seen.note(if ready { Seen::Ready } else { Seen::Told });
        processor.join().unwrap();
    });
}
