//! Sleeping until a block is ready.

use loom::thread;
use packet_ring::handoff::Receiver;
use packet_ring_loom_tests::{Kernel, Model, Outcomes, Polled, Shape, borrowed_for_ever, step};

use crate::received::{Received, send};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    /// The block was ready before the wait asked the kernel.
    Ready,
    /// `poll` found it without sleeping.
    AtOnce,
    /// `poll` slept and was woken by it.
    Woken,
    /// `poll` called the ring readable for a block that was out, and the wait took a nap.
    Napped,
    /// The wait took as many naps as it may.
    GaveUp,
}

/// The library's wait, which needs a descriptor and so is not built under loom: as
/// `packet::Receiver::wait` does, asks the ring first, then polls; and where `poll` called readable
/// what the ring has nothing of, listens for no block until a nap is over, instead of spinning.
///
/// Returns whether a block is ready; it is not where the wait would take one more nap than `naps`.
pub(crate) fn wait(
    poll: impl Fn() -> Polled,
    receiver: &Receiver<'_>,
    mut naps: u32,
    seen: &Outcomes<Seen>,
) -> bool {
    step();
    if receiver.is_ready() {
        seen.note(Seen::Ready);
        return true;
    }
    loop {
        let polled = poll();
        step();
        if receiver.is_ready() {
            seen.note(match polled {
                Polled::AtOnce => Seen::AtOnce,
                Polled::Woken => Seen::Woken,
            });
            return true;
        }
        if naps == 0 {
            seen.note(Seen::GaveUp);
            return false;
        }
        naps -= 1;
        seen.note(Seen::Napped);
        // A nap ends by its timeout, sooner or later, and the ring is asked again.
        step();
        if receiver.is_ready() {
            return true;
        }
    }
}

/// Whoever finds nothing and goes to sleep is woken by the next block, in the last slot and behind
/// the wrap too: a wake-up lost would be a deadlock.
#[test]
fn no_wake_up_is_lost() {
    const SHAPE: Shape = Shape {
        blocks: 2,
        packets: 1,
    };
    let model = Model::new("no lost wake-up").must_see([Seen::Ready, Seen::AtOnce, Seen::Woken]);
    model.check(|seen| {
        let (kernel, mut ring) = Kernel::with_ring(SHAPE);
        let mut receiver = ring.receiver();
        let mut received = Received::default();
        // One block has passed, so the next one is the last before the wrap.
        let mut stored = send(&kernel, [1]);
        kernel.expire_timer();
        received.add(&receiver.next_block().unwrap());

        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || {
                // The first two are stored whatever the program does: both blocks are free.
                let mut stored = send(&kernel, 2..=3);
                kernel.expire_timer();
                stored.append(&mut send(&kernel, [4]));
                stored
            }
        });
        while received.blocks < 3 {
            assert!(wait(|| kernel.poll(), &receiver, 0, seen), "nothing is out");
            step();
            let block = receiver.next_block().expect("a block that is ready");
            received.add(&block);
        }
        stored.append(&mut processor.join().unwrap());
        received.finish(&kernel, stored, || receiver.next_block());
    });
}

/// With the newest block out, `poll` calls the ring readable all the time. The wait naps then, and
/// yet finds what comes.
#[test]
fn a_wait_naps_while_the_newest_block_is_out() {
    const SHAPE: Shape = Shape {
        blocks: 3,
        packets: 1,
    };
    let model = Model::new("waiting while the newest block is out").must_see([
        Seen::Ready,
        Seen::AtOnce,
        Seen::Woken,
        Seen::Napped,
        Seen::GaveUp,
    ]);
    model.check(|seen| {
        let (kernel, ring) = Kernel::with_ring(SHAPE);
        let seen = seen.clone();
        // SAFETY: both threads are joined before the closure returns.
        unsafe {
            borrowed_for_ever(ring, move |ring| {
                let mut receiver = ring.receiver();
                let mut received = Received::default();
                let mut stored = send(&kernel, [1]);
                kernel.expire_timer();
                let newest = receiver.next_block().unwrap();
                received.add(&newest);

                let worker = thread::spawn(move || {
                    step();
                    drop(newest);
                });
                let processor = thread::spawn({
                    let kernel = kernel.clone();
                    move || send(&kernel, 2..=3)
                });
                let mut ready = wait(|| kernel.poll(), &receiver, 1, &seen);
                worker.join().unwrap();
                if !ready {
                    // The block is back: from here on `poll` sleeps until there is news.
                    ready = wait(|| kernel.poll(), &receiver, 0, &seen);
                }
                assert!(ready, "nothing is out");
                step();
                received.add(&receiver.next_block().expect("a block that is ready"));
                stored.append(&mut processor.join().unwrap());
                received.finish(&kernel, stored, || receiver.next_block());
            });
        }
    });
}
