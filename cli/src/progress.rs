//! The live counter on a terminal while packets are written to a file.

use core::time::Duration;
use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{BinaryBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often it changes.
const INTERVAL: Duration = Duration::from_millis(250);

/// One line on standard error, or nothing where that is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    shown: Instant,
    packets: u64,
}

impl Progress {
    /// Shows nothing, ever.
    pub(crate) fn hidden() -> Self {
        Self {
            bar: None,
            shown: Instant::now(),
            packets: 0,
        }
    }

    /// Shows the counter if standard error is a terminal.
    pub(crate) fn on_terminal() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{msg}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        });
        Self {
            bar,
            ..Self::hidden()
        }
    }

    /// Whether it is time to show new numbers.
    pub(crate) fn is_due(&self) -> bool {
        self.bar.is_some() && self.shown.elapsed() >= INTERVAL
    }

    /// Shows packets, bytes of the present file and drops.
    pub(crate) fn show(&mut self, packets: u64, bytes: u64, dropped: u64) {
        let Some(bar) = &self.bar else { return };
        let elapsed = self.shown.elapsed().as_secs_f64();
        let rate = (packets - self.packets) as f64 / elapsed;
        bar.set_message(format!(
            "{} packets, {} a second, {}, {} dropped",
            HumanCount(packets),
            HumanCount(rate as u64),
            BinaryBytes(bytes),
            HumanCount(dropped)
        ));
        bar.tick();
        self.shown = Instant::now();
        self.packets = packets;
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
