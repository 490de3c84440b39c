//! What a receiver of AF_XDP spends under flood, by how it waits; and how much later packets come for it.
//!
//! `cargo bench --bench xdp_flood`. A thread on processor 0 sends 64-byte packets over a veth pair with a native
//! XDP program as fast as it can; another on processor 1 drains its ring whenever it is woken, and sleeps when it
//! is empty: by hand with `poll`, with `RxRing::wait`, while the interface gathers packets
//! ([`InterfaceGather`]), and with a [`Gather`] that rests after each drain. Each way has a cable and a socket
//! of its own, and its go in each turn, in an order that moves on. A figure is processor time of the receiving
//! thread a packet; a ratio is that of one turn, and then the median over the turns, with the least and the
//! greatest.
//!
//! What waiting adds is taken in goes of their own, of packets that carry the time when they were sent: how old a
//! packet is when it is looked at, the median and the oldest of a hundred. Once as fast as single packets can be
//! sent, which has a packet wait for the others of its flood as well; and once with pauses in between that differ.
//! What a way adds is the oldest of a hundred less that of the loop by hand in the same turn; the median over the
//! turns.
//!
//! With `XDP_FLOOD_ENFORCE=1` it fails where a limit is not kept.

#[path = "../by_hand/mod.rs"]
mod by_hand;
mod receiver;

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::process::ExitCode;
use std::thread;

use packet_ring::xdp::InterfaceGather;
use packet_ring_lab::procfs::thread_cpu_time;
use packet_ring_lab::{Injector, enter, frame};

use by_hand::{End, Spread, cable, counts, injector, keeps, stay_on};
use receiver::{LAST, Receiver, Seen, now};

/// Bytes of a packet.
const LEN: usize = 64;

/// How long packets gather at the interface.
const INTERFACE_TIME: Duration = Duration::from_micros(45);

/// Packets that come alone, a go.
const ALONE: usize = 400;

/// The shortest and the longest pause between two of those.
const PAUSES: [Duration; 2] = [Duration::from_micros(100), Duration::from_micros(400)];

/// How often the interface is looked at in vain before it listens again.
const DEFER: u32 = 100;

/// The loop by hand against itself, at most this far from 1.
const CONTROL_LIMIT: f64 = 0.05;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ByHand,
    ByHandAgain,
    Wait,
    InterfaceGather,
    Gather,
}

const WAYS: [Way; 5] = [
    Way::ByHand,
    Way::ByHandAgain,
    Way::Wait,
    Way::InterfaceGather,
    Way::Gather,
];

/// The highest ratio of processor time to that of the loop by hand, and the most that may be added to packets that
/// come alone, in microseconds.
const LIMITS: [(Way, f64, f64); 2] = [
    (Way::InterfaceGather, 0.30, 60.0),
    (Way::Gather, 0.60, 50.0),
];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::ByHand => "by hand, poll",
            Self::ByHandAgain => "the same again",
            Self::Wait => "ours: wait",
            Self::InterfaceGather => "ours: InterfaceGather",
            Self::Gather => "ours: Gather",
        }
    }
}

/// How old packets were when they were looked at, in microseconds.
#[derive(Clone, Copy, Default)]
struct Ages {
    median: f64,
    /// The oldest of a hundred.
    oldest: f64,
}

impl Ages {
    fn of(mut seen: Seen) -> Self {
        seen.ages.sort_unstable();
        let at =
            |hundredths: usize| seen.ages[(seen.ages.len() - 1) * hundredths / 100] as f64 / 1e3;
        Self {
            median: at(50),
            oldest: at(99),
        }
    }
}

/// What a go came to.
#[derive(Clone, Copy, Default)]
struct Figures {
    /// Processor time of the receiver a packet, in nanoseconds.
    processor: f64,
    flood: Ages,
    alone: Ages,
}

/// Lets one way have its go while `send` sends; room for so many ages.
fn go(
    receiver: &mut Receiver,
    injector: &Injector,
    ages: usize,
    send: impl FnOnce(),
) -> (Seen, Duration) {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            stay_on(1);
            let mut seen = Seen {
                ages: Vec::with_capacity(ages),
                ..Seen::default()
            };
            let start = thread_cpu_time();
            receiver.receive(&mut seen);
            let taken = thread_cpu_time() - start;
            // Relaxed: nothing else is told by it.
            ended.store(true, Ordering::Relaxed);
            (seen, taken)
        });
        stay_on(0);
        // The receiver sleeps by then.
        thread::sleep(Duration::from_millis(5));
        send();
        let last = frame::numbered(LAST, LEN);
        while !ended.load(Ordering::Relaxed) {
            injector.send(&last).expect("the link is up");
            thread::sleep(Duration::from_millis(1));
        }
        receiving.join().expect("the receiver ends")
    })
}

