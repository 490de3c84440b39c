//! Taking packets out of a socket.
//!
//! A sender on processor 0 fills a receive ring of 4,096 slots with 64-byte packets over a veth pair with a native
//! XDP program; then it is drained once on processor 1, cold, in batches of 64: of each packet the header, the
//! length and its number in the payload are looked at, and its chunk goes back into the fill ring. Every number
//! must have come once, in order.

use core::hint::black_box;
use core::time::Duration;

use netring::XdpSocket;
use netring::afxdp::{XdpMode, XdpSocketBuilder};
use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Queue, RingSize, Rx, RxRings, Socket, Umem, UmemGeometry};
use packet_ring_lab::procfs::thread_cpu_time;
use packet_ring_lab::{Injector, frame};
use xdpilone::RingRx;

use crate::by_hand::{ByHand, CHUNK, End, cable, injector, stay_on};
use crate::with_xdpilone::{WithXdpilone, bytes};
use crate::{BATCH, NUMBER, WAYS, Way, compare};

/// Slots of each ring, and packets of a go.
const SLOTS: u32 = 4096;

const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(CHUNK as u32, 2 * SLOTS);

/// Bytes of a packet.
const LEN: usize = 64;

/// How far the loop by hand may be off itself: a cold drain scatters.
const CONTROL_LIMIT: f64 = 0.10;

/// What was seen of the packets.
struct Seen {
    numbers: Vec<u32>,
    bytes: u64,
    headers: u64,
}

impl Seen {
    #[inline(always)]
    fn note(&mut self, header: u64, number: u64, len: u32) {
        self.numbers.push(u64::from_be(number) as u32);
        self.bytes += u64::from(len);
        self.headers = self.headers.wrapping_add(header);
    }

    #[inline(always)]
    fn packet(&mut self, bytes: &[u8]) {
        let word = |at: usize| {
            let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
            bytes.map_or(0, |word| u64::from_ne_bytes(*word))
        };
        self.note(word(0), word(NUMBER), bytes.len() as u32);
    }
}

enum Receiver {
    ByHand(Box<ByHand>),
    Ours(Box<Socket<Bound<Rx>>>),
    Xdpilone(Box<WithXdpilone<RingRx>>),
    Netring(Box<XdpSocket>),
}

impl Receiver {
    fn new(way: Way, end: &End) -> Self {
        match way {
            Way::ByHand | Way::ByHandAgain => Self::ByHand(Box::new(end.by_hand(SLOTS, SLOTS))),
            Way::Ours => {
                let (umem, mut pool) = Umem::new(GEOMETRY).expect("memory");
                let rings = Rx::new(RingSize::new_assert(SLOTS));
                let socket = Socket::configure(rings, &umem).expect("a socket");
                let mut socket = socket.map().expect("rings");
                let stocked = socket.rings().fill.stock(&mut pool, SLOTS);
                assert_eq!(stocked, Ok(SLOTS));
                let socket = socket.bind(Queue::new(end.interface, 0)).expect("bound");
                end.map.insert(0, &socket).expect("a bound socket");
                Self::Ours(Box::new(socket))
            }
            Way::Xdpilone => {
                let receiver = WithXdpilone::receiver(&end.link, SLOTS);
                end.map.insert(0, &receiver).expect("a bound socket");
                Self::Xdpilone(Box::new(receiver))
            }
            Way::Netring => {
                // Its rings have a slot for each chunk, and this mode puts every chunk into the fill ring.
                let socket = XdpSocketBuilder::default()
                    .interface(end.link.name())
                    .frame_size(CHUNK)
                    .frame_count(SLOTS as usize)
                    .mode(XdpMode::Rx)
                    .build()
                    .expect("a socket");
                end.map.insert(0, &socket).expect("a bound socket");
                Self::Netring(Box::new(socket))
            }
        }
    }

    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        match self {
            Self::ByHand(by_hand) => drain_by_hand(by_hand, seen),
            Self::Ours(socket) => drain(socket.rings(), seen),
            Self::Xdpilone(receiver) => drain_with_xdpilone(receiver, seen),
            Self::Netring(socket) => drain_with_netring(socket, seen),
        }
    }
}

