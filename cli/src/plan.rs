//! What a capture is going to do, settled before it begins: interface, filter, outputs, limits.

use std::path::PathBuf;

use packet_ring::bpf::Instruction;

use crate::args::{self, Direction};
use crate::clock::Style;
use crate::exit::{Failure, say};
use crate::files::is_standard_output;
use crate::filter::{self, Dump};
use crate::interfaces::{self, Interface, LinkType};
use crate::limits::{Rotation, Stop};
use crate::line::LinkLevel;
use crate::writer::Format;

/// A command line without contradictions, for an interface that exists.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) interface: Interface,
    pub(crate) link_type: LinkType,
    pub(crate) snap_length: u32,
    pub(crate) direction: Direction,
    /// What the kernel runs, if anything.
    pub(crate) program: Option<Vec<Instruction>>,
    /// The expression, for the file.
    pub(crate) expression: Option<String>,
    pub(crate) stop: Stop,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) target: Target,
}

/// Where packets go.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    File(PathBuf, Format),
    Json,
    Lines(Style, LinkLevel),
}

impl Plan {
    pub(crate) fn new(args: &args::Capture) -> Result<Self, Failure> {
        let stop = Stop::new(args.count, &args.autostop);
        let rotation = Rotation::new(&args.ring_buffer)?;
        let target = target(args)?;
        if stop.file_size.is_some() && !matches!(target, Target::File(..)) {
            return Err(Failure::usage("-a filesize:N needs a file: add -w FILE"));
        }
        if stop.file_size.is_some() && rotation.is_some() {
            return Err(Failure::usage(
                "with -b, a file's size is told by -b filesize:N, not by -a",
            ));
        }
        if stop.files.is_some() && rotation.is_none() {
            return Err(Failure::usage(
                "-a files:N counts files that -b ends: add -b",
            ));
        }
        if args.workers.is_some() {
            if stop.packets.is_some() || stop.file_size.is_some() || stop.files.is_some() {
                return Err(Failure::usage(
                    "with --workers, nobody counts for all: -a takes duration:SECONDS only",
                ));
            }
            if matches!(&target, Target::File(path, _) if is_standard_output(path)) {
                return Err(Failure::usage(
                    "--workers needs files: standard output is only one",
                ));
            }
        }
        if args.xdp.xdp.is_some() {
            if args.workers.is_some() {
                return Err(Failure::usage(
                    "--workers shares out a packet socket's packets, not those of --xdp",
                ));
            }
            if args.direction == Direction::Out {
                return Err(Failure::usage(
                    "--xdp sees what arrives: there is no -Q out",
                ));
            }
        }
        let interface = match &args.interface {
            Some(name) => interfaces::named(name)?,
            None => interfaces::default()?,
        };
        let link_type = interface.link_type().ok_or_else(|| {
            Failure::interface(format_args!(
                "{} cannot be captured: its link layer is {}",
                interface.name,
                interface.layer()
            ))
        })?;
        let expression = args.expression.join(" ");
        let expression = Some(expression).filter(|expression| !expression.trim().is_empty());
        let program = program(args, &interface.name, expression.as_deref())?;
        Ok(Self {
            interface,
            link_type,
            snap_length: args.snapshot_length,
            direction: args.direction,
            program,
            expression,
            stop,
            rotation,
            target,
        })
    }

    /// Prints the program that the kernel would run.
    pub(crate) fn print_program(&self, dump: Dump) -> Result<(), Failure> {
        let everything = filter::accept(self.snap_length);
        let program = self.program.as_deref().unwrap_or(&everything);
        say(filter::Listing(program, dump).to_string().trim_end());
        Ok(())
    }
}

fn target(args: &args::Capture) -> Result<Target, Failure> {
    let style = match args.time {
        0 => Style::TimeOfDay,
        1 => Style::Nothing,
        2 => Style::Seconds,
        3 => Style::Delta,
        4 => Style::Date,
        _ => return Err(Failure::usage("there are -t, -tt, -ttt and -tttt")),
    };
    let link_level = if args.link_level {
        LinkLevel::Shown
    } else {
        LinkLevel::Hidden
    };
    let format = if args.pcap {
        Format::Pcap
    } else {
        Format::Pcapng
    };
    Ok(match &args.write {
        Some(path) => Target::File(path.clone(), format),
        None if args.json => Target::Json,
        None => Target::Lines(style, link_level),
    })
}

/// The filter of the command line; with `-Q out` it looks at the direction first.
fn program(
    args: &args::Capture,
    interface: &str,
    expression: Option<&str>,
) -> Result<Option<Vec<Instruction>>, Failure> {
    let snap_length = args.snapshot_length;
    let given = match (&args.bpf, expression) {
        (Some(path), _) => Some(filter::read(path)?),
        (None, Some(expression)) => Some(filter::compile(interface, snap_length, expression)?),
        (None, None) => None,
    };
    Ok(match args.direction {
        Direction::Out => Some(filter::outgoing_only(
            &given.unwrap_or_else(|| filter::accept(snap_length)),
        )),
        Direction::In | Direction::Inout => given,
    })
}
