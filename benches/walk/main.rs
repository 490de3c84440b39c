//! What walking blocks costs, beside a plain raw-pointer loop over the same blocks.
//!
//! `cargo bench --bench walk`. The blocks are a real ring's, filled by the kernel over a veth pair in
//! a namespace of this process, and handed to the reader again and again. Every walk touches each
//! packet's header, its length and one byte of its payload. They take turns, so that what disturbs
//! the machine disturbs all of them; a figure is the median over the turns, in processor time of the
//! thread. Criterion asks for the turns, and judges each walk by itself; the table behind it is made
//! of the same turns.
//!
//! With `WALK_ENFORCE=1` it fails where a median is above its limit, or where the raw loop against
//! itself is more than 3 % off, which says that the machine was too busy for figures.

mod ratios;
mod replay;

use core::time::Duration;
use std::process::ExitCode;

use criterion::{Criterion, SamplingMode, Throughput};
use packet_ring::packet::Geometry;
use packet_ring_lab::enter;
use rustix::thread::{CpuSet, sched_setaffinity};

use ratios::{CLOSURE, CONTROL, ITERATOR, Turns, WALKS};
use replay::Replay;

/// The raw loop against itself, at most this far from 1.
const CONTROL_LIMIT: f64 = 0.03;

/// A ring to walk.
struct Case {
    name: &'static str,
    ring: Geometry,
    /// Bytes of each frame.
    frame: usize,
    /// How often the ring is walked in one go: enough to be timed.
    laps: u32,
    limits: Option<Limits>,
}

/// The highest ratios to the raw loop.
struct Limits {
    closure: f64,
    iterator: f64,
}

const SMALL: Geometry = Geometry::new_assert(1 << 17, 8);
const LARGE: Geometry = Geometry::new_assert(1 << 20, 64);

const CASES: [Case; 4] = [
    Case {
        name: "64 bytes, 1 MiB",
        ring: SMALL,
        frame: 64,
        laps: 8,
        limits: Some(Limits {
            closure: 0.75,
            iterator: 0.85,
        }),
    },
    Case {
        name: "1500 bytes, 1 MiB",
        ring: SMALL,
        frame: 1500,
        laps: 40,
        // What a walk touches of it, 85 kB, stays so close to the core that looking ahead costs more
        // than it brings. No live ring is read that way: the kernel writes all of it between laps.
        limits: None,
    },
    Case {
        name: "64 bytes, 64 MiB",
        ring: LARGE,
        frame: 64,
        laps: 1,
        limits: Some(Limits {
            closure: 1.05,
            iterator: 1.15,
        }),
    },
    Case {
        name: "1500 bytes, 64 MiB",
        ring: LARGE,
        frame: 1500,
        laps: 1,
        limits: Some(Limits {
            closure: 0.85,
            iterator: 0.95,
        }),
    },
];

impl Case {
    /// Lets criterion measure every walk, and makes this case's part of the table.
    fn measure(&self, criterion: &mut Criterion) -> Verdict {
        let mut turns = Turns::new(Replay::new(self.ring, self.frame), self.laps);
        for _ in 0..3 {
            turns.take();
        }
        turns.forget();
        let mut group = criterion.benchmark_group(self.name);
        group.sampling_mode(SamplingMode::Flat);
        group.throughput(Throughput::Elements(turns.packets()));
        for (index, walk) in WALKS.iter().enumerate() {
            group.bench_function(walk.name, |bencher| {
                bencher
                    .iter_custom(|count| (0..count).map(|_| turns.take()[index]).sum::<Duration>());
            });
        }
        group.finish();
        self.judge(&turns)
    }

    fn judge(&self, turns: &Turns) -> Verdict {
        if turns.count() == 0 {
            return Verdict::default();
        }
        let mut table = format!("\n{}: {} turns\n", self.name, turns.count());
        for (index, walk) in WALKS.iter().enumerate() {
            let ratio = turns.ratio(index);
            table += &format!(
                "  {:<15} {:6.2} ns  {:.3} ({:.3} to {:.3}, all {:.3} to {:.3})\n",
                walk.name,
                turns.nanoseconds(index),
                ratio.median,
                ratio.tenth,
                ratio.ninetieth,
                ratio.min,
                ratio.max,
            );
        }
        let control = turns.ratio(CONTROL).median;
        let (says, failed) = if (control - 1.0).abs() > CONTROL_LIMIT {
            ("DOES NOT COUNT: the control is off".into(), true)
        } else if let Some(limits) = &self.limits {
            let Limits { closure, iterator } = limits;
            let passes = turns.ratio(CLOSURE).median <= *closure
                && turns.ratio(ITERATOR).median <= *iterator;
            let says = if passes { "PASS" } else { "FAIL" };
            (
                format!("{says}: closure at most {closure:.2}, iterator {iterator:.2}"),
                !passes,
            )
        } else {
            ("no limits".into(), false)
        };
        table += &format!("  {says}");
        Verdict { table, failed }
    }
}

#[derive(Default)]
struct Verdict {
    table: String,
    failed: bool,
}

fn main() -> ExitCode {
    if let Err(error) = enter() {
        eprintln!("the bench needs a network namespace of its own: {error}");
        return ExitCode::FAILURE;
    }
    let mut cpu = CpuSet::new();
    cpu.set(1);
    if sched_setaffinity(None, &cpu).is_err() {
        eprintln!("there is no second processor to stay on");
    }
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let verdicts: Vec<_> = CASES
        .iter()
        .map(|case| case.measure(&mut criterion))
        .collect();
    criterion.final_summary();
    println!("\nMedian a packet, ratio to the raw loop (10th to 90th percentile)");
    for verdict in &verdicts {
        println!("{}", verdict.table);
    }
    let enforced = std::env::var_os("WALK_ENFORCE").is_some();
    if enforced && verdicts.iter().any(|verdict| verdict.failed) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
