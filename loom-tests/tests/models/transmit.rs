//! Frames on their way out.

use loom::sync::{Arc, Mutex};
use loom::thread;
use packet_ring::handoff::{Queued, TxRing};
use packet_ring_loom_tests::{Loads, Model, Stopped, TS_SOFTWARE, TxKernel, TxShape, step};

use crate::sent::{TWO_FRAMES, finish, next_completion, packet, send};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// So many frames were handed over.
    Sent(usize),
    /// The kernel had them all.
    Full,
    /// The oldest frame was still out.
    Nothing,
    CameBack,
    /// A frame came back before one that went out earlier.
    Overtaken,
    /// The call that sends met nothing to send.
    Idle,
    /// It took so many frames.
    Took(u32),
    Refused,
    /// The interface's queue was full.
    NoBuffers,
}

/// The program fills and kicks, and the interface is done with frames on another processor: packets go
/// out once, in order and whole, around the ring and around again.
#[test]
fn frames_go_out_in_order_around_the_ring() {
    let model = Model::new("frames around the ring")
        .must_see((2..=4).map(Seen::Sent))
        .must_see([Seen::Full, Seen::Took(1), Seen::Took(2)]);
    model.check(|seen| {
        let (kernel, mut ring) = TxKernel::with_ring(TWO_FRAMES);
        let interface = thread::spawn({
            let kernel = kernel.clone();
            move || {
                for _ in 0..3 {
                    kernel.complete();
                }
            }
        });
        let mut sent = Vec::new();
        for number in 1..=4 {
            step();
            let Some(frame) = ring.reserve() else {
                seen.note(Seen::Full);
                continue;
            };
            assert_eq!(send(frame, &packet(number)), sent.len() as u64);
            sent.push(packet(number));
            if number > 1 {
                seen.note(Seen::Took(kernel.kick().expect("nothing is wrong with it")));
                ring.look();
                assert_eq!(ring.head(), None);
            }
        }
        interface.join().unwrap();
        seen.note(Seen::Sent(sent.len()));
        finish(&kernel, &mut ring, sent);
    });
}

/// One thread fills and another kicks; the ring is handed over between them.
#[test]
fn the_ring_is_handed_to_the_thread_that_kicks() {
    let model = Model::new("filled by one thread, sent by another")
        .must_see((2..=3).map(Seen::Sent))
        .must_see([Seen::Full, Seen::Idle, Seen::Took(1), Seen::Took(2)]);
    model.check(|seen| {
        let (kernel, ring) = TxKernel::with_ring(TWO_FRAMES);
        let ring = Arc::new(Mutex::new(ring));
        let kicker = thread::spawn({
            let (kernel, ring, seen) = (kernel.clone(), Arc::clone(&ring), seen.clone());
            move || {
                for _ in 0..2 {
                    let mut ring = ring.lock().unwrap();
                    seen.note(match kernel.kick().expect("nothing is wrong with it") {
                        0 => Seen::Idle,
                        taken => Seen::Took(taken),
                    });
                    ring.look();
                    assert_eq!(ring.queued(), 0);
                }
            }
        });
        let interface = thread::spawn({
            let kernel = kernel.clone();
            move || kernel.complete()
        });
        let mut sent = Vec::new();
        for number in 1..=3 {
            let mut ring = ring.lock().unwrap();
            let Some(frame) = ring.reserve() else {
                seen.note(Seen::Full);
                continue;
            };
            send(frame, &packet(number));
            sent.push(packet(number));
        }
        kicker.join().unwrap();
        interface.join().unwrap();
        seen.note(Seen::Sent(sent.len()));
        finish(&kernel, &mut ring.lock().unwrap(), sent);
    });
}

/// A frame is out until it came back, however late; then its timestamp is whole.
#[test]
fn a_frame_is_out_until_it_came_back() {
    const SHAPE: TxShape = TxShape {
        stamps: TS_SOFTWARE,
        ..TWO_FRAMES
    };
    let model = Model::new("late completions, with timestamps").must_see([
        Seen::Full,
        Seen::Nothing,
        Seen::CameBack,
        Seen::Sent(2),
        Seen::Sent(3),
        Seen::Sent(4),
    ]);
    model.check(|seen| {
        let (kernel, mut ring) = TxKernel::with_ring(SHAPE);
        let mut sent = send_two(&kernel, &mut ring);
        let interface = thread::spawn({
            let kernel = kernel.clone();
            move || {
                for _ in 0..3 {
                    kernel.complete();
                }
            }
        });
        for number in 3..=4 {
            step();
            match next_completion(&kernel, &mut ring) {
                None => seen.note(Seen::Nothing),
                Some(completion) => {
                    assert_eq!(completion.status, TS_SOFTWARE);
                    seen.note(Seen::CameBack);
                }
            }
            step();
            let Some(frame) = ring.reserve() else {
                seen.note(Seen::Full);
                continue;
            };
            send(frame, &packet(number));
            sent.push(packet(number));
            assert_eq!(kernel.kick(), Ok(1));
        }
        interface.join().unwrap();
        seen.note(Seen::Sent(sent.len()));
        finish(&kernel, &mut ring, sent);
    });
}

