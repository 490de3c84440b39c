//! How long an answer takes through AF_XDP, beside a loop by hand: 64 bytes to and fro over a veth pair with a
//! native XDP program at each end, between two threads on processors of their own.
//!
//! `cargo bench --bench xdp_ping_pong`. A ping follows its answer at once; each end sends the frame back that
//! it has received. Each way has a cable and two sockets of its own, and its go in each turn, in an order that
//! moves on. A figure is the median of a go's round trips; a ratio is that of one turn, and then the median over
//! the turns, with the least and the greatest.
//!
//! With `XDP_PING_PONG_ENFORCE=1` it fails where a limit is not kept, or where the loop by hand is more than
//! 3 % off itself, which says that the machine was too busy for figures.

#[path = "../by_hand/mod.rs"]
mod by_hand;

use core::time::Duration;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use linux_raw_sys::xdp::xdp_desc;
use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Frame, Pool, Queue, RingSize, Rx, RxTx, Socket, Tx, Umem, UmemGeometry};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::{enter, frame};

use by_hand::{ByHand, CHUNK, End, Spread, cable, counts, keeps, stay_on};

/// Slots of each ring.
const SLOTS: u32 = 64;

/// Frames in the fill ring: not as many as it has slots, since the kernel gives a slot back after it has let the
/// packet be seen.
const STOCKED: u32 = SLOTS / 2;

const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(CHUNK as u32, 2 * SLOTS);

/// Bytes of a packet.
const LEN: usize = 64;

/// Round trips of a go, and those before it that do not count.
const TRIPS: usize = 2000;
const WARM_UP: usize = 20;

/// How long those spin that sleep afterwards.
const SPIN: Duration = Duration::from_micros(50);

/// Long enough for any answer.
const PATIENCE: Duration = Duration::from_secs(10);

const LIMIT: f64 = 1.03;
const CONTROL_LIMIT: f64 = 0.03;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ByHand,
    ByHandAgain,
    Spinning,
    SpinningThenWaiting,
    Waiting,
}

const WAYS: [Way; 5] = [
    Way::ByHand,
    Way::ByHandAgain,
    Way::Spinning,
    Way::SpinningThenWaiting,
    Way::Waiting,
];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::ByHand => "by hand, spinning",
            Self::ByHandAgain => "the same again",
            Self::Spinning => "ours, is_ready again and again",
            Self::SpinningThenWaiting => "ours, spin_then_wait(50 us)",
            Self::Waiting => "ours, wait",
        }
    }
}

/// One end of a cable.
enum Side {
    ByHand(Box<ByHand>),
    Ours(Box<Ours>),
}

struct Ours {
    socket: Socket<Bound<RxTx>>,
    pool: Pool,
    /// How long to spin before sleeping; without an end where there is nothing.
    spin: Option<Duration>,
}

impl Side {
    fn new(way: Way, end: &End) -> Self {
        let spin = match way {
            Way::ByHand | Way::ByHandAgain => {
                return Self::ByHand(Box::new(end.by_hand(SLOTS, STOCKED)));
            }
            Way::Spinning => None,
            Way::SpinningThenWaiting => Some(SPIN),
            Way::Waiting => Some(Duration::ZERO),
        };
        let (umem, mut pool) = Umem::new(GEOMETRY).expect("memory");
        let size = RingSize::new_assert(SLOTS);
        let rings = RxTx::new(Rx::new(size), Tx::new(size));
        let socket = Socket::configure(rings, &umem).expect("a socket");
        let mut socket = socket.map().expect("rings");
        let stocked = socket.rings().fill.stock(&mut pool, STOCKED);
        assert_eq!(stocked, Ok(STOCKED));
        let socket = socket.bind(Queue::new(end.interface, 0)).expect("bound");
        end.map.insert(0, &socket).expect("a bound socket");
        Self::Ours(Box::new(Ours { socket, pool, spin }))
    }

    /// Sends a packet of its own.
    fn serve(&mut self, packet: &[u8]) {
        match self {
            Self::ByHand(by_hand) => {
                let address = by_hand.free.pop().expect("one of many");
                by_hand.bytes(address, LEN).copy_from_slice(packet);
                send_by_hand(by_hand, address);
            }
            Self::Ours(ours) => {
                let mut frame = ours.pool.take().expect("one of many");
                frame.write(packet).expect("a chunk has room");
                ours.send(frame);
            }
        }
    }

    /// Waits for a packet, and sends it back.
    #[inline(always)]
    fn answer(&mut self) {
        match self {
            Self::ByHand(by_hand) => {
                let address = receive_by_hand(by_hand);
                send_by_hand(by_hand, address);
            }
            Self::Ours(ours) => {
                let frame = ours.receive();
                ours.send(frame);
            }
        }
    }

