//! Chunks on their way: through the fill ring and the receive ring, through the transmit ring and the
//! completion ring. A chunk that two own at a time is a race on its byte.

use loom::sync::mpsc;
use loom::thread;
use packet_ring::chunks::{Chunk, Chunks, Consumers, List, Slot};
use packet_ring::ring::{Consumer, Descriptor, Producer, RingSize};
use packet_ring_loom_tests::{
    Arrival, HEADROOM, Model, Pages, Umem, XdpRxKernel, XdpTxKernel, address_of, chunk_of, step,
};

const TWO: RingSize = RingSize::new_assert(2);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Arrived(Arrival),
    /// The program received so many packets while the kernel ran.
    Received(usize),
    /// The program completed so many chunks while the kernel ran.
    Completed(u32),
    /// So many packets were sent while the program ran.
    Sent(usize),
    /// No chunk was left to send.
    NoChunk,
    /// A chunk was back before the slot that named it.
    RingFull,
}

/// Uses a received chunk as a program may: reads its packet, and writes to it.
fn consume(chunk: &Chunk<Umem>) -> u8 {
    let packet = chunk.owner().read(chunk.number());
    chunk.owner().write(chunk.number(), 99);
    packet
}

/// The chunk of a descriptor, which must be the kernel's.
fn received(chunks: &Chunks<Umem>, slot: Slot, descriptor: Descriptor) -> Chunk<Umem> {
    let number = chunk_of(descriptor.address);
    assert_eq!(descriptor.address, address_of(number) + HEADROOM);
    // SAFETY: here each descriptor comes out of the slot's only receive ring, just now.
    let chunk = unsafe { chunks.received(number, slot, Consumers::One) };
    chunk.expect("the kernel had it")
}

/// Gives as many chunks to the fill ring as it has room for: the kernel gives a slot back later than the chunk
/// that it named.
fn refill(list: &mut List<Umem>, slot: Slot, fill: &mut Producer<u64>) {
    let mut batch = fill.batch(list.len());
    while batch.room() > 0 {
        let number = list.fill(slot).expect("no more room than chunks");
        assert_eq!(batch.push(address_of(number)), Ok(()));
    }
}

/// Packets arrive, from 1 on; returns those that were stored.
fn arrive(kernel: &mut XdpRxKernel, packets: &[u8]) -> (Vec<u8>, Vec<Arrival>) {
    let mut stored = Vec::new();
    let mut arrivals = Vec::new();
    for &packet in packets {
        step();
        let arrival = kernel.receive(&[packet]);
        kernel.flush();
        if arrival == Arrival::Stored {
            stored.push(packet);
        }
        arrivals.push(arrival);
    }
    (stored, arrivals)
}

/// A chunk goes from the fill ring to the receive ring, to the program, and back to the fill ring.
#[test]
fn received_chunks_go_round() {
    let model = Model::new("fill, receive, fill").must_see([
        Seen::Arrived(Arrival::Stored),
        Seen::Arrived(Arrival::NoChunk),
        Seen::Received(0),
        Seen::Received(1),
        Seen::Received(2),
        Seen::Received(3),
        Seen::RingFull,
    ]);
    model.check(|seen| {
        let pages = Pages::new(2);
        let (chunks, mut list) = pages.map();
        let slot = chunks.take_slot().expect("a slot is free");
        let (mut kernel, mut fill, mut rx) = XdpRxKernel::with_rings(&pages, TWO, TWO, u32::MAX);
        refill(&mut list, slot, &mut fill);
        let kernel = thread::spawn(move || {
            let arrived = arrive(&mut kernel, &[1, 2, 3]);
            (kernel, arrived)
        });

        let mut packets = Vec::new();
        let mut round = || {
            step();
            for descriptor in rx.batch(2) {
                let chunk = received(&chunks, slot, descriptor);
                packets.push(consume(&chunk));
                list.give(chunk).expect("of this UMEM");
            }
            refill(&mut list, slot, &mut fill);
            if !list.is_empty() {
                seen.note(Seen::RingFull);
            }
            packets.len()
        };
        round();
        let count = round();
        let (mut kernel, (mut stored, arrivals)) = kernel.join().unwrap();
        seen.note(Seen::Received(count));
        for arrival in arrivals {
            seen.note(Seen::Arrived(arrival));
        }
        round();
        stored.append(&mut arrive(&mut kernel, &[4, 5]).0);
        round();
        assert_eq!(packets, stored, "each packet came once and in order");
        assert_eq!(stored.iter().rev().take(2).collect::<Vec<_>>(), [&5, &4]);
        assert_eq!((chunks.spurious(), chunks.census().with_rx), (0, 2));
    });
}

