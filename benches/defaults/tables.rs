//! The tables.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::packet::Geometry;
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::frame;

use crate::link::{Cable, FRAME, Rate, Received, receive};

const KIB: u32 = 1 << 10;
const MIB: u32 = 1 << 20;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn ring(block: u32, total: u32, timeout: Duration) -> Geometry {
    Geometry::new(block, total / block)
        .and_then(|ring| ring.retire_timeout(timeout))
        .expect("sizes that make a ring")
}

fn size(bytes: u32) -> String {
    if bytes >= MIB {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{} KiB", bytes / KIB)
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The median of a figure over the repetitions of one row.
fn of(runs: &[Received], figure: impl Fn(&Received) -> f64) -> f64 {
    median(runs.iter().map(figure).collect())
}

/// Runs every row once, then every row again, and so on.
fn interleaved<R, T>(repetitions: usize, rows: &[R], mut run: impl FnMut(&R) -> T) -> Vec<Vec<T>> {
    let mut all: Vec<Vec<T>> = rows.iter().map(|_| Vec::new()).collect();
    for _ in 0..repetitions {
        for (row, runs) in rows.iter().zip(&mut all) {
            runs.push(run(row));
        }
    }
    all
}

/// What a packet costs under flood, by block size.
pub(crate) fn block_sizes(cable: &Cable) {
    let rows = [
        64 * KIB,
        128 * KIB,
        256 * KIB,
        512 * KIB,
        MIB,
        2 * MIB,
        4 * MIB,
    ];
    println!("Block size: 64 MiB, 16 ms, flood for 400 ms.\n");
    println!("| block | packets a block | ns a packet | waits a packet | dropped | packets/s |");
    println!("|---|---|---|---|---|---|");
    let all = interleaved(5, &rows, |&block| {
        let mut socket = cable.socket(ring(block, 64 * MIB, ms(16)));
        cable.while_sending(Rate::Flood, || receive(&mut socket, ms(400), None))
    });
    for (&block, runs) in rows.iter().zip(&all) {
        println!(
            "| {} | {:.0} | {:.1} | {:.5} | {:.0} | {:.0} |",
            size(block),
            of(runs, |run| run.packets as f64 / run.blocks as f64),
            of(runs, |run| run.processor.as_nanos() as f64
                / run.packets as f64),
            of(runs, |run| run.waits as f64 / run.packets as f64),
            of(runs, |run| run.drops as f64),
            of(runs, |run| run.packets as f64 / run.elapsed.as_secs_f64()),
        );
    }
    println!();
}

/// What is lost when the reader does not run for a while under flood, by the size of the ring.
pub(crate) fn pauses(cable: &Cable) {
    let totals = [4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB];
    let pauses = [10, 50, 200, 500];
    let rows: Vec<_> = totals
        .iter()
        .flat_map(|&total| pauses.map(|pause| (total, pause)))
        .collect();
    println!(
        "Ring size: 1 MiB blocks, 16 ms; packets dropped in a flood when the reader pauses.\n"
    );
    println!("| ring | 10 ms | 50 ms | 200 ms | 500 ms |");
    println!("|---|---|---|---|---|");
    let all = interleaved(5, &rows, |&(total, pause)| {
        let mut socket = cable.socket(ring(MIB, total, ms(16)));
        let time = ms(200) + ms(pause);
        cable.while_sending(Rate::Flood, || receive(&mut socket, time, Some(ms(pause))))
    });
    for (total, runs) in totals.iter().zip(all.chunks(pauses.len())) {
        print!("| {} |", size(*total));
        for runs in runs {
            print!(" {:.0} |", of(runs, |run| run.drops as f64));
        }
        println!();
    }
    println!();
}

/// How much a ring holds that nobody reads, by block size, retire timeout and rate.
pub(crate) fn capacity(cable: &Cable) {
    /// Longer than this, nobody waits.
    const PATIENCE: Duration = Duration::from_millis(2500);
    let rates = [
        Rate::Flood,
        Rate::PerSecond(300_000),
        Rate::PerSecond(50_000),
    ];
    let timeouts = [1, 4, 8, 10, 16, 32, 64];
    let rows: Vec<_> = [256 * KIB, MIB]
        .iter()
        .flat_map(|&block| timeouts.map(|timeout| (block, timeout)))
        .flat_map(|(block, timeout)| rates.map(|rate| (block, timeout, rate)))
        .collect();
    println!(
        "Capacity of 64 MiB that nobody reads: packets held, and after how long it was full.\n"
    );
    println!("| block | timeout | flood | | 300,000/s | | 50,000/s | |");
    println!("|---|---|---|---|---|---|---|---|");
    let all = interleaved(3, &rows, |&(block, timeout, rate)| {
        let mut socket = cable.socket(ring(block, 64 * MIB, ms(timeout)));
        cable.while_sending(rate, || {
            let start = Instant::now();
            loop {
                thread::sleep(ms(2));
                let counts = socket.statistics().expect("statistics");
                let elapsed = start.elapsed();
                if counts.drops > 0 || elapsed > PATIENCE {
                    break ((counts.packets - counts.drops) as f64, elapsed);
                }
            }
        })
    });
    for (row, runs) in rows.chunks(rates.len()).zip(all.chunks(rates.len())) {
        let (block, timeout, _) = row[0];
        print!("| {} | {timeout} ms |", size(block));
        for runs in runs {
            let packets = median(runs.iter().map(|run| run.0).collect());
            let time = median(runs.iter().map(|run| run.1.as_secs_f64()).collect());
            if time < PATIENCE.as_secs_f64() {
                print!(" {packets:.0} | {:.0} ms |", time * 1e3);
            } else {
                print!(" | later |");
            }
        }
        println!();
    }
    println!();
}

/// What a retire timeout costs in wake-ups, and what it adds to the way of a lone packet.
pub(crate) fn retire_timeouts(cable: &Cable) {
    let rows = [1, 4, 8, 16, 32, 64];
    let injector = cable.injector();
    let frame = frame::numbered(0, FRAME);
    println!("Retire timeout: 1 MiB blocks, 64 MiB; 20,000/s for a second, and lone packets.\n");
    println!("| timeout | wake-ups a second | processor | lone packet: median | at most |");
    println!("|---|---|---|---|---|");
    for timeout in rows {
        let geometry = ring(MIB, 64 * MIB, ms(timeout));
        let mut socket = cable.socket(geometry);
        let run = cable.while_sending(Rate::PerSecond(20_000), || {
            receive(&mut socket, ms(1000), None)
        });
        while socket.next_block().is_some() {}
        let mut latencies: Vec<f64> = (0..60)
            .map(|number| {
                // Uneven gaps, so that the packets meet the timer in every phase.
                thread::sleep(Duration::from_micros(300 + 7919 * number % 20_000));
                let before = Instant::now();
                injector.send(&frame).expect("sent");
                let wake = socket.wait(Deadline::after(ms(1000)), OnSignal::Continue);
                assert_eq!(wake, Ok(Wake::Ready));
                let latency = before.elapsed();
                while socket.next_block().is_some() {}
                latency.as_secs_f64() * 1e3
            })
            .collect();
        latencies.sort_by(f64::total_cmp);
        println!(
            "| {timeout} ms | {:.0} | {:.2} % | {:.1} ms | {:.1} ms |",
            run.waits as f64 / run.elapsed.as_secs_f64(),
            run.processor.as_secs_f64() / run.elapsed.as_secs_f64() * 100.0,
            latencies[latencies.len() / 2],
            latencies[latencies.len() - 1],
        );
    }
}
