//! What must not compile, each beside a program that does and differs in little else.
//!
//! `NAME_refused.rs` is refused with the words in `NAME_refused.stderr`, which the compiler writes
//! (`TRYBUILD=overwrite cargo test -p packet-ring-ui`) and nobody edits; other compilers than the one in
//! `rust-version` word some of it differently. Every line of such a program that is wrong says so
//! with `//~` and the code of the error, so that none hides behind another: the compiler stops before it
//! looks for some kinds of error when it has found others.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;

#[test]
fn misuse_does_not_compile_and_use_does() {
    let programs = trybuild::TestCases::new();
    programs.compile_fail("*_refused.rs");
    programs.pass("*_accepted.rs");
}

fn names(end: &str) -> std::io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(".")? {
        let file = entry?.file_name().into_string().expect("ASCII names");
        names.extend(file.strip_suffix(end).map(String::from));
    }
    Ok(names)
}

#[test]
fn every_refused_program_has_its_twin() -> std::io::Result<()> {
    let refused = names("_refused.rs")?;
    assert!(!refused.is_empty());
    assert_eq!(refused, names("_accepted.rs")?);
    Ok(())
}

#[test]
fn every_wrong_line_is_refused_for_its_own_sake() -> std::io::Result<()> {
    for name in names("_refused.rs")? {
        let program = format!("{name}_refused.rs");
        let expected: BTreeSet<(String, String)> = (1..)
            .zip(fs::read_to_string(&program)?.lines())
            .filter_map(|(number, line)| {
                let (_, code) = line.split_once("//~ ")?;
                Some((format!("{program}:{number}"), code.into()))
            })
            .collect();
        let errors = fs::read_to_string(program.replace(".rs", ".stderr"))?;
        let found = errors.split("\n\n").map(place).collect();
        assert!(!expected.is_empty());
        assert_eq!(expected, found);
    }
    Ok(())
}

/// Where the compiler found an error, and the error's code in its brackets.
fn place(error: &str) -> (String, String) {
    let (_, place) = error.split_once("--> ").expect("a place");
    let (place, _) = place.split_once('\n').expect("a line of code");
    let (place, _column) = place.rsplit_once(':').expect("a column");
    let (what, _) = error.split_once(':').expect("a message");
    let code = what.strip_prefix("error").expect("an error");
    (place.into(), code.into())
}