fn figures(way: Way, receiver: &mut Receiver, near: &End, far: &End, packets: u64) -> Figures {
    let injector = injector(near);
    let _guard = (way == Way::InterfaceGather).then(|| {
        InterfaceGather::set(far.interface, INTERFACE_TIME, DEFER).expect("CAP_SYS_ADMIN")
    });
    let mut template = frame::numbered(0, LEN);
    let (seen, taken) = go(receiver, &injector, 0, || {
        injector.flood(&template, 0..packets);
    });
    let processor = taken.as_nanos() as f64 / seen.packets as f64;
    let mut send = || {
        frame::renumber(&mut template, now());
        injector.send(&template).expect("the link is up");
    };
    let many = packets as usize / 2;
    let (flood, _) = go(receiver, &injector, many, || (0..many).for_each(|_| send()));
    let (alone, _) = go(receiver, &injector, ALONE, || {
        let [shortest, longest] = PAUSES.map(|pause| pause.as_nanos() as u64);
        for number in 0..ALONE as u64 {
            send();
            // A prime: the pauses are spread over the range.
            let pause = shortest + number * 7919 * 1000 % (longest - shortest);
            let end = now() + pause;
            while now() < end {
                core::hint::spin_loop();
            }
        }
    });
    Figures {
        processor,
        flood: Ages::of(flood),
        alone: Ages::of(alone),
    }
}

fn main() -> ExitCode {
    // `cargo test --benches` asks for a quick try of each bench.
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (turns, packets) = if measures { (21, 100_000) } else { (1, 5_000) };
    if let Err(error) = enter() {
        eprintln!("the bench needs a network namespace of its own: {error}");
        return ExitCode::FAILURE;
    }
    let mut sides = WAYS.map(|way| {
        let ends = cable();
        (Receiver::new(way, &ends[1]), ends)
    });
    let turn = |number: usize| {
        let mut turn = [Figures::default(); WAYS.len()];
        for step in 0..WAYS.len() {
            let way = (number + step) % WAYS.len();
            let (receiver, [near, far]) = &mut sides[way];
            turn[way] = figures(WAYS[way], receiver, near, far, packets);
        }
        turn
    };
    let turns: Vec<_> = (0..turns).map(turn).collect();
    let spread =
        |figure: &dyn Fn(&[Figures; WAYS.len()]) -> f64| Spread::of(turns.iter().map(figure));
    let ratio = |way: Way| {
        spread(&|turn| turn[way as usize].processor / turn[Way::ByHand as usize].processor)
    };
    let added = |way: Way, ages: fn(&Figures) -> Ages| {
        let oldest = |figures: &Figures| ages(figures).oldest;
        spread(&|turn| oldest(&turn[way as usize]) - oldest(&turn[Way::ByHand as usize])).median
    };
    println!("{} turns of {packets} packets of {LEN} bytes", turns.len());
    println!("  age in microseconds: the median, the oldest of a hundred, and what that adds");
    println!(
        "  {:<22} {:>37} {:>20} {:>20}",
        "", "processor", "in a flood", "alone"
    );
    for way in WAYS {
        let of =
            |figure: &dyn Fn(&Figures) -> f64| spread(&|turn| figure(&turn[way as usize])).median;
        let columns = |ages: fn(&Figures) -> Ages| {
            format!(
                "{:6.1} {:6.1} {:6.1}",
                of(&|figures| ages(figures).median),
                of(&|figures| ages(figures).oldest),
                added(way, ages)
            )
        };
        println!(
            "  {:<22} {:5.0} ns a packet {} {} {}",
            way.name(),
            of(&|figures| figures.processor),
            ratio(way),
            columns(|figures| figures.flood),
            columns(|figures| figures.alone),
        );
    }
    let mut kept = counts(ratio(Way::ByHandAgain).median, CONTROL_LIMIT);
    for (way, limit, most) in LIMITS {
        kept &= keeps(way.name(), ratio(way).median, limit);
        kept &= keeps(
            "what it adds to packets that come alone, in microseconds",
            added(way, |figures| figures.alone),
            most,
        );
    }
    if std::env::var_os("XDP_FLOOD_ENFORCE").is_some() && !kept {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
