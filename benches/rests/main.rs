//! How long a rest of a `Gather` really is.
//!
//! `cargo bench --bench rests`. For each time asked for: how long it took until the thread was awake again,
//! by `clock_nanosleep`, by a rest, and by a rest with the measured margin taken off; the median, and the
//! first and the last tenth. A rest is waited for as an executor waits, in an epoll instance around the
//! `Gather`. The ways have their goes by turns, on processor 1, with the usual timer slack of 50
//! microseconds and with one of a nanosecond.

use core::num::NonZeroU64;
use core::time::Duration;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use packet_ring::xdp::Gather;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};

/// Turns of every way.
const TURNS: usize = 501;

const ASKED: [u64; 6] = [10, 25, 50, 100, 200, 1000];

/// A rest, and the executor that waits for its end.
struct Rest {
    gather: Gather<OwnedFd>,
    executor: OwnedFd,
}

impl Rest {
    fn new(margin: Duration) -> Result<Self, packet_ring::Error> {
        let source = eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd");
        let mut gather = Gather::new(source)?;
        gather.set_margin(margin);
        let executor = executor_of(&gather).expect("an epoll instance");
        Ok(Self { gather, executor })
    }

    fn take(&mut self, time: Duration) {
        self.gather.rest(time).expect("a rest");
        let mut events = Vec::with_capacity(1);
        let room = rustix::buffer::spare_capacity(&mut events);
        epoll::wait(&self.executor, room, None).expect("its end");
    }
}

fn executor_of(gather: &Gather<OwnedFd>) -> Result<OwnedFd, Errno> {
    let executor = epoll::create(CreateFlags::CLOEXEC)?;
    let flags = EventFlags::IN | EventFlags::ET;
    epoll::add(&executor, gather, EventData::new_u64(0), flags)?;
    Ok(executor)
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The median, and the first and the last tenth, in microseconds.
fn figures(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |tenths: usize| times[(times.len() - 1) * tenths / 10].as_secs_f64() * 1e6;
    format!("{:6.0} ({:.0} to {:.0})", at(5), at(1), at(9))
}

fn table() -> Result<(), packet_ring::Error> {
    println!(
        "{:>8}  {:22}{:22}{:22}margin",
        "asked", "sleep", "rest", "less margin"
    );
    for microseconds in ASKED {
        let time = Duration::from_micros(microseconds);
        let margin = Gather::measure_margin(time)?;
        let (mut plain, mut less) = (Rest::new(Duration::ZERO)?, Rest::new(margin)?);
        let mut took = [const { Vec::new() }; 3];
        for _ in 0..TURNS {
            took[0].push(timed(|| thread::sleep(time)));
            took[1].push(timed(|| plain.take(time)));
            took[2].push(timed(|| less.take(time)));
        }
        let [sleep, rest, less] = took.map(figures);
        let margin = margin.as_secs_f64() * 1e6;
        println!("{microseconds:5} us  {sleep:22}{rest:22}{less:22}{margin:4.0}");
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut one = CpuSet::new();
    one.set(1);
    if let Err(errno) = sched_setaffinity(None, &one) {
        eprintln!("not on processor 1: {errno}");
    }
    for slack in [50_000, 1] {
        set_current_timer_slack(NonZeroU64::new(slack)).expect("a timer slack");
        println!("timer slack of {slack} ns, times in microseconds");
        if let Err(error) = table() {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
