//! Frames that are taken back before they were sent.

use loom::thread;
use packet_ring_loom_tests::{Loads, Model, Stopped, TxKernel, TxShape, step};

use crate::sent::{TWO_FRAMES, finish, packet, send};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Recalled(u32),
    /// The frame was refused while it was being recalled, and was recalled then.
    RefusedMeanwhile,
    CameBack,
    NotYet,
    /// A frame that the interface's queue had dropped was handed over anew, and the kernel then asked for it
    /// once more.
    AskedFor,
}

/// Makes the kernel send what it finds, if it does.
fn kick(kernel: &TxKernel) {
    let _ = kernel.kick();
}

/// What the kernel has not taken comes back, by place and by number, behind what is out.
#[test]
fn recalled_frames_leave_no_hole() {
    const SHAPE: TxShape = TxShape {
        frames: 3,
        ..TWO_FRAMES
    };
    let model = Model::new("recalled").must_see([Seen::CameBack, Seen::NotYet]);
    model.check(|seen| {
        let (kernel, mut ring) = TxKernel::with_ring(SHAPE);
        let interface = thread::spawn({
            let kernel = kernel.clone();
            move || {
                for _ in 0..2 {
                    kernel.complete();
                }
            }
        });
        for packet in [&packet(1), &vec![9; 3], &packet(3)] {
            send(ring.reserve().expect("a free frame"), packet);
        }
        assert_eq!(kernel.kick(), Err(Stopped::WrongFormat));
        // Nobody has looked since: that the first was taken stops nothing.
        assert_eq!(ring.recall(|| kick(&kernel)), 2);
        ring.look();
        assert_eq!(ring.recall(|| unreachable!("nothing is queued")), 0);
        assert_eq!((ring.queued(), ring.in_flight()), (0, 1));
        assert_eq!(ring.head(), None);
        let mut sent = vec![packet(1)];
        for number in 4..=6 {
            step();
            let Some(frame) = ring.reserve() else {
                seen.note(Seen::NotYet);
                break;
            };
            if number == 6 {
                seen.note(Seen::CameBack);
            }
            assert_eq!(send(frame, &packet(number)), sent.len() as u64);
            sent.push(packet(number));
        }
        kick(&kernel);
        interface.join().unwrap();
        finish(&kernel, &mut ring, sent);
    });
}

/// Another thread makes the kernel send while frames are recalled: each is either sent or comes back,
/// and the order stays whole.
#[test]
fn a_frame_is_recalled_or_sent() {
    recalled_or_sent("recalled while others send", false);
}

/// As above, and one of the frames is refused.
#[test]
fn a_frame_is_recalled_or_sent_or_refused() {
    recalled_or_sent("recalled while others are refused", true);
}

fn recalled_or_sent(name: &'static str, wrong: bool) {
    const SHAPE: TxShape = TxShape {
        loads: Loads::InOrder,
        ..TWO_FRAMES
    };
    let model = Model::new(name).must_see((0..=2).map(Seen::Recalled));
    let model = match wrong {
        true => model.must_see([Seen::RefusedMeanwhile]),
        false => model,
    };
    model.check(move |seen| {
        let (kernel, mut ring) = TxKernel::with_ring(SHAPE);
        let stranger = thread::spawn({
            let kernel = kernel.clone();
            move || {
                kick(&kernel);
                kernel.complete();
            }
        });
        let mut sent = vec![packet(1), if wrong { vec![9; 3] } else { packet(2) }];
        for packet in &sent {
            send(ring.reserve().expect("a free frame"), packet);
        }
        step();
        let mut recalled = ring.recall(|| kick(&kernel));
        seen.note(Seen::Recalled(recalled));
        // The next call finds out what the other one met.
        kick(&kernel);
        ring.look();
        if ring.head().is_some_and(|head| head.refused) {
            seen.note(Seen::RefusedMeanwhile);
            recalled += ring.recall(|| kick(&kernel));
        }
        sent.truncate(sent.len() - recalled as usize);
        for number in 3..=4 {
            step();
            if let Some(frame) = ring.reserve() {
                assert_eq!(send(frame, &packet(number)), sent.len() as u64);
                sent.push(packet(number));
            }
        }
        stranger.join().unwrap();
        finish(&kernel, &mut ring, sent);
    });
}

/// Another thread makes the kernel send into a full queue, which drops a frame and asks for it once more,
/// while the program has it again, hands it over anew and recalls it: whatever is not recalled is sent.
#[test]
fn what_is_not_recalled_goes_out_though_the_queue_was_full() {
    const SHAPE: TxShape = TxShape {
        loads: Loads::InOrder,
        queue: 0,
        ..TWO_FRAMES
    };
    let recalled = (0..=2).map(Seen::Recalled);
    let model = Model::new("recalled while the queue is full")
        .must_see(recalled)
        .must_see([Seen::CameBack, Seen::NotYet, Seen::AskedFor]);
    model.check(|seen| {
        let (kernel, mut ring) = TxKernel::with_ring(SHAPE);
        for number in [1, 2] {
            send(ring.reserve().expect("a free frame"), &packet(number));
        }
        let stranger = thread::spawn({
            let kernel = kernel.clone();
            move || kick(&kernel)
        });
        step();
        let came_back = match ring.reserve() {
            Some(frame) => {
                send(frame, &packet(3));
                seen.note(Seen::CameBack);
                true
            }
            None => {
                seen.note(Seen::NotYet);
                false
            }
        };
        step();
        let recalled = ring.recall(|| kick(&kernel));
        seen.note(Seen::Recalled(recalled));
        if came_back && recalled == 0 {
            seen.note(Seen::AskedFor);
        }
        stranger.join().unwrap();
        kernel.set_queue(2);
        while kernel.kick().is_ok_and(|taken| taken > 0) {}
        while kernel.complete() {}
        while ring.next_completion().is_some() {}
        assert_eq!(
            (ring.queued(), ring.in_flight()),
            (0, 0),
            "nothing is stuck"
        );
    });
}
