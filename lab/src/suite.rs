//! A harness for tests that need a namespace: `harness = false`, and one [`suite!`](crate::suite!)
//! at the end of the file.
//!
//! The process enters the lab before any thread starts; each test then runs on a thread of its own
//! in a fresh namespace of its own, so that names cannot clash and tests may run at once. Those
//! listed after `alone:` run while no other does: what counts the process's maps and descriptors,
//! or measures time.
//!
//! A test that cannot run here says so with [`skip`]. It is named with its reason (`SKIPPED name:
//! reason`) and counted as ignored; where the environment says `CI=true` it is a failure. cargo's
//! arguments (`--list`, a filter, `--exact`, `--test-threads`) mean what they always mean.

use core::fmt;
use std::env;
use std::process::ExitCode;
use std::sync::{PoisonError, RwLock};

use libtest_mimic::{Arguments, Completion, Conclusion, Trial};

use crate::{LabError, Namespace, enter};

/// What a test returns: `Ok(())`, any error through `?`, or [`skip`].
pub type TestResult = Result<(), Stopped>;

/// Why a test did not get to its end. Any error becomes a failure through `?`.
#[derive(Debug)]
pub enum Stopped {
    /// It failed.
    Failed(String),
    /// It cannot run here, for this reason.
    Skipped(String),
}

impl<E: fmt::Display> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Ends a test that cannot run here: `return skip("needs root")`.
pub fn skip(reason: impl fmt::Display) -> TestResult {
    Err(Stopped::Skipped(reason.to_string()))
}

/// Whether a test minds others at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// It does not.
    Any,
    /// It runs alone.
    Alone,
}

/// A named test. [`suite!`](crate::suite!) makes these from functions.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    /// The name, as filters and the report have it.
    pub name: &'static str,
    /// Whether it minds others.
    pub company: Company,
    /// The test.
    pub body: fn() -> TestResult,
}

/// The `main` of a test file: `suite![a_test, another; alone: a_count, a_measurement];`
///
/// ```no_run
/// use packet_ring_lab::suite::TestResult;
///
/// fn frames_arrive() -> TestResult {
///     Ok(())
/// }
///
/// packet_ring_lab::suite![frames_arrive];
/// ```
#[macro_export]
macro_rules! suite {
    ($($test:ident),* $(,)? $(; alone: $($alone:ident),+ $(,)?)?) => {
        fn main() -> ::std::process::ExitCode {
            use $crate::suite::{Company, Test};
            $crate::suite::run(&[
                $(Test { name: stringify!($test), company: Company::Any, body: $test },)*
                $($(Test { name: stringify!($alone), company: Company::Alone, body: $alone },)+)?
            ])
        }
    };
}

/// Held for reading by tests that take any company, for writing by one that runs alone.
static COMPANY: RwLock<()> = RwLock::new(());

/// Enters the lab, runs the tests that the command line asks for and reports as cargo's own harness
/// does.
pub fn run(tests: &[Test]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Entering comes before threads, and libtest-mimic starts some.
    let refusal = if arguments.list { None } else { enter().err() };
    // With one thread libtest-mimic announces a test before it runs it, and our SKIPPED line would
    // split that line: run them one by one on two threads instead.
    let one_by_one = arguments.test_threads == Some(1);
    if one_by_one {
        arguments.test_threads = Some(2);
    }
    let trials = tests
        .iter()
        .map(|&test| trial(test, one_by_one, refusal.clone()))
        .collect();
    let conclusion: Conclusion = libtest_mimic::run(&arguments, trials);
    conclusion.exit_code()
}

fn trial(test: Test, one_by_one: bool, refusal: Option<LabError>) -> Trial {
    Trial::ignorable_test(test.name, move || {
        let outcome = match refusal {
            Some(refusal) => skip(refusal),
            None if one_by_one || test.company == Company::Alone => {
                let _alone = COMPANY.write().unwrap_or_else(PoisonError::into_inner);
                in_a_fresh_namespace(test)
            }
            None => {
                let _together = COMPANY.read().unwrap_or_else(PoisonError::into_inner);
                in_a_fresh_namespace(test)
            }
        };
        match outcome {
            Ok(()) => Ok(Completion::Completed),
            Err(Stopped::Failed(why)) => Err(why.into()),
            Err(Stopped::Skipped(reason)) => {
                println!("SKIPPED {}: {reason}", test.name);
                if env::var_os("CI").is_some_and(|value| value == "true") {
                    return Err(
                        format!("skipped, which is a failure where CI=true: {reason}").into(),
                    );
                }
                Ok(Completion::ignored())
            }
        }
    })
}

fn in_a_fresh_namespace(test: Test) -> TestResult {
    // A panic names its thread.
    Namespace::new()?.run_as(test.name, test.body)?
}
