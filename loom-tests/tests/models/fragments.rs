//! Packets of several fragments: published whole or not at all, and read whole where a batch cuts them.

use loom::thread;
use packet_ring::chunks::{Chunks, Consumers, Slot};
use packet_ring::ring::{Consumer, Descriptor, Producer, RingSize};
use packet_ring_loom_tests::{
    Arrival, KernelProducer, Model, Pages, Umem, XdpRxKernel, XdpTxKernel, address_of, chunk_of,
    step,
};

const FOUR: RingSize = RingSize::new_assert(4);
const EIGHT: RingSize = RingSize::new_assert(8);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// So many whole packets were sent or received while both sides ran.
    Packets(usize),
    /// A batch ended inside a packet, and went on to its end.
    Extended,
    /// The rest of a packet was not there yet: it was left for later.
    Left,
    /// There was no room for a whole packet: none of it was pushed.
    NoRoom,
}

/// Pushes a packet whole, if there is room: a fragment of each chunk.
fn push(tx: &mut Producer<Descriptor>, numbers: &[u32]) -> bool {
    let count = u32::try_from(numbers.len()).expect("few fragments");
    let mut batch = tx.batch(count);
    if batch.room() < count {
        return false;
    }
    for (&number, left) in numbers.iter().zip((0..count).rev()) {
        let pushed = batch.push(Descriptor {
            address: address_of(number),
            len: 1,
            options: if left == 0 { 0 } else { Descriptor::CONTINUES },
        });
        assert_eq!(pushed, Ok(()), "there was room");
        step();
    }
    true
}

/// The kernel finds every packet that has begun whole.
#[test]
fn a_packet_is_published_whole() {
    let model = Model::new("packets of three fragments sent").must_see([
        Seen::Packets(0),
        Seen::Packets(1),
        Seen::Packets(2),
        Seen::NoRoom,
    ]);
    model.check(|seen| {
        let pages = Pages::new(3);
        for number in 0..3 {
            pages.write(number, number as u8);
        }
        let (mut kernel, mut tx, _completion) =
            XdpTxKernel::with_rings(&pages, FOUR, EIGHT, u32::MAX - 1);
        let kernel = thread::spawn(move || {
            let mut wire = Vec::new();
            for _ in 0..2 {
                step();
                wire.extend(kernel.send());
                assert!(!kernel.has_begun(), "half a packet was published");
            }
            kernel.release();
            wire
        });
        let mut pushed = 0;
        for _ in 0..2 {
            step();
            if push(&mut tx, &[0, 1, 2]) {
                pushed += 1;
            } else {
                seen.note(Seen::NoRoom);
            }
        }
        let wire = kernel.join().unwrap();
        seen.note(Seen::Packets(wire.len()));
        assert!(wire.len() <= pushed);
        assert!(wire.iter().all(|packet| packet == &[0, 1, 2]), "{wire:?}");
    });
}

/// Reads a packet, whole, where there is one. The batch is of two entries: shorter than some packets, and longer
/// than others.
fn read(
    rx: &mut Consumer<Descriptor>,
    take: impl FnMut(Descriptor) -> u8,
    mut note: impl FnMut(Seen),
) -> Option<Vec<u8>> {
    step();
    // The batch looks no further where entries are known; the rest of a packet may have come since.
    let _ = rx.filled();
    let mut batch = rx.batch(2);
    let mut count = 0;
    let mut extended = false;
    loop {
        if count > 0 && count == batch.remaining() {
            batch.extend(count + 1);
            extended |= batch.remaining() > count;
        }
        let Some(descriptor) = batch.ahead(count) else {
            if count > 0 {
                note(Seen::Left);
            }
            batch.limit(0);
            return None;
        };
        count += 1;
        if descriptor.options & Descriptor::CONTINUES == 0 {
            break;
        }
    }
    if extended {
        note(Seen::Extended);
    }
    batch.limit(count);
    Some(batch.map(take).collect())
}

/// A batch that ends inside a packet goes on to the packet's end.
#[test]
fn a_packet_that_a_batch_cuts_is_received_whole() {
    let model = Model::new("packets of one and of three fragments received").must_see([
        Seen::Packets(0),
        Seen::Packets(1),
        Seen::Packets(2),
        Seen::Extended,
    ]);
    model.check(|seen| {
        let pages = Pages::new(4);
        let (chunks, mut list) = pages.map();
        let slot = chunks.take_slot().expect("a slot is free");
        let (mut kernel, mut fill, mut rx) = XdpRxKernel::with_rings(&pages, FOUR, FOUR, u32::MAX);
        let mut batch = fill.batch(4);
        while let Some(number) = list.fill(slot) {
            assert_eq!(batch.push(address_of(number)), Ok(()));
        }
        drop(batch);
        let kernel = thread::spawn(move || {
            for packet in [[1].as_slice(), &[2, 3, 4]] {
                step();
                assert_eq!(kernel.receive(packet), Arrival::Stored);
                kernel.flush();
            }
        });
        let mut packets = Vec::new();
        for _ in 0..2 {
            let take = |descriptor| taken(&chunks, slot, descriptor);
            packets.extend(read(&mut rx, take, |outcome| seen.note(outcome)));
        }
        kernel.join().unwrap();
        seen.note(Seen::Packets(packets.len()));
        for _ in 0..2 {
            let take = |descriptor| taken(&chunks, slot, descriptor);
            packets.extend(read(&mut rx, take, |_| ()));
        }
        assert_eq!(packets, [vec![1], vec![2, 3, 4]], "packets came whole");
        assert_eq!((chunks.spurious(), chunks.census().dropped), (0, 4));
    });
}

/// Reads a received fragment, and drops its chunk.
fn taken(chunks: &Chunks<Umem>, slot: Slot, descriptor: Descriptor) -> u8 {
    let number = chunk_of(descriptor.address);
    // SAFETY: it came out of the slot's only receive ring, just now.
    let chunk = unsafe { chunks.received(number, slot, Consumers::One) };
    chunk.expect("the kernel had it").owner().read(number)
}

/// A kernel that publishes a packet in two parts: the first waits for the second, and is not taken before.
#[test]
fn a_packet_waits_for_its_rest() {
    let model = Model::new("a packet published in two parts").must_see([
        Seen::Packets(0),
        Seen::Packets(1),
        Seen::Left,
    ]);
    model.check(|seen| {
        let (mut kernel, mut rx) = KernelProducer::with_consumer(FOUR, u32::MAX - 1);
        let kernel = thread::spawn(move || {
            for (address, options) in [(1, Descriptor::CONTINUES), (2, 0)] {
                step();
                assert!(kernel.reserve(Descriptor {
                    address,
                    len: 1,
                    options,
                }));
                kernel.submit();
            }
        });
        let take = |descriptor: Descriptor| u8::try_from(descriptor.address).expect("small");
        let mut packets = Vec::new();
        for _ in 0..3 {
            packets.extend(read(&mut rx, take, |outcome| seen.note(outcome)));
        }
        kernel.join().unwrap();
        seen.note(Seen::Packets(packets.len()));
        packets.extend(read(&mut rx, take, |_| ()));
        assert_eq!(packets, [vec![1, 2]], "the packet came whole");
    });
}
