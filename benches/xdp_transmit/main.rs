//! What sending through an AF_XDP socket costs, beside a loop by hand over small pages.
//!
//! `cargo bench --bench xdp_transmit`. Frames of 64 and of 1,500 bytes in batches of 64 over a veth pair with
//! nobody at the far end; each sender writes every frame anew. The loop by hand does what is usual: takes the
//! completed frames, fills the ring, and makes one `sendto` after each batch, of which the kernel sends 32 frames
//! without being told otherwise; when no frame is free, it kicks until one is. Each way has a cable and a socket
//! of its own, and its go in each turn, in an order that moves on. A figure is processor time of the thread, of
//! which nearly all is the kernel's; a ratio is that of one turn, and then the median over the turns, with the
//! least and the greatest. What was sent, the interface says.
//!
//! With `XDP_TRANSMIT_ENFORCE=1` it fails where a limit is not kept.

#[path = "../by_hand/mod.rs"]
mod by_hand;

use core::time::Duration;
use std::process::ExitCode;

use linux_raw_sys::xdp::xdp_desc;
use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Interface, Pool, Queue, RingSize, Socket, Tx, Umem, UmemGeometry};
use packet_ring_lab::procfs::thread_cpu_time;
use packet_ring_lab::{Link, VethOptions, VethPair, enter, frame};

use by_hand::{ByHand, CHUNK, Spread, counts, keeps, stay_on};

/// Slots of each ring. A loop that leaves half of each batch to later kicks has all of them filled before long, and their
/// frames out of the cache: the larger the ring, the dearer that is.
const SLOTS: u32 = 4096;

const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(CHUNK as u32, SLOTS);

/// Frames between two calls.
const BATCH: u32 = 64;

/// Bytes of a frame, and the highest ratio of the library with its defaults to the loop by hand.
const LENGTHS: [(usize, f64); 2] = [(64, 0.90), (1500, 0.84)];

/// The loop by hand against itself, at most this far from 1.
const CONTROL_LIMIT: f64 = 0.03;

/// Where a numbered frame has its number.
const NUMBER: usize = 22;

/// Frames that a kick sends where nothing was set.
const KERNELS_BUDGET: u32 = 32;

/// Frames that a kick sends where more is wanted.
const LARGE_BUDGET: u32 = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ByHand,
    ByHandAgain,
    ByHandBudget,
    Ours,
    OursFlush32,
    OursKick32,
}

const WAYS: [Way; 6] = [
    Way::ByHand,
    Way::ByHandAgain,
    Way::ByHandBudget,
    Way::Ours,
    Way::OursFlush32,
    Way::OursKick32,
];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::ByHand => "by hand",
            Self::ByHandAgain => "the same again",
            Self::ByHandBudget => "by hand, budget 256",
            Self::Ours => "ours: flush, budget 256",
            Self::OursFlush32 => "ours: flush, budget 32",
            Self::OursKick32 => "ours: kick, budget 32",
        }
    }
}

enum Sender {
    ByHand(Box<ByHand>),
    Ours(Box<Socket<Bound<Tx>>>, Pool, Asking),
}

/// What follows a batch.
#[derive(Clone, Copy)]
enum Asking {
    Flush,
    Kick,
}

impl Sender {
    fn new(way: Way, link: &Link) -> Self {
        let index = link.index().expect("the link is there");
        let interface = Interface::by_index(index).expect("an index");
        let by_hand = || Box::new(ByHand::new(index, SLOTS, 0));
        let (budget, asking) = match way {
            Way::ByHand | Way::ByHandAgain => return Self::ByHand(by_hand()),
            Way::ByHandBudget => {
                let by_hand = by_hand();
                by_hand.set_budget(LARGE_BUDGET);
                return Self::ByHand(by_hand);
            }
            Way::Ours => (LARGE_BUDGET, Asking::Flush),
            Way::OursFlush32 => (KERNELS_BUDGET, Asking::Flush),
            Way::OursKick32 => (KERNELS_BUDGET, Asking::Kick),
        };
        let (umem, pool) = Umem::new(GEOMETRY).expect("memory");
        let rings = Tx::new(RingSize::new_assert(SLOTS));
        let socket = Socket::configure(rings, &umem).expect("a socket");
        let socket = socket.map().expect("rings");
        let mut socket = socket.bind(Queue::new(interface, 0)).expect("bound");
        socket.rings().tx.set_budget(budget).expect("Linux 6.17");
        Self::Ours(Box::new(socket), pool, asking)
    }

    /// Sends a batch of frames with these numbers.
    fn send(&mut self, template: &[u8], first: u64) {
        match self {
            Self::ByHand(by_hand) => send_by_hand(by_hand, template, first),
            Self::Ours(socket, pool, asking) => send(socket, pool, *asking, template, first),
        }
    }

