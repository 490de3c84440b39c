//! Several sockets on one queue, which share a fill ring: chunks that one filled come back by the receive ring
//! of either.

use loom::thread;
use packet_ring::chunks::{Chunks, Consumers, List, Slot};
use packet_ring::ring::{Consumer, Descriptor, Producer, RingSize};
use packet_ring_loom_tests::{
    HEADROOM, KernelConsumer, KernelProducer, Model, Pages, Umem, address_of, chunk_of, step,
};

const TWO: RingSize = RingSize::new_assert(2);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// The first socket, the second one, got so many chunks while both ran.
    Received(usize, usize),
}

struct Queue {
    pages: Pages,
    chunks: Chunks<Umem>,
    list: List<Umem>,
    slot: Slot,
    kernel_fill: KernelConsumer<u64>,
    fill: Producer<u64>,
    kernel_rx: [KernelProducer<Descriptor>; 2],
    rx: [Consumer<Descriptor>; 2],
}

impl Queue {
    /// Two sockets, and as many chunks as said, all of them in the fill ring.
    fn new(count: u32) -> Self {
        let pages = Pages::new(count);
        let (chunks, mut list) = pages.map();
        let slot = chunks.take_slot().expect("a slot is free");
        let (kernel_fill, mut fill) = KernelConsumer::with_producer(TWO, u32::MAX);
        let mut batch = fill.batch(count);
        while let Some(number) = list.fill(slot) {
            assert_eq!(batch.push(address_of(number)), Ok(()));
        }
        drop(batch);
        let [(one, rx), (other, other_rx)] =
            [(); 2].map(|()| KernelProducer::with_consumer(TWO, u32::MAX));
        Self {
            pages,
            chunks,
            list,
            slot,
            kernel_fill,
            fill,
            kernel_rx: [one, other],
            rx: [rx, other_rx],
        }
    }
}

/// Hands a chunk to a socket, with a packet.
fn deliver(rx: &mut KernelProducer<Descriptor>, chunk: u64) {
    let stored = rx.reserve(Descriptor {
        address: chunk + HEADROOM,
        len: 1,
        options: 0,
    });
    assert!(stored, "the receive ring has room");
    rx.submit();
}

/// Receives with two attempts, uses what was received and drops it; returns the packets.
fn receive(chunks: &Chunks<Umem>, slot: Slot, rx: &mut Consumer<Descriptor>) -> Vec<u8> {
    let mut packets = Vec::new();
    for _ in 0..2 {
        step();
        for descriptor in rx.batch(2) {
            let number = chunk_of(descriptor.address);
            // SAFETY: it came out of one of the slot's receive rings, just now.
            let chunk = unsafe { chunks.received(number, slot, Consumers::Several) };
            if let Some(chunk) = chunk {
                packets.push(chunk.owner().read(number));
                chunk.owner().write(number, 99);
                // Kept: were it dropped, who comes later would find it dropped, not out.
                core::mem::forget(chunk);
            }
        }
    }
    packets
}

/// A kernel that hands one chunk to both sockets: one of them gets it, the other counts it.
#[test]
fn a_chunk_handed_to_two_sockets_is_owned_once() {
    let model = Model::new("a chunk handed to two sockets").must_see([
        Seen::Received(0, 0),
        Seen::Received(0, 1),
        Seen::Received(1, 0),
    ]);
    model.check(|seen| {
        let queue = Queue::new(1);
        let (chunks, slot, pages) = (queue.chunks, queue.slot, queue.pages);
        let mut fill = queue.kernel_fill;
        let [mut one_kernel, mut other_kernel] = queue.kernel_rx;
        let [mut one, mut other] = queue.rx;
        let kernel = thread::spawn(move || {
            let chunk = fill.take().expect("the fill ring was stocked");
            pages.write(chunk_of(chunk), 7);
            deliver(&mut one_kernel, chunk);
            deliver(&mut other_kernel, chunk);
        });
        let sibling = thread::spawn({
            let chunks = chunks.clone();
            move || (receive(&chunks, slot, &mut other), other)
        });
        let mut packets = receive(&chunks, slot, &mut one);
        kernel.join().unwrap();
        let (theirs, mut other) = sibling.join().unwrap();
        seen.note(Seen::Received(packets.len(), theirs.len()));
        packets.extend(theirs);
        packets.extend(receive(&chunks, slot, &mut one));
        packets.extend(receive(&chunks, slot, &mut other));
        assert_eq!(packets, [7], "one socket owns the chunk");
        assert_eq!(chunks.spurious(), 1, "the other counts it");
    });
}

/// What a socket received and pushed again comes back by its sibling.
#[test]
fn a_sibling_receives_what_the_other_pushed() {
    let model = Model::new("a chunk that changes sockets").must_see([
        Seen::Received(0, 0),
        Seen::Received(1, 0),
        Seen::Received(1, 1),
    ]);
    model.check(|seen| {
        let queue = Queue::new(1);
        let (chunks, slot, pages) = (queue.chunks, queue.slot, queue.pages);
        let (mut kernel_fill, mut fill, mut list) = (queue.kernel_fill, queue.fill, queue.list);
        let [mut one_kernel, mut other_kernel] = queue.kernel_rx;
        let [mut one, mut other] = queue.rx;
        let kernel = thread::spawn(move || {
            let mut packet = 0;
            for _ in 0..2 {
                step();
                let Some(chunk) = kernel_fill.take() else {
                    continue;
                };
                packet += 1;
                pages.write(chunk_of(chunk), packet);
                let rx = match packet {
                    1 => &mut one_kernel,
                    _ => &mut other_kernel,
                };
                deliver(rx, chunk);
            }
        });
        let sibling = thread::spawn({
            let chunks = chunks.clone();
            move || receive(&chunks, slot, &mut other)
        });
        let mut packets = Vec::new();
        for _ in 0..2 {
            step();
            for descriptor in one.batch(1) {
                let number = chunk_of(descriptor.address);
                // SAFETY: it came out of one of the slot's receive rings, just now.
                let chunk = unsafe { chunks.received(number, slot, Consumers::Several) };
                let chunk = chunk.expect("the kernel had it");
                packets.push(chunk.owner().read(number));
                chunk.owner().write(number, 99);
                list.give(chunk).expect("of this UMEM");
                let number = list.fill(slot).expect("just given");
                assert_eq!(fill.batch(1).push(address_of(number)), Ok(()));
            }
        }
        kernel.join().unwrap();
        let theirs = sibling.join().unwrap();
        seen.note(Seen::Received(packets.len(), theirs.len()));
        packets.extend(theirs);
        assert!(packets.iter().copied().eq((1..=2).take(packets.len())));
        assert_eq!(chunks.spurious(), 0);
    });
}
