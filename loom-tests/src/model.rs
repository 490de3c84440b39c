//! Models that say what they must have seen.

use core::fmt::Debug;
use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread::{self, ThreadId};

/// The preemption bound where `LOOM_MAX_PREEMPTIONS` names none.
const PREEMPTIONS: usize = 4;

/// Atomic accesses, locks and the like in one execution, at the most.
const BRANCHES: usize = 10_000;

loom::lazy_static! {
    static ref STEPS: Steps = Steps::default();
}

/// The steps of one execution.
#[derive(Debug, Default)]
struct Steps {
    count: AtomicUsize,
    /// Kept from loom's sight, for whom this is no access.
    order: Mutex<Order>,
}

/// In which order threads stepped.
#[derive(Debug, Default)]
struct Order {
    last: Option<ThreadId>,
    /// The threads, by the names that loom gives them in every execution, each once for steps in a row.
    turns: Vec<String>,
}

impl Steps {
    fn step(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a step of one side of a model: loom tries every order of the steps of all threads.
///
/// It orders nothing. Only models step, never the code under test: a model that cannot step between two
/// actions of that code hands it a ring, or a reactor, that steps and then does what is asked.
///
/// # Panics
///
/// Outside a model.
pub fn step() {
    STEPS.step();
    let thread = thread::current().id();
    let mut order = STEPS.order();
    if order.last != Some(thread) {
        order.last = Some(thread);
        order.turns.push(format!("{thread:?}"));
    }
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

    fn lock(&self) -> MutexGuard<'_, BTreeMap<O, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A model, its preemption bound, and the outcomes without which it has shown nothing.
///
/// One that names no outcomes is [`Unsaid`], and there is no way to check it:
///
/// ```compile_fail,E0599
/// packet_ring_loom_tests::Model::new("says nothing").check(|_| {});
/// ```
#[derive(Debug)]
pub struct Model<O> {
    name: &'static str,
    preemption_bound: usize,
    must_see: Vec<O>,
}

/// In the place of a model's outcomes: none was named yet.
#[derive(Debug)]
pub enum Unsaid {}

impl Model<Unsaid> {
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

    /// Names outcomes each of which some execution must see.
    ///
    /// # Panics
    ///
    /// Where they are none.
    #[must_use]
    pub fn must_see<O>(self, outcomes: impl IntoIterator<Item = O>) -> Model<O> {
        let must_see = Vec::from_iter(outcomes);
        assert!(
            !must_see.is_empty(),
            "{}: a model that must see nothing passes without looking: name what the executions are to differ in",
            self.name
        );
        Model {
            name: self.name,
            preemption_bound: self.preemption_bound,
            must_see,
        }
    }
}

impl<O: Ord + Debug + Send + 'static> Model<O> {
    /// Bounds the search to so many preemptions where `LOOM_MAX_PREEMPTIONS` names no bound: what can be
    /// afforded each time. The slot protocol itself needs four.
    ///
    /// An outcome that takes more preemptions than the bound allows is not seen, and the model says so.
    #[must_use]
    pub fn preemptions(mut self, bound: usize) -> Self {
        if std::env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
            self.preemption_bound = bound;
        }
        self
    }

    /// Names more outcomes that some execution must see.
    #[must_use]
    pub fn must_see(mut self, outcomes: impl IntoIterator<Item = O>) -> Self {
        self.must_see.extend(outcomes);
        self
    }

    /// Runs `execution` in every way that loom tells apart, and prints how many those were.
    ///
    /// Limits of number or time that loom reads from the environment are not heeded, nor is a checkpoint: a
    /// search cut short shows nothing.
    ///
    /// # Panics
    ///
    /// Where an execution panics, deadlocks or races; where an outcome of
    /// [`must_see`](Model::must_see) was never noted; and where no two executions differ in the order
    /// in which their threads [step](step()), however many there were.
    pub fn check(self, execution: impl Fn(&Outcomes<O>) + Send + Sync + 'static) {
        let seen = Outcomes(Arc::new(Mutex::new(BTreeMap::new())));
        let mut search = Search::of(self.name, self.preemption_bound);
        let progress = Arc::clone(&search.progress);
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(self.preemption_bound);
        builder.max_branches = builder.max_branches.max(BRANCHES);
        builder.max_permutations = None;
        builder.max_duration = None;
        builder.checkpoint_file = None;
        let notes = seen.clone();
        builder.check(move || {
            locked(&progress).executions += 1;
            // Makes the counter, which orders its maker before the others: no thread but this one
            // exists yet.
            STEPS.step();
            execution(&notes);
            locked(&progress).add(&STEPS.order().turns);
        });
        let seen = seen.lock();
        let unseen: Vec<_> = self
            .must_see
            .iter()
            .filter(|outcome| !seen.contains_key(outcome))
            .collect();
        let order = locked(&search.progress).only_order();
        assert!(
            unseen.is_empty(),
            "{}: never seen: {unseen:?}; seen: {seen:?}{}",
            self.name,
            order.map_or(String::new(), |order| format!("; {order}"))
        );
        if let Some(order) = order {
            panic!("{}: {order}", self.name);
        }
        search.ending = format!("passed, seen {seen:?}");
    }
}

/// How far a search is.
#[derive(Debug, Default)]
struct Progress {
    executions: u64,
    /// The order of steps of the first execution.
    first: Option<Vec<String>>,
    /// Whether another execution had another one.
    differs: bool,
}

fn locked(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    fn add(&mut self, turns: &[String]) {
        match &self.first {
            None => self.first = Some(turns.to_vec()),
            Some(first) => self.differs |= first != turns,
        }
    }

    /// What is wrong, and what helps, where the steps came in one order only.
    fn only_order(&self) -> Option<String> {
        let first = self.first.as_deref().unwrap_or_default();
        (!self.differs).then(|| {
            let steppers = match first {
                [] => String::from("none of them ever"),
                turns => turns.join(", "),
            };
            format!(
                "the threads stepped in one order in every execution ({} in all): {steppers}. Nothing was \
                 tried beside anything else: call step() before each action of the program's side on a ring, \
                 and let the kernel's threads run meanwhile",
                self.executions
            )
        })
    }
}

/// Reports a search when it ends, in whatever way.
struct Search {
    name: &'static str,
    preemption_bound: usize,
    progress: Arc<Mutex<Progress>>,
    began: Instant,
    ending: String,
}

impl Search {
    fn of(name: &'static str, preemption_bound: usize) -> Self {
        Self {
            name,
            preemption_bound,
            progress: Arc::default(),
            began: Instant::now(),
            ending: String::from("FAILED"),
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        let executions = locked(&self.progress).executions;
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
