//! What sending costs, beside hand-written loops over the same system calls.
//!
//! `cargo bench --bench transmit`. 64-byte frames in batches of 64 over a veth pair whose ends lie in
//! two namespaces of this process, with nobody at the far end; each sender writes every frame anew.
//! They take turns, so that what disturbs the machine disturbs all of them; a figure is the median over
//! the turns, in processor time of the thread, of which nearly all is the kernel's. What was sent, the
//! interface says.
//!
//! With `TRANSMIT_ENFORCE=1` it fails where the ring's median is above its limit, or where the
//! hand-written loop against itself is more than 3 % off, which says that the machine was too busy for
//! figures.

mod ours;
mod raw;

use core::time::Duration;
use std::process::ExitCode;

use packet_ring_lab::procfs::thread_cpu_time;
use packet_ring_lab::{Link, Namespace, VethOptions, VethPair, enter, frame};
use rustix::thread::{CpuSet, sched_setaffinity};

use ours::{Copied, Ring};
use raw::{Sendmmsg, V2Ring};

/// Bytes of each frame.
const LEN: usize = 64;

/// Frames between two system calls.
const BATCH: u64 = 64;

/// The highest ratio of the ring to the hand-written loop.
const LIMIT: f64 = 1.00;

/// The hand-written loop against itself, at most this far from 1.
const CONTROL_LIMIT: f64 = 0.03;

/// A way of sending.
trait Sender {
    /// Sends frames with these numbers, as many as a batch has.
    fn send(&mut self, first: u64);
    /// Returns once every frame has left.
    fn finish(&mut self);
}

/// Writes the frame of this number.
fn write(bytes: &mut [u8], template: &[u8; LEN], number: u64) {
    bytes.copy_from_slice(template);
    bytes[NUMBER..][..8].copy_from_slice(&number.to_be_bytes());
}

/// Where a numbered frame has its number.
const NUMBER: usize = 22;

fn template() -> [u8; LEN] {
    frame::numbered(0, LEN).try_into().expect("its length")
}

const NAMES: [&str; 6] = [
    "TPACKET_V2 loop",
    "the same again",
    "ring",
    "ring, copied",
    "sendmmsg loop",
    "Sender",
];
const CONTROL: usize = 1;
const RING: usize = 2;

/// Processor time of each sender in one turn.
type Turn = [Duration; NAMES.len()];

/// Lets every sender send `batches` batches, in an order that changes from turn to turn.
fn turn(senders: &mut [Box<dyn Sender>], near: &Link, number: usize, batches: u64) -> Turn {
    let mut taken = Turn::default();
    for place in 0..senders.len() {
        // Forwards and backwards through the senders, each turn from another one on.
        let place = if number.is_multiple_of(2) {
            place
        } else {
            senders.len() - 1 - place
        };
        let index = (number / 2 + place) % senders.len();
        let before = near.counters().expect("the interface's counters");
        let start = thread_cpu_time();
        for batch in 0..batches {
            senders[index].send(batch * BATCH);
        }
        senders[index].finish();
        taken[index] = thread_cpu_time() - start;
        let after = near.counters().expect("the interface's counters");
        let sent = after.since(&before).tx_packets;
        assert_eq!(sent, batches * BATCH, "{}", NAMES[index]);
    }
    taken
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Prints the table, and says whether the limits are kept.
fn judge(turns: &[Turn], batches: u64) -> bool {
    let frames = (batches * BATCH) as f64;
    let ratio = |index: usize| {
        median(
            turns
                .iter()
                .map(|t| t[index].as_secs_f64() / t[0].as_secs_f64()),
        )
    };
    println!("{} turns of {frames} frames of {LEN} bytes", turns.len());
    for (index, name) in NAMES.iter().enumerate() {
        let nanoseconds = median(turns.iter().map(|t| t[index].as_nanos() as f64 / frames));
        println!(
            "  {name:<16} {nanoseconds:7.0} ns a frame  {:.3}",
            ratio(index)
        );
    }
    let counts = (ratio(CONTROL) - 1.0).abs() <= CONTROL_LIMIT;
    let passes = ratio(RING) <= LIMIT;
    match (counts, passes) {
        (false, _) => println!("  DOES NOT COUNT: the control is off"),
        (true, true) => println!("  PASS: ring at most {LIMIT:.2}"),
        (true, false) => println!("  FAIL: ring at most {LIMIT:.2}"),
    }
    counts && passes
}

fn main() -> ExitCode {
    // `cargo test --benches` asks for a quick try of each bench.
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (turns, batches) = if measures { (200, 100) } else { (2, 3) };
    if let Err(error) = enter() {
        eprintln!("the bench needs a network namespace of its own: {error}");
        return ExitCode::FAILURE;
    }
    let mut cpu = CpuSet::new();
    cpu.set(1);
    if sched_setaffinity(None, &cpu).is_err() {
        eprintln!("there is no second processor to stay on");
    }
    let elsewhere = Namespace::new().expect("a namespace");
    let options = VethOptions {
        far_namespace: Some(&elsewhere),
        ..VethOptions::default()
    };
    let near = VethPair::create(&options).expect("a veth pair").near;
    let index = near.index().expect("its index");
    let mut senders: [Box<dyn Sender>; NAMES.len()] = [
        Box::new(V2Ring::new(index)),
        Box::new(V2Ring::new(index)),
        Box::new(Ring::new(index)),
        Box::new(Ring::copied(index)),
        Box::new(Sendmmsg::new(index)),
        Box::new(Copied::new(index)),
    ];
    turn(&mut senders, &near, 0, batches);
    let turns: Vec<_> = (0..turns)
        .map(|number| turn(&mut senders, &near, number, batches))
        .collect();
    let kept = judge(&turns, batches);
    if std::env::var_os("TRANSMIT_ENFORCE").is_some() && !kept {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