#[inline(never)]
fn drain_by_hand(by_hand: &mut ByHand, seen: &mut Seen) {
    loop {
        let filled = by_hand.rx.filled().min(BATCH);
        if filled == 0 {
            return;
        }
        for _ in 0..filled {
            let descriptor = by_hand.rx.take();
            let packet = by_hand.at(descriptor.addr);
            // SAFETY: in the packet, which is ours and has 64 bytes.
            let header = unsafe { packet.cast::<u64>().read_unaligned() };
            let number = packet.wrapping_add(NUMBER).cast::<u64>();
            // SAFETY: as above.
            let number = unsafe { number.read_unaligned() };
            seen.note(header, number, descriptor.len);
            by_hand.fill.put(descriptor.addr & !(CHUNK as u64 - 1));
        }
        by_hand.fill.publish();
        by_hand.rx.give_back();
    }
}

#[inline(never)]
fn drain(rings: &mut RxRings, seen: &mut Seen) {
    loop {
        let before = seen.numbers.len();
        let mut fill = rings.fill.batch(BATCH);
        for frame in rings.rx.batch(BATCH) {
            seen.packet(frame.bytes());
            fill.push(frame).expect("room for what came out");
        }
        if seen.numbers.len() == before {
            return;
        }
    }
}

#[inline(never)]
fn drain_with_xdpilone(receiver: &mut WithXdpilone<RingRx>, seen: &mut Seen) {
    loop {
        let mut packets = receiver.ring.receive(BATCH);
        if packets.capacity() == 0 {
            return;
        }
        let mut fill = receiver.device.fill(packets.capacity());
        while let Some(descriptor) = packets.read() {
            let len = descriptor.len as usize;
            seen.packet(bytes(&mut receiver.umem, descriptor.addr, len));
            assert!(fill.insert_once(descriptor.addr), "room for what came out");
        }
        fill.commit();
        packets.release();
    }
}

#[inline(never)]
fn drain_with_netring(socket: &mut XdpSocket, seen: &mut Seen) {
    while let Some(batch) = socket.next_batch() {
        for packet in &batch {
            seen.packet(packet.data());
        }
    }
}

/// Fills the ring from processor 0, and drains it on processor 1.
fn go(
    way: Way,
    (receiver, injector, [_, far]): &mut (Receiver, Injector, [End; 2]),
    seen: &mut Seen,
) -> Duration {
    stay_on(0);
    seen.numbers.clear();
    seen.bytes = 0;
    let counters = || far.link.counters().expect("the interface's counters");
    let before = counters();
    let sent = injector.flood(&frame::numbered(0, LEN), 0..SLOTS.into());
    assert_eq!(sent, SLOTS.into());
    // The kernel takes packets in on this processor, and hands on what it has counted before we run again.
    while counters().since(&before).rx_packets < SLOTS.into() {
        std::thread::yield_now();
    }
    stay_on(1);
    let start = thread_cpu_time();
    receiver.drain(black_box(seen));
    let taken = thread_cpu_time() - start;
    assert!(
        seen.numbers.iter().copied().eq(0..SLOTS),
        "{}: not every number once and in order",
        way.name()
    );
    assert_eq!(seen.bytes, u64::from(SLOTS) * LEN as u64);
    taken
}

/// One table.
pub(crate) fn measure() {
    let mut sides = WAYS.map(|way| {
        let [near, far] = cable();
        (Receiver::new(way, &far), injector(&near), [near, far])
    });
    let mut seen = Seen {
        numbers: Vec::with_capacity(SLOTS as usize),
        bytes: 0,
        headers: 0,
    };
    let what = format!("a drain of {SLOTS} packets of {LEN} bytes, cold");
    compare(&what, SLOTS, CONTROL_LIMIT, |way| {
        go(way, &mut sides[way as usize], &mut seen)
    });
    black_box(seen.headers);
}
