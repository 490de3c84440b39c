//! Packets a second of `packet-ring replay --topspeed`, with and without `--xdp`, beside `tcpreplay -t`, in turns, from the
//! same file.
//!
//! `cargo bench -p packet-ring-cli --bench replay_rate` with tcpreplay installed (Debian: `tcpreplay`). Each run sends a
//! file in memory (`/dev/shm`) of 1,000,000 frames of 64 bytes over a veth pair, whose other end nobody listens at. The
//! time is that of the whole process, from its start to its end, by which the receiving interface must have counted every
//! frame; beside it stands what each program says of itself. `RUNS`, `FRAMES` and `DIRECTORY` in the environment change the
//! defaults; `CPU` binds both programs to one processor.

use core::time::Duration;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs};

use packet_ring_lab::{VethOptions, VethPair, enter, frame};
use pcap_file::pcap::{PcapPacket, PcapWriter};
use rustix::thread::{CpuSet, sched_setaffinity};

const FRAME: usize = 64;

type Outcome<T> = Result<T, Box<dyn core::error::Error>>;

fn main() -> Outcome<()> {
    // cargo passes --bench; cargo test, which would pass nothing, must not measure.
    if !env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    enter()?;
    let frames = setting("FRAMES", 1_000_000);
    let runs = setting("RUNS", 7);
    if let Ok(cpu) = env::var("CPU") {
        let mut set = CpuSet::new();
        set.set(cpu.parse()?);
        sched_setaffinity(None, &set)?;
    }
    let directory = env::var("DIRECTORY").unwrap_or_else(|_| "/dev/shm".to_owned());
    let file = Path::new(&directory).join(format!("replay-rate-{}.pcap", std::process::id()));
    let measured = write(&file, frames).and_then(|()| measure(&file, frames, runs));
    fs::remove_file(&file)?;
    measured
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn write(file: &Path, frames: u64) -> Outcome<()> {
    let mut writer = PcapWriter::new(BufWriter::new(File::create(file)?))?;
    let mut bytes = frame::numbered(0, FRAME);
    for number in 0..frames {
        frame::renumber(&mut bytes, number);
        let time = Duration::from_micros(number);
        writer.write_packet(&PcapPacket::new(time, FRAME as u32, &bytes))?;
    }
    Ok(())
}

fn measure(file: &Path, frames: u64, runs: u64) -> Outcome<()> {
    let pair = VethPair::create(&VethOptions::default())?;
    let near = pair.near.name();
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let ours = ["replay", "-i", near, "--topspeed", "--quiet", path];
    let xdp = ["replay", "-i", near, "--topspeed", "--quiet", "--xdp", path];
    let theirs = ["-q", "-t", "-i", near, path];
    let tool = env!("CARGO_BIN_EXE_packet-ring");
    println!("packets/s, whole process; behind each, by its own word");
    println!(
        "run             AF_PACKET                AF_XDP             tcpreplay   ratios to tcpreplay"
    );
    let (mut packet, mut af_xdp) = (Vec::new(), Vec::new());
    for run in 1..=runs {
        let (a, a_says) = once(&pair, tool, &ours, frames)?;
        let (b, b_says) = once(&pair, "tcpreplay", &theirs, frames)?;
        let (x, x_says) = once(&pair, tool, &xdp, frames)?;
        println!(
            "{run:3} {a:10.0} {a_says:>10} {x:10.0} {x_says:>10} {b:10.0} {b_says:>10} {:8.3} {:8.3}",
            a / b,
            x / b
        );
        packet.push(a / b);
        af_xdp.push(x / b);
    }
    for (name, mut ratios) in [("AF_PACKET", packet), ("AF_XDP", af_xdp)] {
        ratios.sort_by(f64::total_cmp);
        if let (Some(least), Some(most)) = (ratios.first(), ratios.last()) {
            let median = ratios[ratios.len() / 2];
            println!("{name}: median ratio {median:.3}, {least:.3} to {most:.3}, {runs} runs");
        }
    }
    Ok(())
}

/// Packets a second of one replay, and as the program says.
fn once(pair: &VethPair, program: &str, arguments: &[&str], frames: u64) -> Outcome<(f64, String)> {
    let before = pair.far.counters()?;
    let began = Instant::now();
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let took = began.elapsed();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let arrived = pair.far.counters()?.since(&before).rx_packets;
    if !output.status.success() || arrived != frames {
        return Err(format!("{program}: {arrived} of {frames} frames arrived: {said}").into());
    }
    // "... sent in 1.2 s, 800000 a second" and "Rated: ... Bps, ... Mbps, 500000.00 pps".
    let words: Vec<_> = said.split_whitespace().collect();
    let rate = words
        .windows(3)
        .find(|words| words[1..] == ["a", "second"] || words[1] == "pps");
    let rate = rate.map_or("?", |words| words[0].split('.').next().unwrap_or("?"));
    Ok((frames as f64 / took.as_secs_f64(), rate.to_owned()))
}
