//! No chunk is lost or owned twice, whatever the program does and whatever a kernel hands back.
//!
//! Programs take random steps over the rings and the table of chunks, in turn with a kernel over plain
//! memory. After every step the state bytes, the count of spurious chunks and every list and chunk are
//! compared with a model that knows where each chunk must be.

mod conserved {
    pub(crate) mod kernel;
    pub(crate) mod memory;
    pub(crate) mod places;
    pub(crate) mod program;
    pub(crate) mod queue;
    pub(crate) mod steps;
    pub(crate) mod table;
}

use core::cell::RefCell;
use std::collections::BTreeSet;

use conserved::kernel::Act;
use conserved::program::{Choices, Outcome, Program, Step};
use conserved::steps::{HONEST, steps};
use packet_ring::ring::RingSize;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Without optimisation the cases are made slowly.
const CASES: u32 = if cfg!(debug_assertions) { 60 } else { 3_000 };

/// A program with few chunks and small rings.
#[derive(Clone, Copy, Debug)]
struct Start {
    chunks: u32,
    sockets: &'static [usize],
    ring: RingSize,
    index: u32,
}

impl Start {
    fn program(self) -> Program {
        Program::new(self.chunks, self.sockets, self.ring, self.index)
    }
}

fn starts() -> impl Strategy<Value = Start> {
    let sockets = prop::sample::select(vec![&[1][..], &[1, 1], &[3], &[1, 2]]);
    // Indices that wrap soon, or stand anywhere.
    let index = prop_oneof![(0..4_u32).prop_map(|distance| !distance), any::<u32>()];
    (1..24_u32, sockets, 0..4_u32, index).prop_map(|(chunks, sockets, size, index)| Start {
        chunks,
        sockets,
        ring: RingSize::new_assert(1 << size),
        index,
    })
}

/// Takes steps with kernels that keep to the protocol: they have what the bytes say, and in the end all
/// comes back but what the program lost or forgot.
fn run_honest(steps: impl Strategy<Value = Vec<(Step, Choices)>>) {
    let seen = run(steps, |program, steps| {
        for &(step, choices) in steps {
            program.step(step, choices);
            for queue in program.queues() {
                queue.check_what_the_kernel_has(program.places());
            }
        }
        assert_eq!(program.places().spurious, 0);
        program.settle();
        assert!(program.seen.contains(&Outcome::Settled));
    });
    assert!(seen.is_superset(&BTreeSet::from(USUAL)), "only {seen:?}");
}

/// Takes steps with kernels that do not keep to the protocol, until the outcomes were seen.
fn run_harmed(harm: &'static [Act], wanted: &[Outcome]) {
    let harm = harm.iter().map(|&act| (6, act));
    let steps = steps(HONEST.iter().copied().chain(harm));
    let seen = run(steps, |program, steps| {
        for &(step, choices) in steps {
            program.step(step, choices);
        }
        program.settle();
    });
    let wanted = USUAL.iter().chain(wanted).copied().collect();
    assert!(seen.is_superset(&wanted), "only {seen:?}");
}

/// What is seen with every kernel.
const USUAL: [Outcome; 5] = [
    Outcome::Received,
    Outcome::Completed,
    Outcome::Lost,
    Outcome::TakenBack,
    Outcome::Reclaimed,
];

/// Takes the steps of each case, and closes; returns what was seen in any.
fn run(
    steps: impl Strategy<Value = Vec<(Step, Choices)>>,
    take: impl Fn(&mut Program, &[(Step, Choices)]),
) -> BTreeSet<Outcome> {
    let config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let seen = RefCell::new(BTreeSet::new());
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&(starts(), steps), |(start, steps)| {
        let mut program = start.program();
        take(&mut program, &steps);
        seen.borrow_mut().append(&mut program.seen);
        program.end();
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}\n{runner}");
    }
    seen.into_inner()
}

#[test]
fn with_an_honest_kernel() {
    run_honest(steps(HONEST.iter().copied()));
}

#[test]
fn with_a_slow_kernel() {
    run_honest(steps(HONEST.iter().map(|&(_, act)| (2, act))));
}

/// Nothing waits for a completion: what is outstanding can be counted.
#[test]
fn with_a_kernel_that_withholds_completions() {
    run_honest(steps([
        (12, Act::TakeFill),
        (12, Act::Deliver),
        (12, Act::TakeTx),
    ]));
}

#[test]
fn with_a_kernel_that_echoes_bad_addresses() {
    run_harmed(&[Act::EchoRx, Act::EchoCompletion], &[Outcome::Refused]);
}

#[test]
fn with_a_kernel_that_hands_back_twice() {
    run_harmed(
        &[Act::DeliverTwice, Act::CompleteTwice],
        &[Outcome::Refused],
    );
}

#[test]
fn with_a_kernel_that_hands_back_what_it_does_not_have() {
    run_harmed(
        &[Act::DeliverForeign, Act::CompleteForeign],
        &[Outcome::Refused],
    );
}

#[test]
fn with_a_kernel_that_moves_its_indices_too_far() {
    run_harmed(&[Act::OverAdvance], &[Outcome::Refused, Outcome::Corrupt]);
}

#[test]
fn with_a_kernel_that_does_all_of_it() {
    const ALL: &[Act] = &[
        Act::EchoRx,
        Act::EchoCompletion,
        Act::DeliverTwice,
        Act::CompleteTwice,
        Act::DeliverForeign,
        Act::CompleteForeign,
        Act::OverAdvance,
    ];
    run_harmed(ALL, &[Outcome::Refused, Outcome::Corrupt]);
}

/// Everything there is to read, held.
const WHOLE: Choices = (0, 0xff, 0x10_0770);

/// One chunk, which the program has given to the kernel, and has got back with a packet.
fn received_once() -> Program {
    let start = Start {
        chunks: 1,
        sockets: &[1],
        ring: RingSize::new_assert(2),
        index: u32::MAX,
    };
    let mut program = start.program();
    for step in [
        Step::Take,
        Step::Fill,
        Step::Kernel(Act::TakeFill),
        Step::Kernel(Act::Deliver),
        Step::Receive,
    ] {
        program.step(step, WHOLE);
    }
    assert_eq!(program.places().census().held, 1);
    program
}

#[test]
fn a_duplicate_is_refused_and_counted_while_the_program_has_the_chunk() {
    let mut program = received_once();
    program.step(Step::Kernel(Act::DeliverTwice), WHOLE);
    program.step(Step::Receive, WHOLE);
    assert_eq!(program.places().spurious, 1);
    assert_eq!(program.places().census().held, 1);
    program.end();
}

/// The limit of what state bytes can see, which the documents of `chunks` state: the byte says that the
/// kernel has the chunk, and it has, but not by this descriptor.
#[test]
fn a_stale_duplicate_is_taken_for_the_chunk() {
    let mut program = received_once();
    program.step(Step::Fill, WHOLE);
    program.step(Step::Kernel(Act::TakeFill), WHOLE);
    program.step(Step::Kernel(Act::DeliverTwice), WHOLE);
    program.step(Step::Receive, WHOLE);
    assert_eq!(program.places().spurious, 0, "it cannot be seen");
    assert_eq!(program.places().census().held, 1);
    let kernel = &program.queues()[0].kernel;
    assert_eq!(kernel.empty.len(), 1, "and the kernel still has the chunk");

    // What comes rightly is what is counted then; the chunk is still owned once.
    program.step(Step::Kernel(Act::Deliver), WHOLE);
    program.step(Step::Receive, WHOLE);
    assert_eq!(program.places().spurious, 1);
    assert_eq!(program.places().census().held, 1);
    program.end();
}