/// Frames that come back before an older one wait for it.
#[test]
fn frames_come_back_in_order() {
    let model = Model::new("completions on two processors").must_see([
        Seen::Nothing,
        Seen::CameBack,
        Seen::Overtaken,
        Seen::Full,
        Seen::Sent(3),
    ]);
    model.check(|seen| {
        let (kernel, mut ring) = TxKernel::with_ring(TWO_FRAMES);
        let mut sent = send_two(&kernel, &mut ring);
        let interfaces = [(); 2].map(|()| {
            let kernel = kernel.clone();
            thread::spawn(move || kernel.complete())
        });
        step();
        match next_completion(&kernel, &mut ring) {
            None => seen.note(Seen::Nothing),
            Some(_) => seen.note(Seen::CameBack),
        }
        step();
        match ring.reserve() {
            None => seen.note(Seen::Full),
            Some(frame) => {
                send(frame, &packet(3));
                sent.push(packet(3));
            }
        }
        for interface in interfaces {
            interface.join().unwrap();
        }
        if kernel.overtaken() {
            seen.note(Seen::Overtaken);
        }
        seen.note(Seen::Sent(sent.len()));
        finish(&kernel, &mut ring, sent);
    });
}

/// Hands two frames over and has them sent: the ring is full until they come back.
fn send_two(kernel: &TxKernel, ring: &mut TxRing) -> Vec<Vec<u8>> {
    let sent = vec![packet(1), packet(2)];
    for packet in &sent {
        send(ring.reserve().expect("a free frame"), packet);
    }
    assert_eq!(kernel.kick(), Ok(2));
    sent
}

/// The kernel stops at a frame that it refuses, and keeps its place there; mended and sent again, it goes
/// out in its turn.
#[test]
fn a_refused_frame_goes_out_in_its_place() {
    const SHAPE: TxShape = TxShape {
        frames: 3,
        ..TWO_FRAMES
    };
    let model = Model::new("a refused frame").must_see([Seen::Refused, Seen::Full, Seen::CameBack]);
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
        let too_long = vec![9; 3];
        for packet in [&packet(1), &too_long, &packet(3)] {
            // Abandoned, it is handed out again.
            drop(ring.reserve().expect("a free frame"));
            send(ring.reserve().expect("a free frame"), packet);
        }
        assert_eq!(kernel.kick(), Err(Stopped::WrongFormat));
        ring.look();
        let refused = Queued {
            number: 1,
            refused: true,
        };
        assert_eq!(ring.head(), Some(refused));
        assert_eq!((ring.queued(), ring.in_flight()), (2, 1));
        seen.note(Seen::Refused);
        step();
        let mut sent = vec![packet(1), packet(2), packet(3)];
        match ring.reserve() {
            // One is with the kernel, and two are queued.
            None => seen.note(Seen::Full),
            Some(frame) => {
                seen.note(Seen::CameBack);
                send(frame, &packet(4));
                sent.push(packet(4));
                assert!(ring.reserve().is_none());
            }
        }
        // It stops there until the frame is mended.
        assert_eq!(kernel.kick(), Ok(0));
        let mended = ring.refused().expect("the frame that was refused");
        assert_eq!(mended.number(), 1);
        assert_eq!(mended.bytes()[..], [9; 3]);
        assert_eq!(send(mended, &packet(2)), 1);
        assert!(ring.refused().is_none());
        // The interface's queue may be full.
        let _ = kernel.kick();
        ring.look();
        interface.join().unwrap();
        finish(&kernel, &mut ring, sent);
    });
}

/// A frame that was refused in a call of another thread can be mended as soon as that is seen.
#[test]
fn a_frame_refused_elsewhere_is_mended() {
    const SHAPE: TxShape = TxShape {
        loads: Loads::InOrder,
        ..TWO_FRAMES
    };
    let model = Model::new("a frame refused elsewhere").must_see([Seen::Refused, Seen::Nothing]);
    model.check(|seen| {
        let (kernel, mut ring) = TxKernel::with_ring(SHAPE);
        let stranger = thread::spawn({
            let kernel = kernel.clone();
            move || kernel.kick()
        });
        for packet in [&packet(1), &vec![9; 3]] {
            send(ring.reserve().expect("a free frame"), packet);
        }
        step();
        ring.look();
        if ring.refused().is_none() {
            seen.note(Seen::Nothing);
            let _ = stranger.join().unwrap();
            let _ = kernel.kick();
            ring.look();
        } else {
            seen.note(Seen::Refused);
        }
        let mended = ring.refused().expect("the frame that was refused");
        send(mended, &packet(2));
        finish(&kernel, &mut ring, vec![packet(1), packet(2)]);
    });
}

/// A packet that the interface's queue drops stays queued in its frame, and goes out with a later call.
#[test]
fn a_dropped_frame_goes_out_later() {
    const SHAPE: TxShape = TxShape {
        queue: 1,
        ..TWO_FRAMES
    };
    let model = Model::new("the interface's queue is full").must_see([
        Seen::NoBuffers,
        Seen::Took(1),
        Seen::Took(2),
    ]);
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
        let mut sent = Vec::new();
        for number in 1..=4 {
            step();
            let Some(frame) = ring.reserve() else {
                continue;
            };
            send(frame, &packet(number));
            sent.push(packet(number));
            let queued = ring.queued();
            match kernel.kick() {
                Ok(taken) => {
                    assert_eq!(taken, queued);
                    seen.note(Seen::Took(taken));
                }
                Err(stopped) => {
                    assert_eq!(stopped, Stopped::NoBuffers);
                    seen.note(Seen::NoBuffers);
                }
            }
            ring.look();
            if let Some(head) = ring.head() {
                assert!(!head.refused);
            }
        }
        interface.join().unwrap();
        finish(&kernel, &mut ring, sent);
    });
}
