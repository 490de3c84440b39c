//! What the command line means: flags, their units, and values checked before anything is opened.

use core::time::Duration;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::bridge::Bridge;
use crate::limits::{Condition, seconds};
use crate::replay::Replay;
use crate::xdp::XdpArgs;

/// The snap length of `-s 0`, and of no `-s` at all: what tcpdump calls unlimited.
pub(crate) const MAX_SNAP_LENGTH: u32 = 262_144;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  ended as asked: count, stop condition, SIGINT, SIGTERM, or a reader that closed the pipe
  1  an error while running, or packets that could not be sent
  2  a command line or a filter that cannot be understood
  3  not permitted: the message says how to get the permission
  4  no such interface, or it went away meanwhile";

/// Captures packets through memory shared with the kernel.
#[derive(Debug, Parser)]
#[command(name = "packet-ring", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Capture packets: one line each, or a file with -w
    Capture(Box<Capture>),
    /// Show what an interface counts, and what kinds of packets pass there
    Stats(Stats),
    /// Forward what arrives at either of two interfaces to the other
    Bridge(Bridge),
    /// Send the packets of a pcap or pcapng file
    Replay(Replay),
    /// Say what this machine and this user can do, and how to get the rest
    Doctor,
    /// Send numbered frames through a network of its own, capture them, and fail if one is lost
    Demo(Demo),
    /// Measure AF_XDP beside AF_PACKET on a wire of the tool's own: receiving, sending, latency
    Bench(crate::bench::Bench),
}

/// Flags of `capture`, spelled as tcpdump and dumpcap spell them.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Capture {
    /// Interface to capture from [default: the first that is up and not loopback, else lo]
    #[arg(short, long, value_name = "IFACE")]
    pub(crate) interface: Option<String>,

    /// List the interfaces and exit
    #[arg(short = 'D', long)]
    pub(crate) list_interfaces: bool,

    /// Write pcapng to FILE, or to standard output with '-'
    #[arg(short, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    /// Write classic pcap (times in nanoseconds) instead of pcapng
    #[arg(short = 'P', requires = "write")]
    pub(crate) pcap: bool,

    /// Stop after exactly COUNT packets
    #[arg(short, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Keep at most SNAPLEN bytes of a packet; 0 means 262144
    #[arg(short, long, value_name = "SNAPLEN", default_value = "0", value_parser = snap_length)]
    pub(crate) snapshot_length: u32,

    /// Stop after duration:SECONDS, packets:N, filesize:KB (1000 bytes) or files:N; may be repeated
    #[arg(short, long, value_name = "CONDITION")]
    pub(crate) autostop: Vec<Condition>,

    /// Go to the next file after duration:SECONDS, filesize:KB (1000 bytes) or packets:N; files:N keeps the newest N
    #[arg(short = 'b', long, value_name = "CONDITION", requires = "write")]
    pub(crate) ring_buffer: Vec<Condition>,

    /// Size of the kernel's ring in MiB
    #[arg(short = 'B', long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub(crate) buffer_size: u32,

    /// Share the packets out among N threads, each with a ring and a file of its own (out_w1.pcapng and so on);
    /// those of one flow stay together
    #[arg(long, value_name = "N", requires = "write", conflicts_with = "count", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: Option<u16>,

    #[command(flatten)]
    pub(crate) xdp: XdpArgs,

    /// Do not put the interface into promiscuous mode
    #[arg(short = 'p', long)]
    pub(crate) no_promiscuous_mode: bool,

    /// Which way the packets must go
    #[arg(
        short = 'Q',
        long,
        value_name = "DIRECTION",
        value_enum,
        default_value = "inout"
    )]
    pub(crate) direction: Direction,

    /// Print one JSON object a packet instead of a line for people
    #[arg(long, conflicts_with = "write")]
    pub(crate) json: bool,

    /// Read the filter from FILE, as `tcpdump -dd` or `tcpdump -ddd` prints it
    #[arg(long, value_name = "FILE", conflicts_with = "expression")]
    pub(crate) bpf: Option<PathBuf>,

    /// Print the filter that the kernel would run and exit: -dd as C, -ddd as numbers
    #[arg(short = 'd', action = ArgAction::Count)]
    pub(crate) dump: u8,

    /// Print the link-level header too
    #[arg(short = 'e')]
    pub(crate) link_level: bool,

    /// Times: -t none, -tt seconds since 1970, -ttt since the packet before, -tttt with the date
    #[arg(short = 't', action = ArgAction::Count)]
    pub(crate) time: u8,

    /// Write every packet out at once, instead of when the buffer is full or the ring is empty
    #[arg(short = 'U', long, visible_short_alias = 'l')]
    pub(crate) packet_buffered: bool,

    /// No live counter
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Accepted out of habit: names are never looked up
    #[arg(short, action = ArgAction::Count)]
    pub(crate) numeric: u8,

    /// Filter, in tcpdump's language
    #[arg(value_name = "EXPRESSION", trailing_var_arg = true)]
    pub(crate) expression: Vec<String>,
}

