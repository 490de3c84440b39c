//! What a model's program hands over to be sent, held against what came out of the interface.

use packet_ring::handoff::{Completion, TxFrame, TxRing};
use packet_ring_loom_tests::{Loads, TxKernel, TxShape, step};

/// A ring of two frames; a packet has a byte or two, and one of three is refused.
pub(crate) const TWO_FRAMES: TxShape = TxShape {
    frames: 2,
    room: 3,
    longest: 2,
    queue: 2,
    stamps: 0,
    loads: Loads::Reordered,
};

/// A packet that differs from its neighbours in length too.
pub(crate) fn packet(number: u8) -> Vec<u8> {
    vec![number; 1 + usize::from(number % 2)]
}

/// Fills a frame and hands it over: no shorter packet begins at the same place as a longer one.
pub(crate) fn send(mut frame: TxFrame<'_>, packet: &[u8]) -> u64 {
    let start = packet.len() - 1;
    let mut bytes = frame.bytes_mut();
    let room = bytes.len();
    let start = start.min(room - packet.len());
    bytes[start..start + packet.len()].copy_from_slice(packet);
    step();
    drop(bytes);
    step();
    let start = start.try_into().expect("a small frame");
    let length = packet.len().try_into().expect("a small packet");
    frame.send(start, length).expect("the packet has room")
}

/// The next frame that came back, which must be the one behind the last, with its own timestamp.
pub(crate) fn next_completion(kernel: &TxKernel, ring: &mut TxRing) -> Option<Completion> {
    let number = ring.completed();
    let completion = ring.next_completion()?;
    assert_eq!(completion.number, number, "frames come back in order");
    let stamp = kernel.stamp(number.try_into().expect("few frames"));
    assert_eq!(completion.stamp, stamp, "a frame has its own timestamp");
    Some(completion)
}

/// Sends what is left, when no other thread runs any more, and a lap of the ring beyond. Checks that every
/// packet was sent once and in order, and that no frame waits for another.
pub(crate) fn finish(kernel: &TxKernel, ring: &mut TxRing, mut sent: Vec<Vec<u8>>) {
    settle(kernel, ring);
    assert_eq!(kernel.wire(), sent, "what was handed over is what was sent");
    for number in 101..=100 + u8::try_from(ring.count().get()).expect("a small ring") {
        let packet = packet(number);
        send(ring.reserve().expect("every frame is back"), &packet);
        sent.push(packet);
        assert_eq!(kernel.kick(), Ok(1), "the kernel stands at this frame");
        settle(kernel, ring);
    }
    assert_eq!(kernel.wire(), sent, "what was handed over is what was sent");
}

fn settle(kernel: &TxKernel, ring: &mut TxRing) {
    for _ in 0..=ring.count().get() {
        while kernel.complete() {}
        // Where the interface's queue was full, the next round sends more.
        let _ = kernel.kick();
    }
    while next_completion(kernel, ring).is_some() {}
    assert_eq!((ring.queued(), ring.in_flight()), (0, 0), "all came back");
    assert_eq!(ring.completed(), kernel.wire().len() as u64);
}
