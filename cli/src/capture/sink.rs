//! Where the packets of a capture go: a line each, or files.

use std::io::{self, BufWriter, Stdout, Write};

use crate::exit::Failure;
use crate::files::{Output, of_worker};
use crate::frame::Frame;
use crate::interfaces::LinkType;
use crate::json;
use crate::line::Lines;
use crate::plan::{Plan, Target};
use crate::writer::{self, Statistics};

/// Bytes of lines that go out at once.
const LINES: usize = 64 << 10;

/// An open output.
#[derive(Debug)]
pub(super) enum Sink {
    File(Box<Output>),
    Lines(Lines, BufWriter<Stdout>),
    Json(LinkType, BufWriter<Stdout>),
}

impl Sink {
    /// The plan's, or a worker's part of it.
    pub(super) fn open(plan: &Plan, worker: Option<u16>) -> Result<Self, Failure> {
        let stdout = || BufWriter::with_capacity(LINES, io::stdout());
        Ok(match &plan.target {
            Target::File(path, format) => {
                let interface = describe(plan);
                let size = plan.stop.file_size;
                let path = worker.map_or_else(|| path.clone(), |worker| of_worker(path, worker));
                let output = Output::create(&path, *format, plan.rotation, size, interface)?;
                Self::File(Box::new(output))
            }
            Target::Lines(style, link_level) => {
                Self::Lines(Lines::new(*style, plan.link_type, *link_level), stdout())
            }
            Target::Json => Self::Json(plan.link_type, stdout()),
        })
    }

    /// Adds a packet; `drops` packets were lost before it, where that is known.
    #[inline]
    pub(super) fn packet(&mut self, frame: &Frame<'_>, drops: Option<u64>) -> io::Result<()> {
        match self {
            Self::File(output) => output.packet(frame, drops),
            Self::Lines(lines, out) => lines.write(out, frame),
            Self::Json(link_type, out) => json::write(out, frame, *link_type),
        }
    }

    /// The files, if there are any.
    #[inline]
    pub(super) fn output(&mut self) -> Option<&mut Output> {
        match self {
            Self::File(output) => Some(output),
            Self::Lines(..) | Self::Json(..) => None,
        }
    }

    /// Whether somebody may be reading along.
    pub(super) fn is_stream(&self) -> bool {
        match self {
            Self::File(output) => output.is_stream(),
            Self::Lines(..) | Self::Json(..) => true,
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(output) => output.flush(),
            Self::Lines(_, out) | Self::Json(_, out) => out.flush(),
        }
    }

    /// Writes what is left; a file ends with the statistics.
    pub(super) fn close(&mut self, statistics: &Statistics) -> io::Result<()> {
        match self {
            Self::File(output) => output.end_file(statistics),
            Self::Lines(_, out) | Self::Json(_, out) => out.flush(),
        }
    }
}

fn describe(plan: &Plan) -> writer::Interface {
    let uname = rustix::system::uname();
    writer::Interface {
        name: plan.interface.name.clone(),
        link_type: plan.link_type.number(),
        snap_length: plan.snap_length,
        filter: plan.expression.clone(),
        system: format!(
            "{} {}",
            uname.sysname().to_string_lossy(),
            uname.release().to_string_lossy()
        ),
    }
}