    /// Waits for a packet, and keeps its chunk.
    fn take(&mut self) {
        match self {
            Self::ByHand(by_hand) => {
                let address = receive_by_hand(by_hand);
                by_hand.free.push(address & !(CHUNK as u64 - 1));
            }
            Self::Ours(ours) => {
                let frame = ours.receive();
                ours.pool.give(frame).expect("its pool");
            }
        }
    }
}

/// Spins until a packet has come; another chunk goes into the fill ring for it.
#[inline(always)]
fn receive_by_hand(by_hand: &mut ByHand) -> u64 {
    while by_hand.rx.filled() == 0 {
        core::hint::spin_loop();
    }
    let descriptor = by_hand.rx.take();
    by_hand.rx.give_back();
    let instead = by_hand.free.pop().expect("one of many");
    by_hand.fill.put(instead);
    by_hand.fill.publish();
    descriptor.addr
}

#[inline(always)]
fn send_by_hand(by_hand: &mut ByHand, address: u64) {
    by_hand.tx.put(xdp_desc {
        addr: address,
        len: LEN as u32,
        options: 0,
    });
    by_hand.tx.publish();
    by_hand.kick();
    by_hand.reap();
}

impl Ours {
    #[inline(always)]
    fn receive(&mut self) -> Frame {
        let rings = self.socket.rings();
        loop {
            let frame = rings.rx.batch(1).next();
            if let Some(frame) = frame {
                let stocked = rings.fill.stock(&mut self.pool, 1).expect("its pool");
                assert_eq!(stocked, 1);
                return frame;
            }
            let Some(spin) = self.spin else {
                while !rings.rx.is_ready() {
                    core::hint::spin_loop();
                }
                continue;
            };
            let deadline = Deadline::after(PATIENCE);
            let woken = rings.rx.spin_then_wait(spin, deadline, OnSignal::Continue);
            assert_eq!(woken, Ok(Wake::Ready), "no answer");
        }
    }

    #[inline(always)]
    fn send(&mut self, frame: Frame) {
        let rings = self.socket.rings();
        rings.tx.batch(1).push(frame).expect("the ring has room");
        rings.tx.flush().expect("the link is up");
        rings
            .completion
            .reap(&mut self.pool, SLOTS)
            .expect("its pool");
    }
}

/// The median of the round trips of a go.
fn go(near: &mut Side, far: &mut Side) -> Duration {
    thread::scope(|scope| {
        scope.spawn(move || {
            stay_on(1);
            for _ in 0..WARM_UP + TRIPS {
                far.answer();
            }
        });
        stay_on(0);
        let ping = frame::numbered(0, LEN);
        let mut times = Vec::with_capacity(TRIPS);
        for round in 0..WARM_UP + TRIPS {
            let start = Instant::now();
            near.serve(&ping);
            near.take();
            if round >= WARM_UP {
                times.push(start.elapsed());
            }
        }
        times.sort_unstable();
        times[times.len() / 2]
    })
}

fn main() -> ExitCode {
    // `cargo test --benches` asks for a quick try of each bench.
    let measures = std::env::args().any(|argument| argument == "--bench");
    let turns = if measures { 21 } else { 1 };
    if let Err(error) = enter() {
        eprintln!("the bench needs a network namespace of its own: {error}");
        return ExitCode::FAILURE;
    }
    let mut sides = WAYS.map(|way| {
        let ends = cable();
        (ends.each_ref().map(|end| Side::new(way, end)), ends)
    });
    let turn = |number: usize| {
        let mut trips = [Duration::ZERO; WAYS.len()];
        for step in 0..WAYS.len() {
            let way = (number + step) % WAYS.len();
            let ([near, far], _) = &mut sides[way];
            trips[way] = go(near, far);
        }
        trips
    };
    let turns: Vec<_> = (0..turns).map(turn).collect();
    let ratio = |way: Way, to: Way| {
        let of = |turn: &[Duration; WAYS.len()], way: Way| turn[way as usize].as_secs_f64();
        Spread::of(turns.iter().map(|turn| of(turn, way) / of(turn, to)))
    };
    println!("{} turns of {TRIPS} round trips", turns.len());
    for way in WAYS {
        let trips = turns.iter().map(|turn| turn[way as usize].as_secs_f64());
        let median = Spread::of(trips).median * 1e6;
        println!(
            "  {:<31} {median:7.2} us  {}",
            way.name(),
            ratio(way, Way::ByHand)
        );
    }
    let counts = counts(ratio(Way::ByHandAgain, Way::ByHand).median, CONTROL_LIMIT);
    let spinning = ratio(Way::Spinning, Way::ByHand).median;
    let then_waiting = ratio(Way::SpinningThenWaiting, Way::Spinning).median;
    let kept = [
        keeps("spinning, to the loop by hand", spinning, LIMIT),
        keeps("spin_then_wait, to spinning", then_waiting, LIMIT),
    ];
    if std::env::var_os("XDP_PING_PONG_ENFORCE").is_some()
        && !(counts && kept.iter().all(|&kept| kept))
    {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
