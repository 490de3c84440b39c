//! `TPACKET_V2`: a packet a slot.

use loom::thread;
use packet_ring::handoff::{Block, Handle};
use packet_ring_loom_tests::{Fate, KernelV2, Model, Outcomes, packet, step};

use crate::wait::{self, wait};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Delivered(usize),
    /// There was no room for a packet: the frame at the head was the program's.
    NoRoom,
    /// The frame at the head was the program's, or another processor's, by the time it was looked at
    /// under the lock.
    Occupied,
    /// The packet of the second processor has the first place.
    Second,
    /// A frame was full before one that has its place before it.
    Overtaken,
    /// The cursor came round to a frame that was still out.
    Held,
    /// The frame that was met while it was out came again, filled anew.
    MetAgain,
}

/// Packets that arrive one after the other on one processor.
fn receive(kernel: &KernelV2, packets: impl IntoIterator<Item = u8>) -> Vec<Fate> {
    let fate = |packet| kernel.receive(packet);
    packets.into_iter().map(fate).collect()
}

fn note(seen: &Outcomes<Seen>, fates: &[Fate]) {
    if fates.contains(&Fate::NoRoom) {
        seen.note(Seen::NoRoom);
    }
    if fates.contains(&Fate::Occupied) {
        seen.note(Seen::Occupied);
    }
}

/// Receives what is left, when no processor runs: every packet that was stored has come, once and in the
/// order of the ring.
fn finish<H: Handle>(
    kernel: &KernelV2,
    mut received: Vec<u8>,
    fates: &[Fate],
    mut next_frame: impl FnMut() -> Option<Block<H>>,
) {
    while let Some(frame) = next_frame() {
        received.push(packet(&frame));
    }
    let stored = fates.iter().filter(|&&fate| fate == Fate::Stored).count();
    assert_eq!(received.len(), stored);
    assert_eq!(received, kernel.placed(), "what was stored is what came");
}

/// Two processors fill neighbouring frames at a time, and are done in any order: frames come in the order
/// of the ring, and whole.
#[test]
fn two_processors_fill_neighbouring_frames() {
    let model = Model::new("V2: two processors fill neighbouring frames")
        .must_see((0..=1).map(Seen::Delivered))
        .must_see([Seen::NoRoom, Seen::Occupied, Seen::Second, Seen::Overtaken]);
    model.check(|seen| {
        let (kernel, mut ring) = KernelV2::with_ring(2);
        let processors = [1..=2, 11..=11].map(|packets| {
            let kernel = kernel.clone();
            thread::spawn(move || receive(&kernel, packets))
        });
        let mut received = Vec::new();
        step();
        if let Some(frame) = ring.next_block() {
            received.push(packet(&frame));
        }
        let fates = processors.map(|processor| processor.join().unwrap());
        let fates = fates.concat();
        note(seen, &fates);
        seen.note(Seen::Delivered(received.len()));
        if kernel.placed().first() == Some(&11) {
            seen.note(Seen::Second);
        }
        if kernel.placed() != kernel.filled() {
            seen.note(Seen::Overtaken);
        }
        let mut receiver = ring.receiver();
        finish(&kernel, received, &fates, || receiver.next_block());
    });
}

/// When the ring comes round to a frame that is out, packets are dropped and the frame stays as it is; once
/// dropped, it is filled anew.
#[test]
fn a_held_frame_is_met_at_the_wrap() {
    let model = Model::new("V2: wrap-around onto a held frame").must_see([
        Seen::NoRoom,
        Seen::Held,
        Seen::MetAgain,
    ]);
    model.check(|seen| {
        let (kernel, mut ring) = KernelV2::with_ring(2);
        let mut receiver = ring.receiver();
        let mut fates = receive(&kernel, [1]);
        let held = receiver.next_block().expect("a filled frame");
        let mut received = vec![packet(&held)];

        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || receive(&kernel, 2..=4)
        });
        let mut refused = false;
        for _ in 0..2 {
            step();
            match receiver.next_block() {
                Some(frame) => received.push(packet(&frame)),
                None => refused |= received.len() == 2,
            }
        }
        assert_eq!(packet(&held), 1, "nobody has touched it");
        drop(held);
        step();
        if let Some(frame) = receiver.next_block() {
            if refused {
                seen.note(Seen::MetAgain);
            }
            received.push(packet(&frame));
        }
        if refused {
            seen.note(Seen::Held);
        }
        fates.extend(processor.join().unwrap());
        note(seen, &fates);
        finish(&kernel, received, &fates, || receiver.next_block());
    });
}

/// Whoever finds nothing and goes to sleep is woken by the next frame, behind the wrap too: a wake-up
/// lost would be a deadlock.
#[test]
fn no_wake_up_is_lost() {
    use wait::Seen;

    let model =
        Model::new("V2: no lost wake-up").must_see([Seen::Ready, Seen::AtOnce, Seen::Woken]);
    model.check(|seen| {
        let (kernel, mut ring) = KernelV2::with_ring(2);
        let mut receiver = ring.receiver();
        let mut fates = receive(&kernel, [1]);
        let mut received = vec![packet(&receiver.next_block().expect("a filled frame"))];

        // Both are stored whatever the program does: both frames are free.
        let processor = thread::spawn({
            let kernel = kernel.clone();
            move || receive(&kernel, 2..=3)
        });
        while received.len() < 3 {
            assert!(
                wait(|| kernel.poll(), &receiver, 0, seen),
                "nothing is out, and no other frame is being filled"
            );
            step();
            received.push(packet(&receiver.next_block().expect("a ready frame")));
        }
        fates.extend(processor.join().unwrap());
        finish(&kernel, received, &fates, || receiver.next_block());
    });
}

/// `poll` looks at the frame before the head, where another processor may be at work: it sleeps though the
/// frame that is waited for is full, or calls readable what the reader cannot have yet. The
/// neighbour's wake-up ends the one, a nap the other.
#[test]
fn a_frame_is_found_beside_one_being_filled() {
    use wait::Seen;

    let model = Model::new("V2: waiting beside a frame being filled").must_see([
        Seen::Ready,
        Seen::AtOnce,
        Seen::Woken,
        Seen::GaveUp,
    ]);
    model.check(|seen| {
        let (kernel, mut ring) = KernelV2::with_ring(2);
        let mut receiver = ring.receiver();
        // One frame has passed, so the next one is the last before the wrap.
        let mut fates = receive(&kernel, [21]);
        let mut received = vec![packet(&receiver.next_block().expect("a filled frame"))];

        // The first of these to look is stored. The other may be dropped, in silence: what it saw of the
        // ring outside the lock may have been old.
        let processors = [1, 11].map(|packet| {
            let kernel = kernel.clone();
            thread::spawn(move || receive(&kernel, [packet]))
        });
        // Where the newer frame was filled first, `poll` calls the ring readable for it.
        if wait(|| kernel.poll(), &receiver, 0, seen) {
            step();
            received.push(packet(&receiver.next_block().expect("a ready frame")));
        }
        fates.extend(
            processors
                .map(|processor| processor.join().unwrap())
                .concat(),
        );
        finish(&kernel, received, &fates, || receiver.next_block());
    });
}
