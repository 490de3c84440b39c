//! Turns in which everybody has a go, and what becomes of them.

use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::panic::catch_unwind;
use std::process;
use std::thread;

use crate::by_hand::Spread;
use crate::peer::{Answer, Cannot, Family, Peer};
use crate::report::line::{Line, Outcome, Range, Run};

/// What a go came to.
#[derive(Default)]
pub(crate) struct Go {
    /// What the measure is about, in its unit.
    pub(crate) figure: f64,
    /// Beside it: the measure's part, the unit and the figure. Such a line has no ratio.
    pub(crate) beside: Vec<(&'static str, &'static str, f64)>,
}

impl From<f64> for Go {
    fn from(figure: f64) -> Self {
        Self {
            figure,
            beside: Vec::new(),
        }
    }
}

/// One who has goes. The argument says whether what it asks for is to be counted.
pub(crate) type Goes<'a> = Box<dyn FnMut(bool) -> Answer<Go> + 'a>;

/// What is compared.
pub(crate) struct Measure<'a> {
    pub(crate) id: &'a str,
    /// Where it is one of several of this name: which.
    pub(crate) at: Option<String>,
    pub(crate) unit: &'static str,
    pub(crate) turns: usize,
    pub(crate) family: Family,
    /// The peer that ratios are to; it has a second go as the control.
    pub(crate) reference: &'static str,
}

/// How the control is called.
pub(crate) const CONTROL: &str = "the same again";

/// Goes before the first turn, in which is counted.
const COUNTED: usize = 3;

struct Entry<'a> {
    name: &'static str,
    version: String,
    goes: Answer<Goes<'a>>,
    /// Of each turn; `None` where a go failed.
    figures: Vec<Option<f64>>,
    beside: Vec<(&'static str, &'static str, f64)>,
}

/// Lets something run that is others' code.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Answer<T>) -> Answer<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        Err(format!("it panicked: {}", text.unwrap_or("without words")).into())
    })
}

impl<'a> Entry<'a> {
    fn new(name: &'static str, version: String, set_up: impl FnOnce() -> Answer<Goes<'a>>) -> Self {
        still_alive();
        Self {
            name,
            version,
            goes: guarded(set_up),
            figures: Vec::new(),
            beside: Vec::new(),
        }
    }

    fn go(&mut self, counts: bool) -> Answer<Go> {
        still_alive();
        match &mut self.goes {
            Ok(goes) => guarded(|| goes(counts)),
            Err(why) => Err(why.clone()),
        }
    }

    /// The goes that do not count, but are counted. Who fails in one has no others.
    fn warm_up(&mut self, turns: usize) {
        for _ in 0..COUNTED.min(turns) {
            match self.go(true) {
                Ok(go) => self.beside.extend(go.beside),
                Err(why) => self.goes = Err(why),
            }
        }
    }

    fn turn(&mut self) {
        let went = self.go(false);
        if let (Err(Cannot(why)), Ok(_)) = (&went, &self.goes) {
            eprintln!("    {}: a go that does not count: {why}", self.name);
        }
        self.figures.push(went.ok().map(|go| {
            self.beside.extend(go.beside);
            go.figure
        }));
    }

    fn outcome(&self, measure: &Measure<'_>, reference: &[Option<f64>]) -> Outcome {
        if let Err(Cannot(why)) = &self.goes {
            return Outcome::Cannot {
                cannot: why.clone(),
            };
        }
        let figures: Vec<f64> = self.figures.iter().copied().flatten().collect();
        if figures.is_empty() {
            return Outcome::Cannot {
                cannot: "no go of it counts".into(),
            };
        }
        let ratios: Vec<f64> = (self.figures.iter().zip(reference))
            .filter_map(|(own, other)| Some((*own)? / (*other)?))
            .collect();
        Outcome::Figure {
            range: range(&figures),
            unit: measure.unit.into(),
            ratio: (!ratios.is_empty()).then(|| range(&ratios)),
            turns: figures.len(),
        }
    }
}

fn range(figures: &[f64]) -> Range {
    let spread = Spread::of(figures.iter().copied());
    Range {
        median: spread.median,
        min: spread.least,
        max: spread.greatest,
    }
}

/// Lets every peer of the family have its goes, turn by turn, in orders of chance: what ran before has left its traces
/// in the caches.
pub(crate) fn compare<'a>(
    run: &mut Run,
    measure: &Measure<'_>,
    peers: &[&'a dyn Peer],
    mut set_up: impl FnMut(&'a dyn Peer) -> Answer<Goes<'a>>,
) {
    let at = measure
        .at
        .as_ref()
        .map_or(String::new(), |at| format!(", {at}"));
    eprintln!("{}{at}: {} turns", measure.id, measure.turns);
    let mut entries = Vec::new();
    for &peer in peers.iter().filter(|peer| peer.family() == measure.family) {
        entries.push(Entry::new(peer.name(), peer.version(), || set_up(peer)));
        if peer.name() == measure.reference {
            entries.push(Entry::new(CONTROL, peer.version(), || set_up(peer)));
        }
    }
    entries.retain(|entry| !matches!(&entry.goes, Err(Cannot(why)) if why.is_empty()));
    for entry in &mut entries {
        entry.warm_up(measure.turns);
    }
    let mut order = Order::default();
    for _ in 0..measure.turns {
        for index in order.shuffle(entries.len()) {
            entries[index].turn();
        }
    }
    let reference = entries.iter().find(|entry| entry.name == measure.reference);
    let reference = reference.map_or(Vec::new(), |entry| entry.figures.clone());
    for entry in &entries {
        let line = |part: &str, outcome| Line {
            measure: format!("{}{part}", measure.id),
            at: measure.at.clone(),
            peer: entry.name.into(),
            version: entry.version.clone(),
            outcome,
            place: run.place.clone(),
        };
        let mut lines = vec![line("", entry.outcome(measure, &reference))];
        let mut parts: Vec<_> = entry
            .beside
            .iter()
            .map(|(part, unit, _)| (*part, *unit))
            .collect();
        parts.sort_unstable();
        parts.dedup();
        for (part, unit) in parts {
            let figures = entry.beside.iter().filter(|beside| beside.0 == part);
            let figures: Vec<f64> = figures.map(|beside| beside.2).collect();
            lines.push(line(
                &format!(".{part}"),
                Outcome::Figure {
                    range: range(&figures),
                    unit: unit.into(),
                    ratio: None,
                    turns: figures.len(),
                },
            ));
        }
        for line in lines {
            run.write(line);
        }
    }
}

/// Orders of chance, the same in every run.
#[derive(Default)]
struct Order(u64);

impl Order {
    fn shuffle(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<_> = (0..len).collect();
        for last in (1..len).rev() {
            // A linear congruential generator's upper bits.
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            order.swap(last, (self.0 >> 33) as usize % (last + 1));
        }
        order
    }
}

/// How often somebody had a go.
static GOES: AtomicU64 = AtomicU64::new(0);

fn still_alive() {
    // Relaxed: a count.
    GOES.fetch_add(1, Ordering::Relaxed);
}

/// Longer than any go takes.
const LONGEST: Duration = Duration::from_secs(90);

/// Ends the process where a peer does not come back. What was measured before is in the file.
pub(crate) fn watch() {
    thread::spawn(|| {
        let mut before = 0;
        loop {
            thread::sleep(LONGEST);
            let now = GOES.load(Ordering::Relaxed);
            if now == before {
                eprintln!("a go has not ended in {LONGEST:?}: --without NAME runs without a peer");
                process::exit(1);
            }
            before = now;
        }
    });
}
