//! The progress bar of a replay.

use core::time::Duration;
use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Instant;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often it changes.
const INTERVAL: Duration = Duration::from_millis(250);

/// A bar on standard error, or nothing where that is no terminal.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    /// Bytes of a lap, where they are known.
    lap: u64,
    /// Bytes of the laps before.
    before: u64,
    shown: Instant,
}

impl Bar {
    /// A bar over `laps` laps of the file; without a known end, a counter.
    pub(super) fn new(file: &Path, laps: u64, is_quiet: bool) -> Self {
        let bytes = fs::metadata(file)
            .ok()
            .filter(fs::Metadata::is_file)
            .map_or(0, |file| file.len());
        let bar = (!is_quiet && std::io::stderr().is_terminal()).then(|| {
            let len = bytes.saturating_mul(laps);
            let (len, style) = if len == 0 {
                (None, "{spinner} {msg}")
            } else {
                (Some(len), "{wide_bar} {percent}% {msg}, {eta} left")
            };
            let bar = ProgressBar::with_draw_target(len, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(style);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            bar,
            lap: bytes,
            before: 0,
            shown: Instant::now(),
        }
    }

    /// A lap is over.
    pub(super) fn next_lap(&mut self) {
        self.before = self.before.saturating_add(self.lap);
    }

    /// Shows how far it has come in the file, where that is due.
    pub(super) fn show(&mut self, position: u64, packets: u64) {
        let Some(bar) = &self.bar else { return };
        if self.shown.elapsed() < INTERVAL {
            return;
        }
        self.shown = Instant::now();
        bar.set_message(format!("{} packets", HumanCount(packets)));
        bar.set_position(self.before.saturating_add(position));
        bar.tick();
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
