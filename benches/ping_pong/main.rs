//! How long an answer takes: 64 bytes to and fro over a veth pair, between two threads on processors
//! of their own, in a namespace of this process.
//!
//! `cargo bench --bench ping_pong`. Each way of receiving has its go in each turn, on sockets of its
//! own, in an order that moves on; both ends receive in the same way and send with `send`. A way's
//! figure is the median over the turns of the medians of its round trips; a ratio is that of one turn,
//! and then the median over the turns. Beside it stands the processor time of both threads for one
//! round trip.
//!
//! "At once" a ping follows its answer at once. There who spins for 50 microseconds is answered while
//! it spins, and never sleeps. "Every millisecond" the pinging end lets a millisecond pass, so that
//! the other end has spun in vain and sleeps: the price of an answer after a pause, and what waiting
//! for it costs.
//!
//! With `PING_PONG_ENFORCE=1` it fails where a limit is not kept, or where the loop by hand is more
//! than 3 % off itself, which says that the machine was too busy for figures.

mod raw;
mod ways;

use core::time::Duration;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use packet_ring_lab::procfs::thread_cpu_time;
use packet_ring_lab::{VethOptions, VethPair, enter, frame};
use rustix::fd::BorrowedFd;
use rustix::net::{SendFlags, send};
use rustix::thread::{CpuSet, sched_setaffinity};

use ways::{NUMBER, WAYS, Way};

/// Turns of every way.
const TURNS: usize = 21;

/// Bytes of a packet.
const LEN: usize = 64;

/// When a ping follows its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    AtOnce,
    EveryMillisecond,
}

impl Pace {
    /// Lets the time pass, spinning: the pinging end is awake.
    fn pause(self) {
        let pause = match self {
            Self::AtOnce => return,
            Self::EveryMillisecond => Duration::from_millis(1),
        };
        let start = Instant::now();
        while start.elapsed() < pause {
            core::hint::spin_loop();
        }
    }

    fn trips(self, way: Way) -> usize {
        match self {
            Self::AtOnce => way.trips(),
            Self::EveryMillisecond => way.trips().min(100),
        }
    }
}

/// What one go of one way came to.
#[derive(Clone, Copy, Default)]
struct Figures {
    /// Median of the round trips.
    trip: Duration,
    /// Processor time of both threads, for one round trip.
    both: Duration,
    /// That of the answering one alone.
    answering: Duration,
}

fn stay_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    if sched_setaffinity(None, &set).is_err() {
        eprintln!("there is no processor {processor} to stay on");
    }
}

fn send_number(fd: BorrowedFd<'_>, frame: &mut [u8], number: u8) {
    frame[NUMBER] = number;
    send(fd, frame, SendFlags::empty()).expect("the link takes one packet");
}

/// Lets one way have its go.
fn go(pair: &VethPair, way: Way, pace: Pace) -> Figures {
    const WARM_UP: usize = 20;
    let (mut near, mut far) = (way.open(&pair.near), way.open(&pair.far));
    let trips = pace.trips(way);
    thread::scope(|scope| {
        let answering = scope.spawn(move || {
            stay_on(1);
            let mut answer = frame::numbered(0, LEN);
            far.receive(WARM_UP, |fd, number| send_number(fd, &mut answer, number));
            let start = thread_cpu_time();
            far.receive(trips, |fd, number| send_number(fd, &mut answer, number));
            thread_cpu_time() - start
        });
        stay_on(0);
        let mut ping = frame::numbered(0, LEN);
        let mut times = Vec::with_capacity(trips);
        let mut pinging = Duration::ZERO;
        for round in 0..WARM_UP + trips {
            let number = round as u8;
            pace.pause();
            let (start, spent) = (Instant::now(), thread_cpu_time());
            send_number(rustix::fd::AsFd::as_fd(&near), &mut ping, number);
            near.receive(1, |_, answer| assert_eq!(answer, number));
            if round >= WARM_UP {
                pinging += thread_cpu_time() - spent;
                times.push(start.elapsed());
            }
        }
        times.sort_unstable();
        let answering = answering.join().expect("the other end answers");
        Figures {
            trip: times[times.len() / 2],
            both: (pinging + answering) / trips as u32,
            answering: answering / trips as u32,
        }
    })
}