/// `-Q`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// Received by this machine's interface
    In,
    /// Sent by this machine
    Out,
    /// Both
    Inout,
}

/// Flags of `stats`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Stats {
    /// Interface to watch [default: the first that is up and not loopback, else lo]
    #[arg(value_name = "IFACE")]
    pub(crate) interface: Option<String>,

    /// Time from report to report, at least 0.01
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) interval: Duration,

    /// Stop after COUNT reports
    #[arg(short, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Print one JSON object a report and a line; its counts are those of its interval
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) xdp: XdpArgs,
}

/// Flags of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many frames to send
    #[arg(short, value_name = "COUNT", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: u64,

    /// Where to leave the packets
    #[arg(short, value_name = "FILE", default_value = "demo.pcapng")]
    pub(crate) write: PathBuf,
}

fn snap_length(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Ok(MAX_SNAP_LENGTH),
        Ok(length) if length <= MAX_SNAP_LENGTH => Ok(length),
        _ => Err(format!("a snap length is 0 to {MAX_SNAP_LENGTH} bytes")),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(10);
    seconds(text)
        .ok()
        .filter(|&interval| interval >= LEAST)
        .ok_or_else(|| format!("'{text}' is not a number of seconds, 0.01 at least"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(words: &[&str]) -> Result<Capture, clap::Error> {
        let cli = Cli::try_parse_from(["packet-ring", "capture"].iter().chain(words))?;
        match cli.command {
            Command::Capture(capture) => Ok(*capture),
            _ => unreachable!("the words begin with capture"),
        }
    }

    #[test]
    fn flags_stand_before_the_expression_as_tcpdump_has_them() {
        let capture = capture(&[
            "-nn", "-i", "lo", "-c3", "-w", "-", "tcp", "and", "port", "80",
        ])
        .unwrap();
        assert_eq!(capture.interface.as_deref(), Some("lo"));
        assert_eq!(capture.count, Some(3));
        assert_eq!(capture.write, Some("-".into()));
        assert_eq!(capture.expression, ["tcp", "and", "port", "80"]);
    }

    #[test]
    fn an_expression_may_hold_a_minus() {
        assert_eq!(
            capture(&["len", "-", "4", ">", "-1"]).unwrap().expression,
            ["len", "-", "4", ">", "-1"]
        );
    }

    #[test]
    fn an_unknown_flag_is_no_expression() {
        assert!(capture(&["--bogus"]).is_err());
    }

    #[test]
    fn snap_length_zero_is_the_maximum() {
        assert_eq!(
            capture(&["-s", "0"]).unwrap().snapshot_length,
            MAX_SNAP_LENGTH
        );
        assert_eq!(capture(&[]).unwrap().snapshot_length, MAX_SNAP_LENGTH);
        assert_eq!(capture(&["-s", "96"]).unwrap().snapshot_length, 96);
        assert!(capture(&["-s", "262145"]).is_err());
    }

    #[test]
    fn a_count_is_at_least_one() {
        assert!(capture(&["-c", "0"]).is_err());
    }

    #[test]
    fn json_and_a_file_exclude_each_other() {
        assert!(capture(&["--json", "-w", "x"]).is_err());
    }
}