/// What was received by a batch that is then forgotten may be the kernel's again: it is not received twice.
#[test]
fn a_forgotten_batch_hands_out_no_chunk_twice() {
    let model = Model::new("fill, receive and forget, fill").must_see([
        Seen::Arrived(Arrival::Stored),
        Seen::Arrived(Arrival::NoChunk),
        Seen::Received(0),
        Seen::Received(1),
        Seen::Received(2),
    ]);
    model.check(|seen| {
        let pages = Pages::new(1);
        let (chunks, mut list) = pages.map();
        let slot = chunks.take_slot().expect("a slot is free");
        let (mut kernel, mut fill, mut rx) = XdpRxKernel::with_rings(&pages, TWO, TWO, u32::MAX);
        refill(&mut list, slot, &mut fill);
        let kernel = thread::spawn(move || arrive(&mut kernel, &[1, 2]));
        let mut packets = Vec::new();
        for _ in 0..3 {
            step();
            let mut batch = rx.batch(1);
            for descriptor in batch.by_ref() {
                let chunk = received(&chunks, slot, descriptor);
                packets.push(consume(&chunk));
                list.give(chunk).expect("of this UMEM");
                refill(&mut list, slot, &mut fill);
            }
            core::mem::forget(batch);
        }
        let (stored, arrivals) = kernel.join().unwrap();
        seen.note(Seen::Received(packets.len()));
        for arrival in arrivals {
            seen.note(Seen::Arrived(arrival));
        }
        assert_eq!(packets, stored[..packets.len()], "each packet came once");
        assert_eq!(chunks.spurious(), 0);
    });
}

/// The receive ring is one thread's, the fill ring another's; chunks go from the one to the other.
#[test]
fn halves_on_two_threads_pass_chunks_on() {
    let model = Model::new("receive here, fill there").must_see([
        Seen::Arrived(Arrival::Stored),
        Seen::Arrived(Arrival::NoChunk),
        Seen::Received(0),
        Seen::Received(1),
        Seen::Received(2),
    ]);
    model.check(|seen| {
        let pages = Pages::new(1);
        let (chunks, mut list) = pages.map();
        let slot = chunks.take_slot().expect("a slot is free");
        let (mut kernel, mut fill, mut rx) = XdpRxKernel::with_rings(&pages, TWO, TWO, u32::MAX);
        refill(&mut list, slot, &mut fill);
        let kernel = thread::spawn(move || {
            let arrived = arrive(&mut kernel, &[1, 2]);
            (kernel, arrived)
        });
        let (used, inbox) = mpsc::channel::<Option<Chunk<Umem>>>();
        let filler = thread::spawn({
            let chunks = chunks.clone();
            move || {
                while let Some(chunk) = inbox.recv().unwrap() {
                    let number = chunks.fill(chunk, slot).expect("of this UMEM");
                    assert_eq!(fill.batch(1).push(address_of(number)), Ok(()));
                }
                fill
            }
        });

        let mut packets = Vec::new();
        let mut round = || {
            step();
            for descriptor in rx.batch(1) {
                let chunk = received(&chunks, slot, descriptor);
                packets.push(consume(&chunk));
                used.send(Some(chunk)).unwrap();
            }
            packets.len()
        };
        round();
        let count = round();
        let (mut kernel, (mut stored, arrivals)) = kernel.join().unwrap();
        seen.note(Seen::Received(count));
        for arrival in arrivals {
            seen.note(Seen::Arrived(arrival));
        }
        round();
        used.send(None).unwrap();
        filler.join().unwrap();
        stored.append(&mut arrive(&mut kernel, &[3]).0);
        let descriptor = rx.batch(1).next().expect("the chunk was back");
        packets.push(consume(&received(&chunks, slot, descriptor)));
        assert_eq!(packets, stored, "each packet came once and in order");
        assert_eq!(chunks.spurious(), 0);
    });
}

