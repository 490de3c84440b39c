//! CPU a packet of `packet-ring capture -w` beside `tcpdump -w`, in turns, under the same flood of small frames.
//!
//! `cargo bench -p packet-ring-cli --bench capture_cpu` with tcpdump installed. Each run makes a file in memory
//! (`/dev/shm`) from 2,000,000 frames of 64 bytes that another core sends over a veth pair, with a ring of 64 MiB. A run
//! has a row for pcapng, which holds 44 bytes beside each packet, and one for classic pcap (`-P`), which holds 16 and is
//! what tcpdump writes. What is compared is the user and system time of the whole process, from its start to its end; beside it stands the part while it
//! captures, without setting up the ring. A run counts only if nothing was
//! lost, by the number of packets in the file. `RUNS`, `FRAMES` and `DIRECTORY` in the environment change the defaults.

use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use std::{env, fs, thread};

use packet_ring_lab::{Injector, LabError, VethOptions, VethPair, enter, frame};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use rustix::thread::{CpuSet, sched_setaffinity};

const FRAME: usize = 64;
const SENDER: usize = 0;
const RECEIVER: usize = 1;
/// How long a receiver may take for what lies in its ring when the flood is over.
const SETTLE: Duration = Duration::from_millis(700);

type Outcome<T> = Result<T, Box<dyn core::error::Error>>;

struct Run {
    /// User and system time of the process.
    cpu: Duration,
    /// The part of it from the first frame to the last: without start, ring and end.
    flood: Duration,
    packets: u64,
}

fn main() -> Outcome<()> {
    // cargo passes --bench; cargo test, which would pass nothing, must not measure.
    if !env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    enter()?;
    let frames = setting("FRAMES", 2_000_000);
    let runs = setting("RUNS", 7);
    let directory = env::var("DIRECTORY").unwrap_or_else(|_| "/dev/shm".to_owned());
    let file = Path::new(&directory).join(format!("capture-cpu-{}", std::process::id()));
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let pair = VethPair::create(&VethOptions::default())?;
    let far = pair.far.name();
    let theirs = ["-Z", "root", "-i", far, "-B", "65536", "-n", "-w", path];
    let ours = ["capture", "-i", far, "-B", "64", "-w", path];
    let formats = [("pcapng", &[][..]), ("pcap", &["-P"])];

    println!("ns a packet           whole process                   while it captures");
    println!("run         packet-ring  tcpdump  ratio   packet-ring  tcpdump  ratio");
    let mut ratios = formats.map(|_| Vec::new());
    for run in 1..=runs {
        let theirs = once(&pair, "tcpdump", &theirs, &file, frames)?;
        for ((format, flags), ratios) in formats.iter().zip(&mut ratios) {
            let arguments = [&ours, *flags].concat();
            let tool = env!("CARGO_BIN_EXE_packet-ring");
            let ours = once(&pair, tool, &arguments, &file, frames)?;
            let ratio = row(run, format, &ours, &theirs, frames);
            if ours.packets < frames || theirs.packets < frames {
                println!(
                    "    does not count: {} and {} of {frames} packets",
                    ours.packets, theirs.packets
                );
            } else {
                ratios.push(ratio);
            }
        }
    }
    for ((format, _), mut ratios) in formats.iter().zip(ratios) {
        ratios.sort_by(f64::total_cmp);
        match ratios.as_slice() {
            [] => println!("{format}: no run counts"),
            [least, ..] => println!(
                "{format}: ratio: median {:.3}, {least:.3} to {:.3}, {} of {runs} runs",
                ratios[ratios.len() / 2],
                ratios[ratios.len() - 1],
                ratios.len()
            ),
        }
    }
    Ok(())
}

/// Prints a row; returns the ratio of the whole processes.
fn row(run: u64, format: &str, ours: &Run, theirs: &Run, frames: u64) -> f64 {
    let nanoseconds = |time: Duration| time.as_nanos() as f64 / frames as f64;
    let [whole, their_whole, flood, their_flood] =
        [ours.cpu, theirs.cpu, ours.flood, theirs.flood].map(nanoseconds);
    let ratio = whole / their_whole;
    print!("{run:3} {format:6} {whole:12.1} {their_whole:8.1} {ratio:6.3}");
    println!(
        " {flood:13.1} {their_flood:8.1} {:6.3}",
        flood / their_flood
    );
    ratio
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

/// One capture of one flood.
fn once(
    pair: &VethPair,
    program: &str,
    arguments: &[&str],
    file: &Path,
    frames: u64,
) -> Outcome<Run> {
    warm(file, frames)?;
    pin(RECEIVER)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stderr = BufReader::new(child.stderr.take().ok_or("piped")?);
    let mut said = String::new();
    while !said.contains("listening on") {
        if stderr.read_line(&mut said)? == 0 {
            return Err(format!("{program}: {said}").into());
        }
    }
    let setup = spent(&child)?;
    thread::scope(|scope| {
        scope
            .spawn(|| flood(pair, frames))
            .join()
            .map_err(|_| "the flood panicked")
    })??;
    thread::sleep(SETTLE);
    let flood = spent(&child)?;
    let cpu = end(&mut child)?;
    stderr.read_to_string(&mut said)?;
    let packets = said.lines().find(|line| line.contains(" captured"));
    let packets = packets
        .and_then(|line| line.split(' ').next()?.parse().ok())
        .ok_or(said.clone())?;
    fs::remove_file(file)?;
    Ok(Run {
        cpu,
        flood: flood - setup,
        packets,
    })
}

/// Touches as much memory as the file will need: a virtual machine may have to get it from its host first.
fn warm(file: &Path, frames: u64) -> Outcome<()> {
    let mut filler = fs::File::create(file)?;
    let chunk = vec![1; 1 << 20];
    for _ in 0..(frames * 192) >> 20 {
        filler.write_all(&chunk)?;
    }
    fs::remove_file(file)?;
    Ok(())
}

fn flood(pair: &VethPair, frames: u64) -> Result<(), LabError> {
    pin(SENDER).map_err(LabError::Refused)?;
    Injector::on(&pair.near)?.flood(&frame::numbered(0, FRAME), 0..frames);
    Ok(())
}

/// Ends the child as Ctrl-C does, and reads what it has spent before it is forgotten.
fn end(child: &mut Child) -> Outcome<Duration> {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::INT)?;
    let began = Instant::now();
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), options)?.is_none() {
        if began.elapsed() > SETTLE * 10 {
            return Err("the capture does not end".into());
        }
    }
    let spent = spent(child)?;
    child.wait()?;
    Ok(spent)
}

/// Time on a processor so far, of the one thread that both programs have; the ticks of getrusage are too coarse.
fn spent(child: &Child) -> Outcome<Duration> {
    let spent = fs::read_to_string(format!("/proc/{}/schedstat", child.id()))?;
    let nanoseconds = spent
        .split(' ')
        .next()
        .ok_or("schedstat has three numbers")?
        .parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

fn pin(cpu: usize) -> Result<(), rustix::io::Errno> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)
}
