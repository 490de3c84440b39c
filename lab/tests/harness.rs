//! The harness, tried from outside: this program runs itself, with other tests inside, and reads
//! what it prints.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Output};

use packet_ring_lab::suite::{self, Company, Test, TestResult, skip};
use packet_ring_lab::{Namespace, Sees, VethOptions, VethPair, Witness, procfs};

/// Set where this program is the one inside.
const INSIDE: &str = "PACKET_RING_LAB_INSIDE";

/// The user and group that own nothing.
const NOBODY: u32 = 65534;

fn main() -> ExitCode {
    let test = |name, body| Test {
        name,
        company: Company::Any,
        body,
    };
    if env::var_os(INSIDE).is_some() {
        return suite::run(&[
            test("passes", || Ok(())),
            test("fails", || Err("on purpose".into())),
            test("panics", || panic!("on purpose")),
            test("skips", || skip("it is Sunday")),
            test("receives", receives),
        ]);
    }
    suite::run(&[
        test(
            "a_skipped_test_is_named_and_counted",
            a_skipped_test_is_named_and_counted,
        ),
        test(
            "a_skipped_test_is_a_failure_in_ci",
            a_skipped_test_is_a_failure_in_ci,
        ),
        test(
            "failures_and_panics_fail_the_run",
            failures_and_panics_fail_the_run,
        ),
        test("a_list_runs_nothing", a_list_runs_nothing),
        test("an_ordinary_user_can_enter", an_ordinary_user_can_enter),
    ])
}

fn receives() -> TestResult {
    assert!(Namespace::current()?.is_ours());
    assert_eq!(
        fs::read_to_string("/proc/self/uid_map")?
            .split_whitespace()
            .next(),
        Some("0")
    );
    let pair = VethPair::create(&VethOptions::default())?;
    Witness::on(&pair.far, Sees::Incoming)?;
    assert!(procfs::threads()? > 1);
    Ok(())
}

fn a_skipped_test_is_named_and_counted() -> TestResult {
    for threads in ["--test-threads=1", "--test-threads=4"] {
        let output = inside(&["--exact", "skips", threads], "false").output()?;
        let text = stdout(&output);
        assert!(output.status.success(), "{text}");
        assert!(
            text.lines()
                .any(|line| line == "SKIPPED skips: it is Sunday"),
            "{text}"
        );
        assert!(closing_line(&text).starts_with("test result: ok. 0 passed; 0 failed; 1 ignored;"));
    }
    Ok(())
}

fn a_skipped_test_is_a_failure_in_ci() -> TestResult {
    let output = inside(&["--exact", "skips"], "true").output()?;
    let text = stdout(&output);
    assert!(!output.status.success(), "{text}");
    assert!(
        text.lines()
            .any(|line| line == "SKIPPED skips: it is Sunday"),
        "{text}"
    );
    assert!(closing_line(&text).starts_with("test result: FAILED. 0 passed; 1 failed; 0 ignored;"));
    Ok(())
}

fn failures_and_panics_fail_the_run() -> TestResult {
    let output = inside(&[], "false").output()?;
    let text = stdout(&output);
    assert!(!output.status.success(), "{text}");
    assert!(closing_line(&text).starts_with("test result: FAILED. 2 passed; 2 failed; 1 ignored;"));
    let output = inside(&["--exact", "passes"], "false").output()?;
    assert!(output.status.success());
    assert!(closing_line(&stdout(&output)).starts_with("test result: ok. 1 passed;"));
    Ok(())
}

fn a_list_runs_nothing() -> TestResult {
    let output = inside(&["--list"], "true").output()?;
    assert!(output.status.success());
    let text = stdout(&output);
    assert_eq!(
        text.lines().filter(|line| line.ends_with(": test")).count(),
        5,
        "{text}"
    );
    Ok(())
}

fn an_ordinary_user_can_enter() -> TestResult {
    let mut command = inside(&["--exact", "receives"], "true");
    // Where the map is not the host's, this process came through a user namespace, as an ordinary
    // user.
    if fs::read_to_string("/proc/self/uid_map")?.contains("4294967295") {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output()?;
    assert!(output.status.success(), "{}", stdout(&output));
    Ok(())
}

fn inside(arguments: &[&str], ci: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments).env(INSIDE, "1").env("CI", ci);
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn closing_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}