/// Sends a packet in a free chunk; returns what is missing to do so.
fn send(
    list: &mut List<Umem>,
    slot: Slot,
    tx: &mut Producer<Descriptor>,
    packet: u8,
) -> Result<(), Seen> {
    let mut batch = tx.batch(1);
    if batch.room() == 0 {
        return Err(Seen::RingFull);
    }
    let chunk = list.take().ok_or(Seen::NoChunk)?;
    chunk.owner().write(chunk.number(), packet);
    let number = list.chunks().send(chunk, slot).expect("of this UMEM");
    let pushed = batch.push(Descriptor {
        address: address_of(number),
        len: 1,
        options: 0,
    });
    assert_eq!(pushed, Ok(()), "there was room");
    step();
    Ok(())
}

/// Takes completed chunks into the list; returns how many.
fn complete(list: &mut List<Umem>, slot: Slot, completion: &mut Consumer<u64>) -> u32 {
    let before = list.len();
    for address in completion.batch(2) {
        // SAFETY: it came out of the slot's only completion ring, just now.
        let sent = unsafe { list.complete(chunk_of(address), slot) };
        assert!(sent, "the kernel had it");
    }
    list.len() - before
}

/// A chunk goes from a list to the transmit ring, to the completion ring, and back to the list.
#[test]
fn sent_chunks_go_round() {
    let model = Model::new("transmit, complete, transmit").must_see([
        Seen::Sent(0),
        Seen::Sent(1),
        Seen::Sent(2),
        Seen::Completed(0),
        Seen::Completed(1),
        Seen::Completed(2),
        Seen::NoChunk,
        Seen::RingFull,
    ]);
    model.check(|seen| {
        let pages = Pages::new(2);
        let (chunks, mut list) = pages.map();
        let slot = chunks.take_slot().expect("a slot is free");
        let (mut kernel, mut tx, mut completion) =
            XdpTxKernel::with_rings(&pages, TWO, TWO, u32::MAX);
        let kernel = thread::spawn(move || {
            let mut wire = Vec::new();
            for _ in 0..2 {
                step();
                wire.extend(kernel.send());
                kernel.complete();
            }
            kernel.release();
            (kernel, wire)
        });

        let mut packets = Vec::new();
        let mut completed = 0;
        for packet in 1..=3 {
            step();
            match send(&mut list, slot, &mut tx, packet) {
                Ok(()) => packets.push([packet]),
                Err(missing) => seen.note(missing),
            }
            if packet >= 2 {
                completed += complete(&mut list, slot, &mut completion);
            }
        }
        let (mut kernel, mut wire) = kernel.join().unwrap();
        seen.note(Seen::Sent(wire.len()));
        seen.note(Seen::Completed(completed));
        for packet in 4..=5 {
            wire.extend(core::iter::from_fn(|| kernel.send()));
            kernel.complete();
            kernel.release();
            complete(&mut list, slot, &mut completion);
            assert_eq!(
                (list.len(), chunks.census().with_tx),
                (2, 0),
                "all came back"
            );
            assert_eq!(send(&mut list, slot, &mut tx, packet), Ok(()));
            packets.push([packet]);
        }
        wire.extend(core::iter::from_fn(|| kernel.send()));
        assert_eq!(wire, packets, "each packet was sent once and in order");
        assert_eq!(chunks.spurious(), 0);
    });
}