/// The figures of every way, turn by turn.
struct Table(Vec<[Figures; WAYS.len()]>);

impl Table {
    fn measure(pair: &VethPair, pace: Pace) -> Self {
        let turn = |turn: usize| {
            let mut figures = [Figures::default(); WAYS.len()];
            for step in 0..WAYS.len() {
                let way = (turn + step) % WAYS.len();
                figures[way] = go(pair, WAYS[way], pace);
            }
            figures
        };
        Self((0..TURNS).map(turn).collect())
    }

    fn median(&self, figure: impl Fn(&[Figures; WAYS.len()]) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.0.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    }

    /// The ratio of two ways in this figure.
    fn ratio(&self, way: Way, to: Way, figure: impl Fn(&Figures) -> Duration) -> f64 {
        let of = |turn: &[Figures; WAYS.len()], way: Way| figure(&turn[way as usize]);
        self.median(|turn| of(turn, way).as_secs_f64() / of(turn, to).as_secs_f64())
    }

    fn print(&self) {
        println!(
            "  {:<32} {:>10} {:>7} {:>12} {:>12}",
            "", "round trip", "", "processor", "answering"
        );
        for way in WAYS {
            let figure = |of: fn(&Figures) -> Duration| {
                self.median(|turn| of(&turn[way as usize]).as_secs_f64() * 1e6)
            };
            println!(
                "  {:<32} {:7.2} us {:7.3} {:9.2} us {:9.2} us",
                way.name(),
                figure(|f| f.trip),
                self.ratio(way, Way::Raw, |f| f.trip),
                figure(|f| f.both),
                figure(|f| f.answering),
            );
        }
    }
}

/// Says whether a ratio keeps its limit.
fn keeps(what: &str, ratio: f64, limit: f64) -> bool {
    let kept = ratio <= limit;
    let says = if kept { "PASS" } else { "FAIL" };
    println!("  {says}: {what}: {ratio:.3}, at most {limit:.2}");
    kept
}

fn main() -> ExitCode {
    if let Err(error) = enter() {
        eprintln!("the bench needs a network namespace of its own: {error}");
        return ExitCode::FAILURE;
    }
    let pair = VethPair::create(&VethOptions::default()).expect("a veth pair");
    let trip = |figures: &Figures| figures.trip;
    let both = |figures: &Figures| figures.both;

    println!("A ping follows its answer at once, {TURNS} turns:");
    let table = Table::measure(&pair, Pace::AtOnce);
    table.print();
    let control = table.ratio(Way::RawAgain, Way::Raw, trip);
    let counts = (control - 1.0).abs() <= 0.03;
    if !counts {
        println!("  DOES NOT COUNT: by hand and by hand again: {control:.3}");
    }
    let spinning = table.ratio(Way::Spinning, Way::Raw, trip);
    let then_waiting = table.ratio(Way::SpinningThenWaiting, Way::Spinning, trip);
    let processor = table.ratio(Way::SpinningThenWaiting, Way::Waiting, both);
    let kept = [
        keeps("spinning, to the loop by hand", spinning, 1.03),
        keeps("spin_then_wait, to spinning", then_waiting, 1.03),
        keeps("spin_then_wait, processor time to wait", processor, 0.2),
    ];

    println!("A ping every millisecond, {TURNS} turns:");
    Table::measure(&pair, Pace::EveryMillisecond).print();

    let enforced = std::env::var_os("PING_PONG_ENFORCE").is_some();
    if enforced && !(counts && kept.iter().all(|&kept| kept)) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
