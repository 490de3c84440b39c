//! The wake-up pair: the program publishes and asks whether the kernel sleeps; the kernel says that it sleeps
//! and looks once more.

use loom::sync::Arc;
use loom::thread;
use packet_ring::ring::RingSize;
use packet_ring_loom_tests::{KernelConsumer, Model, Napi, step};

const TWO: RingSize = RingSize::new_assert(2);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// The program was told to wake the kernel.
    Told,
    /// It was not: the kernel runs.
    NotTold,
    /// The kernel slept, and was woken.
    Slept,
    /// The kernel found, when it looked once more, what had come meanwhile.
    FoundWhenLookingAgain,
}

/// The kernel sleeps only where it will be woken: a wake-up lost would be a deadlock.
#[test]
fn no_wake_up_is_lost() {
    let model = Model::new("need wake-up").must_see([
        Seen::Told,
        Seen::NotTold,
        Seen::Slept,
        Seen::FoundWhenLookingAgain,
    ]);
    model.check(|seen| {
        let (mut kernel, mut producer) = KernelConsumer::with_producer(TWO, u32::MAX);
        let napi = Arc::new(Napi::new());
        let driver = thread::spawn({
            let (napi, seen) = (Arc::clone(&napi), seen.clone());
            move || {
                for entry in 1..=2u64 {
                    let taken = loop {
                        if let Some(taken) = kernel.take() {
                            break taken;
                        }
                        if kernel.sleep() {
                            napi.sleep();
                            kernel.wake();
                            seen.note(Seen::Slept);
                        } else {
                            seen.note(Seen::FoundWhenLookingAgain);
                        }
                    };
                    assert_eq!(taken, entry, "entries come in order");
                }
            }
        });
        for entry in 1..=2 {
            step();
            assert_eq!(producer.batch(1).push(entry), Ok(()));
            if producer.needs_wakeup() {
                napi.schedule();
                seen.note(Seen::Told);
            } else {
                seen.note(Seen::NotTold);
            }
        }
        driver.join().unwrap();
    });
}
