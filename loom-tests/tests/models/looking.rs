//! Models that pass without looking, and are refused.

use loom::thread;
use packet_ring_loom_tests::{Kernel, Model, Shape, step};

const ONE_BLOCK: Shape = Shape {
    blocks: 1,
    packets: 1,
};

/// A kernel's thread, and a program that looks once, stepping before or not.
fn looks(name: &'static str, step: fn(), join_first: bool) {
    let model = Model::new(name).must_see(["looked"]);
    model.check(move |seen| {
        let (kernel, mut ring) = Kernel::with_ring(ONE_BLOCK);
        let processor = thread::spawn(move || {
            kernel.receive(1);
            kernel.expire_timer();
        });
        let mut processor = Some(processor);
        if join_first {
            processor.take().unwrap().join().unwrap();
        }
        step();
        let _ = ring.next_block();
        seen.note("looked");
        if let Some(processor) = processor {
            processor.join().unwrap();
        }
    });
}

#[test]
fn a_model_that_steps_beside_the_kernel_is_taken() {
    looks("steps beside the kernel", step, false);
}

#[test]
#[should_panic(expected = "in every execution (1 in all): ThreadId(1). Nothing was tried")]
fn a_model_whose_program_never_steps_is_refused() {
    looks("never steps", || (), false);
}

#[test]
#[should_panic(expected = "in every execution (1 in all): ThreadId(1), ThreadId(0). Nothing")]
fn a_model_whose_threads_run_one_after_the_other_is_refused() {
    looks("one after the other", step, true);
}

#[test]
#[should_panic(
    expected = "the threads stepped in one order in every execution (1 in all): none of them ever."
)]
fn a_model_that_never_steps_at_all_is_refused() {
    let model = Model::new("no steps at all").must_see([()]);
    model.check(|seen| seen.note(()));
}

#[test]
#[should_panic(expected = "never seen: [\"a packet\"]; seen: {\"nothing\": ")]
fn an_outcome_that_never_came_fails_the_model() {
    let model = Model::new("sees nothing").must_see(["a packet"]);
    model.check(|seen| {
        let (kernel, ring) = Kernel::with_ring(ONE_BLOCK);
        let processor = thread::spawn(move || kernel.receive(1));
        step();
        // The packet waits for the timer, which never comes.
        assert_eq!(ring.slots().held(), 0);
        seen.note("nothing");
        processor.join().unwrap();
    });
}

#[test]
#[should_panic(expected = "a model that must see nothing passes without looking")]
fn a_model_that_must_see_nothing_is_refused() {
    let _ = Model::new("must see nothing").must_see([(); 0]);
}
