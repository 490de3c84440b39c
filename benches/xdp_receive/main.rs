//! What taking packets out of an AF_XDP socket costs, beside a loop by hand over small pages.
//!
//! `cargo bench --bench xdp_receive`. A sender on processor 0 fills a receive ring of 4,096 slots with 64-byte
//! packets over a veth pair with a native XDP program; then it is drained once on processor 1, cold, in
//! batches of 64: of each packet the header, the length and a byte of the payload are looked at, and its frame
//! goes back into the fill ring. Each way has a cable and a socket of its own, and its go in each turn, in an
//! order that moves on. A figure is processor time of the thread; a ratio is that of one turn, and then the
//! median over the turns, with the least and the greatest.
//!
//! With `XDP_RECEIVE_ENFORCE=1` it fails where the limit is not kept.

#[path = "../by_hand/mod.rs"]
mod by_hand;

use core::hint::black_box;
use core::time::Duration;
use std::process::ExitCode;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{
    HugePages, Locking, Pool, Queue, RingSize, Rx, RxRings, Socket, Umem, UmemGeometry,
};
use packet_ring_lab::procfs::thread_cpu_time;
use packet_ring_lab::{Injector, enter, frame};

use by_hand::{ByHand, CHUNK, End, Spread, cable, counts, injector, keeps, stay_on};

/// Slots of each ring, and packets of a go.
const SLOTS: u32 = 4096;

const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(CHUNK as u32, 2 * SLOTS);

/// Bytes of a packet.
const LEN: usize = 64;

/// Packets of a batch.
const BATCH: u32 = 64;

/// Where in a packet a byte of the payload is looked at.
const PAYLOAD: usize = 40;

/// The highest ratio of the library with its defaults to the loop by hand.
const LIMIT: f64 = 0.80;

/// How far the loop by hand may be off itself: a cold drain scatters.
const CONTROL_LIMIT: f64 = 0.10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ByHand,
    ByHandAgain,
    Ours,
    OursSmall,
    OursPool,
}

const WAYS: [Way; 5] = [
    Way::ByHand,
    Way::ByHandAgain,
    Way::Ours,
    Way::OursSmall,
    Way::OursPool,
];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::ByHand => "by hand, small pages",
            Self::ByHandAgain => "the same again",
            Self::Ours => "ours",
            Self::OursSmall => "ours, small pages",
            Self::OursPool => "ours, by way of a pool",
        }
    }
}

enum Receiver {
    ByHand(Box<ByHand>),
    Ours(Box<Socket<Bound<Rx>>>),
    Pool(Box<Socket<Bound<Rx>>>, Pool),
}

/// What was seen of the packets.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Seen {
    packets: u32,
    bytes: u64,
    sum: u64,
}

impl Seen {
    #[inline(always)]
    fn packet(&mut self, bytes: &[u8]) {
        let header = bytes
            .first_chunk()
            .map_or(0, |head| u64::from_le_bytes(*head));
        let payload = bytes.get(PAYLOAD).copied().unwrap_or_default();
        self.packets += 1;
        self.bytes += bytes.len() as u64;
        self.sum = self.sum.wrapping_add(header).wrapping_add(payload.into());
    }
}

impl Receiver {
    fn new(way: Way, end: &End) -> Self {
        let pages = match way {
            Way::ByHand | Way::ByHandAgain => {
                return Self::ByHand(Box::new(end.by_hand(SLOTS, SLOTS)));
            }
            Way::OursSmall => HugePages::None,
            Way::Ours | Way::OursPool => HugePages::default(),
        };
        let (umem, mut pool) =
            Umem::with_pages(GEOMETRY, pages, Locking::default()).expect("memory");
        let rings = Rx::new(RingSize::new_assert(SLOTS));
        let socket = Socket::configure(rings, &umem).expect("a socket");
        let mut socket = socket.map().expect("rings");
        let stocked = socket.rings().fill.stock(&mut pool, SLOTS);
        assert_eq!(stocked, Ok(SLOTS));
        let socket = socket.bind(Queue::new(end.interface, 0)).expect("bound");
        end.map.insert(0, &socket).expect("a bound socket");
        match way {
            Way::OursPool => Self::Pool(Box::new(socket), pool),
            _ => Self::Ours(Box::new(socket)),
        }
    }

    /// Packets that wait.
    fn filled(&mut self) -> bool {
        match self {
            Self::ByHand(by_hand) => by_hand.rx.filled() >= SLOTS,
            Self::Ours(socket) | Self::Pool(socket, _) => {
                socket.rings().rx.batch(SLOTS).remaining() >= SLOTS
            }
        }
    }

