//! Models that say what they must have seen.

use core::fmt::Debug;
use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use loom::sync::atomic::{AtomicUsize, Ordering};

/// The preemption bound where `LOOM_MAX_PREEMPTIONS` names none.
const PREEMPTIONS: usize = 4;

/// Atomic accesses, locks and the like in one execution, at the most.
const BRANCHES: usize = 10_000;

loom::lazy_static! {
    static ref STEPS: AtomicUsize = AtomicUsize::new(0);
}

/// Marks a step of one side of a model: loom tries every order of the steps of all threads.
///
/// It orders nothing. Only models step, never the code under test.
pub fn step() {
    STEPS.fetch_add(1, Ordering::Relaxed);
}

/// What the executions of a model have seen so far, each with how often.
#[derive(Debug)]
pub struct Outcomes<O>(Arc<Mutex<BTreeMap<O, u64>>>);

impl<O> Clone for Outcomes<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<O: Ord> Outcomes<O> {
    /// Records that this execution has seen `outcome`.
    pub fn note(&self, outcome: O) {
        *self.lock().entry(outcome).or_default() += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<O, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A model, its preemption bound, and the outcomes without which it has shown nothing.
#[derive(Debug)]
pub struct Model<O> {
    name: &'static str,
    preemption_bound: usize,
    must_see: Vec<O>,
}

impl<O: Ord + Debug + Send + 'static> Model<O> {
    /// A model called `name`, bounded to as many preemptions as `LOOM_MAX_PREEMPTIONS` says, or four.
    ///
    /// # Panics
    ///
    /// Where `LOOM_MAX_PREEMPTIONS` is no number.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let preemption_bound = match std::env::var("LOOM_MAX_PREEMPTIONS") {
            Ok(bound) => bound.parse().expect("LOOM_MAX_PREEMPTIONS is a number"),
            Err(_) => PREEMPTIONS,
        };
        Self {
            name,
            preemption_bound,
            must_see: Vec::new(),
        }
    }

    /// Adds outcomes that some execution must see.
    #[must_use]
    pub fn must_see(mut self, outcomes: impl IntoIterator<Item = O>) -> Self {
        self.must_see.extend(outcomes);
        self
    }

    /// Runs `execution` in every way that loom tells apart, and prints how many those were.
    ///
    /// Limits of number or time that loom reads from the environment are not heeded: a search cut
    /// short shows nothing.
    ///
    /// # Panics
    ///
    /// Where an execution panics, deadlocks or races, and where an outcome of
    /// [`must_see`](Self::must_see) was never noted.
    pub fn check(self, execution: impl Fn(&Outcomes<O>) + Send + Sync + 'static) {
        let seen = Outcomes(Arc::new(Mutex::new(BTreeMap::new())));
        let mut search = Search::of(self.name, self.preemption_bound);
        let executions = Arc::clone(&search.executions);
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(self.preemption_bound);
        builder.max_branches = builder.max_branches.max(BRANCHES);
        builder.max_permutations = None;
        builder.max_duration = None;
        let notes = seen.clone();
        builder.check(move || {
            *executions.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            // The first step makes the counter, which orders its maker before the others: no thread
            // but this one exists yet.
            step();
            execution(&notes);
        });
        let seen = seen.lock();
        let unseen: Vec<_> = self
            .must_see
            .iter()
            .filter(|outcome| !seen.contains_key(outcome))
            .collect();
        assert!(
            unseen.is_empty(),
            "{}: never seen: {unseen:?}; seen: {seen:?}",
            self.name
        );
        search.ending = format!("passed, seen {seen:?}");
    }
}

/// Reports a search when it ends, in whatever way.
struct Search {
    name: &'static str,
    preemption_bound: usize,
    executions: Arc<Mutex<u64>>,
    began: Instant,
    ending: String,
}

impl Search {
    fn of(name: &'static str, preemption_bound: usize) -> Self {
        Self {
            name,
            preemption_bound,
            executions: Arc::default(),
            began: Instant::now(),
            ending: String::from("FAILED"),
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        let executions = *self
            .executions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Written past the test harness, which would keep what a passing test prints to itself.
        let _ = writeln!(
            stdout(),
            "{}: {executions} executions at preemption bound {}, {:.1} s: {}",
            self.name,
            self.preemption_bound,
            self.began.elapsed().as_secs_f32(),
            self.ending,
        );
    }
}
