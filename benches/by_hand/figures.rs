//! Figures that hold on a machine with others on it: of pinned threads, as ratios, with their spread.

use rustix::thread::{CpuSet, sched_setaffinity};

/// Has the calling thread stay on a processor.
pub(crate) fn stay_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    if sched_setaffinity(None, &set).is_err() {
        eprintln!("there is no processor {processor} to stay on");
    }
}

/// The median, the least and the greatest.
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        Self {
            median: sorted[sorted.len() / 2],
            least: sorted[0],
            greatest: sorted[sorted.len() - 1],
        }
    }
}

impl core::fmt::Display for Spread {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            median,
            least,
            greatest,
        } = self;
        write!(f, "{median:.3} ({least:.2} to {greatest:.2})")
    }
}

/// Says whether a figure keeps its limit.
pub(crate) fn keeps(what: &str, figure: f64, limit: f64) -> bool {
    let kept = figure <= limit;
    let says = if kept { "PASS" } else { "FAIL" };
    println!("  {says}: {what}: {figure:.3}, at most {limit:.2}");
    kept
}

/// Says whether the loop by hand is at most 3 % off itself: otherwise the machine was too busy for figures.
pub(crate) fn counts(control: f64, limit: f64) -> bool {
    let counts = (control - 1.0).abs() <= limit;
    if !counts {
        println!("  DOES NOT COUNT: by hand and by hand again: {control:.3}");
    }
    counts
}