    /// Returns once every frame has left.
    fn finish(&mut self) {
        match self {
            Self::ByHand(by_hand) => {
                while by_hand.tx.outstanding() > 0 {
                    by_hand.kick();
                    by_hand.reap();
                }
            }
            Self::Ours(socket, pool, _) => {
                let rings = socket.rings();
                while rings.tx.flush().expect("the link is up") > 0 {
                    rings.completion.reap(pool, SLOTS).expect("its pool");
                }
            }
        }
    }
}

fn send_by_hand(by_hand: &mut ByHand, template: &[u8], first: u64) {
    by_hand.reap();
    while by_hand.free.len() < BATCH as usize || by_hand.tx.outstanding() > SLOTS - BATCH {
        by_hand.kick();
        by_hand.reap();
    }
    for number in first..first + u64::from(BATCH) {
        let address = by_hand.free.pop().expect("enough of them");
        let bytes = by_hand.bytes(address, template.len());
        bytes.copy_from_slice(template);
        bytes[NUMBER..][..8].copy_from_slice(&number.to_be_bytes());
        by_hand.tx.put(xdp_desc {
            addr: address,
            len: template.len() as u32,
            options: 0,
        });
    }
    by_hand.tx.publish();
    by_hand.kick();
}

fn send(
    socket: &mut Socket<Bound<Tx>>,
    pool: &mut Pool,
    asking: Asking,
    template: &[u8],
    first: u64,
) {
    let rings = socket.rings();
    rings.completion.reap(pool, SLOTS).expect("its pool");
    while pool.len() < BATCH || rings.tx.room() < BATCH {
        rings.tx.flush().expect("the link is up");
        rings.completion.reap(pool, SLOTS).expect("its pool");
    }
    let mut batch = rings.tx.batch(BATCH);
    for number in first..first + u64::from(BATCH) {
        let mut frame = pool.take().expect("enough of them");
        frame.write(template).expect("a chunk has room");
        frame.bytes_mut()[NUMBER..][..8].copy_from_slice(&number.to_be_bytes());
        batch.push(frame).expect("the ring has room");
    }
    drop(batch);
    match asking {
        Asking::Flush => {
            rings.tx.flush().expect("the link is up");
        }
        Asking::Kick => {
            let _ = rings.tx.kick().expect("the link is up");
        }
    }
}

/// One table.
fn measure(
    sides: &mut [(Sender, Link)],
    len: usize,
    limit: f64,
    turns: usize,
    batches: u64,
) -> bool {
    let template = frame::numbered(0, len);
    let frames = batches * u64::from(BATCH);
    let mut turn = |number: usize| {
        let mut taken = [Duration::ZERO; WAYS.len()];
        for step in 0..WAYS.len() {
            let way = (number + step) % WAYS.len();
            let (sender, near) = &mut sides[way];
            let before = near.counters().expect("the interface's counters");
            let start = thread_cpu_time();
            for batch in 0..batches {
                sender.send(&template, batch * u64::from(BATCH));
            }
            sender.finish();
            taken[way] = thread_cpu_time() - start;
            let after = near.counters().expect("the interface's counters");
            assert_eq!(
                after.since(&before).tx_packets,
                frames,
                "{}",
                WAYS[way].name()
            );
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
    println!("{} turns of {frames} frames of {len} bytes", turns.len());
    for way in WAYS {
        let taken = turns
            .iter()
            .map(|turn| turn[way as usize].as_nanos() as f64);
        let nanoseconds = Spread::of(taken).median / frames as f64;
        println!(
            "  {:<24} {nanoseconds:6.0} ns a frame  {}",
            way.name(),
            ratio(way)
        );
    }
    let counts = counts(ratio(Way::ByHandAgain).median, CONTROL_LIMIT);
    keeps("ours", ratio(Way::Ours).median, limit) && counts
}

fn main() -> ExitCode {
    // `cargo test --benches` asks for a quick try of each bench.
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (turns, batches) = if measures { (101, 100) } else { (2, 40) };
    if let Err(error) = enter() {
        eprintln!("the bench needs a network namespace of its own: {error}");
        return ExitCode::FAILURE;
    }
    stay_on(1);
    let mut sides = WAYS.map(|way| {
        let pair = VethPair::create(&VethOptions::default()).expect("a veth pair");
        (Sender::new(way, &pair.near), pair.near)
    });
    let mut kept = true;
    for (len, limit) in LENGTHS {
        kept &= measure(&mut sides, len, limit, turns, batches);
    }
    if std::env::var_os("XDP_TRANSMIT_ENFORCE").is_some() && !kept {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