    #[inline(never)]
    fn drain(&mut self) -> Seen {
        match self {
            Self::ByHand(by_hand) => drain_by_hand(by_hand),
            Self::Ours(socket) => drain(socket.rings()),
            Self::Pool(socket, pool) => drain_by_pool(socket.rings(), pool),
        }
    }
}

#[inline(never)]
fn drain_by_hand(by_hand: &mut ByHand) -> Seen {
    let mut seen = Seen::default();
    loop {
        let filled = by_hand.rx.filled().min(BATCH);
        if filled == 0 {
            return seen;
        }
        for _ in 0..filled {
            let descriptor = by_hand.rx.take();
            let packet = by_hand.at(descriptor.addr);
            // SAFETY: in the packet, which is ours and has 64 bytes.
            let header = unsafe { packet.cast::<u64>().read_unaligned() };
            let payload = packet.wrapping_add(PAYLOAD);
            // SAFETY: as above.
            let payload = unsafe { payload.read() };
            seen.packets += 1;
            seen.bytes += u64::from(descriptor.len);
            seen.sum = seen.sum.wrapping_add(header).wrapping_add(payload.into());
            by_hand.fill.put(descriptor.addr & !(CHUNK as u64 - 1));
        }
        by_hand.fill.publish();
        by_hand.rx.give_back();
    }
}

#[inline(never)]
fn drain(rings: &mut RxRings) -> Seen {
    let mut seen = Seen::default();
    loop {
        let before = seen.packets;
        let mut fill = rings.fill.batch(BATCH);
        for frame in rings.rx.batch(BATCH) {
            seen.packet(frame.bytes());
            fill.push(frame).expect("room for what came out");
        }
        if seen.packets == before {
            return seen;
        }
    }
}

#[inline(never)]
fn drain_by_pool(rings: &mut RxRings, pool: &mut Pool) -> Seen {
    let mut seen = Seen::default();
    loop {
        let before = seen.packets;
        for frame in rings.rx.batch(BATCH) {
            seen.packet(frame.bytes());
            pool.give(frame).expect("a pool of the same memory");
        }
        let taken = seen.packets - before;
        if taken == 0 {
            return seen;
        }
        let stocked = rings.fill.stock(pool, taken);
        assert_eq!(stocked, Ok(taken));
    }
}

/// Fills the ring from processor 0, and drains it on processor 1.
fn go(receiver: &mut Receiver, injector: &Injector) -> Duration {
    stay_on(0);
    let sent = injector.flood(&frame::numbered(0, LEN), 0..SLOTS.into());
    assert_eq!(sent, SLOTS.into());
    while !receiver.filled() {
        std::thread::yield_now();
    }
    stay_on(1);
    let start = thread_cpu_time();
    let seen = black_box(receiver.drain());
    let taken = thread_cpu_time() - start;
    assert_eq!(
        (seen.packets, seen.bytes),
        (SLOTS, u64::from(SLOTS) * LEN as u64)
    );
    taken
}

fn main() -> ExitCode {
    // `cargo test --benches` asks for a quick try of each bench.
    let measures = std::env::args().any(|argument| argument == "--bench");
    let turns = if measures { 101 } else { 2 };
    if let Err(error) = enter() {
        eprintln!("the bench needs a network namespace of its own: {error}");
        return ExitCode::FAILURE;
    }
    let mut sides = WAYS.map(|way| {
        let [near, far] = cable();
        (Receiver::new(way, &far), injector(&near), [near, far])
    });
    let mut turn = |number: usize| {
        let mut taken = [Duration::ZERO; WAYS.len()];
        for step in 0..WAYS.len() {
            let way = (number + step) % WAYS.len();
            let (receiver, injector, _) = &mut sides[way];
            taken[way] = go(receiver, injector);
        }
        taken
    };
    turn(0);
    let turns: Vec<_> = (0..turns).map(turn).collect();
    let ratio = |way: Way| {
        let of = |turn: &[Duration; WAYS.len()], way: Way| turn[way as usize].as_secs_f64();
        Spread::of(
            turns
                .iter()
                .map(|turn| of(turn, way) / of(turn, Way::ByHand)),
        )
    };
    println!("{} turns of {SLOTS} packets of {LEN} bytes", turns.len());
    for way in WAYS {
        let taken = turns
            .iter()
            .map(|turn| turn[way as usize].as_nanos() as f64);
        let nanoseconds = Spread::of(taken).median / f64::from(SLOTS);
        println!(
            "  {:<24} {nanoseconds:6.1} ns a packet  {}",
            way.name(),
            ratio(way)
        );
    }
    let counts = counts(ratio(Way::ByHandAgain).median, CONTROL_LIMIT);
    let kept = keeps("ours", ratio(Way::Ours).median, LIMIT);
    if std::env::var_os("XDP_RECEIVE_ENFORCE").is_some() && !(counts && kept) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
