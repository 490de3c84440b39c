//! `packet-ring bench`: AF_XDP beside AF_PACKET on a wire of its own, in turns, in one run.

mod measure;
mod plot;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use packet_ring::xdp::Xskmap;
use packet_ring_lab::enter;

use crate::exit::{Failure, say, xdp_setcap_line};

use measure::{Way, latency, receive, transmit};
use report::{Measurement, Report};

/// Flags of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is measured, over a veth pair in a network namespace of its own, frames of 64 bytes:
  tx       processor time of a packet sent, the way through the wire included
  rx       processor time of taking a packet out of a ring that has some; what the kernel spends to put it there is the
           sender's
  latency  from the call that sends a packet to the moment at which somebody who spins for it has its bytes (AF_PACKET:
           TPACKET_V2)
Each figure is the median of the runs, in nanoseconds; with --json there is each run's. Ratios are those of each run, and
then their median.")]
pub(crate) struct Bench {
    /// How many runs
    #[arg(short, long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: u32,

    /// Packets a run
    #[arg(short, value_name = "COUNT", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1000..))]
    pub(crate) count: u64,

    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,

    /// Leave a plot in FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

/// Measures as the command line says.
pub(crate) fn run(args: &Bench) -> Result<ExitCode, Failure> {
    enter().map_err(Failure::runtime)?;
    let refused = Xskmap::create(1).err();
    let mut report = Report {
        packets: args.count,
        refused: refused.map(|error| error.to_string()),
        measurements: Vec::new(),
    };
    for (name, measure) in [
        ("tx", transmit as fn(Way, u64) -> Result<f64, Failure>),
        ("rx", receive),
        ("latency", latency),
    ] {
        // Sending needs no program.
        let both = refused.is_none() || name == "tx";
        let mut measured = Measurement::new(name);
        for run in 0..args.runs {
            let mut order = [Way::Packet, Way::Xdp];
            if run % 2 == 1 {
                order.reverse();
            }
            for way in order {
                match way {
                    Way::Packet => measured.af_packet.push(measure(way, args.count)?),
                    Way::Xdp if both => measured.af_xdp.push(measure(way, args.count)?),
                    Way::Xdp => {}
                }
            }
        }
        report.measurements.push(measured);
    }
    if let Some(path) = &args.svg {
        std::fs::write(path, plot::svg(&report))
            .map_err(|error| Failure::io(path.display(), &error))?;
    }
    if args.json {
        say(serde_json::to_string_pretty(&report).map_err(Failure::runtime)?);
    } else {
        say(&report);
    }
    if let Some(error) = &report.refused {
        eprintln!("AF_XDP was not measured where it needs a program: {error}");
        eprintln!(
            "In a network namespace of its own, only root may: sudo packet-ring bench. Elsewhere"
        );
        eprintln!("    {}", xdp_setcap_line());
    }
    Ok(ExitCode::SUCCESS)
}
