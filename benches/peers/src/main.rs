//! The same work done by `packet-ring`, by hand and by others, in one run, and the document of it.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml --ignore-rust-version`, as root on a machine that is
//! otherwise idle, writes `docs/performance/run.jsonl`, `docs/performance.md` and its plots, in ten to fifteen minutes.
//!
//! - `--quick` makes a try of few turns, in two to three minutes. It writes elsewhere, as every run of a part does:
//!   to `--to DIRECTORY`, or to a directory for what is temporary.
//! - `--only NAME` measures that alone, and can be given several times; `--without PEER` leaves peers of that name out.
//! - `--from FILE` measures nothing: it makes the document again, from a run's lines.
//!
//! netring 0.32 declares Rust 1.97 and builds with 1.95: hence `--ignore-rust-version`.

#[path = "../../by_hand/mod.rs"]
mod by_hand;
mod count;
mod harness;
mod measures;
mod peer;
mod peers;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use measures::Scale;
use report::line::{Run, read};

#[global_allocator]
static ALLOCATOR: count::Counting = count::Counting;

#[derive(Default)]
struct Arguments {
    quick: bool,
    only: Vec<String>,
    without: Vec<String>,
    from: Option<PathBuf>,
    to: Option<PathBuf>,
}

impl Arguments {
    fn parse() -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut given = std::env::args().skip(1);
        while let Some(argument) = given.next() {
            let mut value = || given.next().ok_or(format!("{argument} wants a value"));
            match argument.as_str() {
                "--quick" => parsed.quick = true,
                "--only" => parsed.only.push(value()?),
                "--without" => parsed.without.push(value()?),
                "--from" => parsed.from = Some(value()?.into()),
                "--to" => parsed.to = Some(value()?.into()),
                _ => {
                    return Err(format!(
                        "{argument}: there are --quick, --only NAME, --without PEER, --from FILE and --to DIRECTORY"
                    ));
                }
            }
        }
        Ok(parsed)
    }

    /// Where the document goes: the project's, unless it is of a part or a try.
    fn directory(&self) -> PathBuf {
        let whole = !self.quick && self.only.is_empty() && self.without.is_empty();
        match &self.to {
            Some(directory) => directory.clone(),
            None if whole => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs"),
            None => std::env::temp_dir().join("packet-ring-peers"),
        }
    }
}

fn run() -> Result<(), Box<dyn core::error::Error>> {
    let arguments = Arguments::parse()?;
    let directory = arguments.directory();
    std::fs::create_dir_all(directory.join("performance"))?;
    let lines = match &arguments.from {
        Some(file) => read(file)?,
        None => measure(&arguments, &directory.join("performance/run.jsonl"))?,
    };
    report::document::write(&directory, &lines)?;
    println!("{}", directory.join("performance.md").display());
    Ok(())
}

fn measure(
    arguments: &Arguments,
    path: &Path,
) -> Result<Vec<report::line::Line>, Box<dyn core::error::Error>> {
    let names = measures::ALL.map(|(name, _)| name);
    if let Some(unknown) = arguments
        .only
        .iter()
        .find(|only| !names.contains(&&***only))
    {
        return Err(format!("there is no measure {unknown}: {}", names.join(", ")).into());
    }
    let mut run = Run::begin(path, arguments.quick)?;
    count::find_tracepoint();
    packet_ring_lab::enter()?;
    harness::watch();
    let mut peers = peers::everybody();
    let is_out = |name: &str| arguments.without.iter().any(|out| name.contains(&**out));
    peers.retain(|peer| !is_out(peer.name()));
    for (name, measure) in measures::ALL {
        if arguments.only.is_empty() || arguments.only.iter().any(|only| only == name) {
            measure(&mut run, Scale::new(arguments.quick), &peers);
        }
    }
    Ok(run.lines)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
