//! The lines of a run: one a figure, or a reason why there is none.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// A median, and how far the rest lies from it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Range {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Outcome {
    Figure {
        #[serde(flatten)]
        range: Range,
        unit: String,
        /// To the reference of the same turn.
        ratio: Option<Range>,
        turns: usize,
    },
    Cannot {
        cannot: String,
    },
}

/// Where and when, of which every line tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Where {
    pub(crate) kernel: String,
    pub(crate) cpu: String,
    pub(crate) processors: usize,
    pub(crate) date: String,
    pub(crate) commit: String,
    /// How many threads ran or wanted to, of the whole machine, in the minute before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) load: Option<String>,
    /// Whether it was a try of few turns.
    pub(crate) quick: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) measure: String,
    /// Which one of several measures of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<String>,
    pub(crate) peer: String,
    pub(crate) version: String,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    #[serde(flatten)]
    pub(crate) place: Where,
}

/// A run, whose lines go to a file as they come.
pub(crate) struct Run {
    pub(crate) place: Where,
    pub(crate) lines: Vec<Line>,
    file: File,
}

impl Run {
    pub(crate) fn begin(path: &Path, quick: bool) -> std::io::Result<Self> {
        Ok(Self {
            place: Where::here(quick),
            lines: Vec::new(),
            file: File::create(path)?,
        })
    }

    pub(crate) fn write(&mut self, line: Line) {
        let text = serde_json::to_string(&line).expect("a line has nothing that JSON has not");
        writeln!(self.file, "{text}").expect("room for a line");
        self.lines.push(line);
    }
}

/// Reads what a run has written.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>, Box<dyn core::error::Error>> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().enumerate().map(|(number, line)| {
        serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))
    });
    Ok(lines.collect::<Result<_, _>>()?)
}

impl Where {
    fn here(quick: bool) -> Self {
        let release = rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned();
        // What a distribution or a machine's owner puts behind the version is left out.
        let kernel = release.split('-').next().unwrap_or_default().to_owned();
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == "model name").then(|| value.trim().to_owned())
        });
        Self {
            kernel,
            cpu: model.unwrap_or_else(|| "unknown".into()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            date: says("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            commit: commit(),
            load: load(),
            quick,
        }
    }
}

fn load() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next().map(str::to_owned)
}

/// The commit that is measured, and whether sources differ from it. What a run itself writes does not count.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        says("git", &[&["-C", root], arguments].concat())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    let changed = git(&["status", "--porcelain", "--", ".", ":!docs/performance*"]);
    match (&*commit, &*changed) {
        ("", _) => "unknown".into(),
        (_, "") => commit,
        _ => commit + " with changes",
    }
}

/// What a program prints; nothing where it fails.
fn says(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map_or(Vec::new(), |output| output.stdout);
    String::from_utf8_lossy(&text).trim().to_owned()
}
