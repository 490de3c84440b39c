//! The document: a template whose marks are filled from a run's lines.
//!
//! - `{{run}}`: where and when; `{{standings}}`: where the library is first, and where it is not.
//! - `{{measure ID}}`: the tables and plots of a measure.
//! - `{{growth ID}}`: the same for one that grows: one plot, one table of medians.

use core::fmt::Write;
use std::fs;
use std::path::Path;

use super::line::{Line, Where};
use super::plot;
use super::table::{Table, figure, missing, tables};

const TEMPLATE: &str = include_str!("performance.md");

type Done<T> = Result<T, Box<dyn core::error::Error>>;

/// Writes `performance.md` and `performance/*.svg`, and takes plots away that a run before has left.
pub(crate) fn write(directory: &Path, lines: &[Line]) -> Done<()> {
    let place = &lines.first().ok_or("a run without a line")?.place;
    if lines.iter().any(|line| line.place != *place) {
        return Err("the lines are of more than one run".into());
    }
    let plots = directory.join("performance");
    for entry in fs::read_dir(&plots)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "svg") {
            fs::remove_file(path)?;
        }
    }
    let mut text = String::new();
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (mark, after) = after.split_once("}}").ok_or("a mark without an end")?;
        text += before;
        text += &match mark.split_once(' ') {
            None if mark == "run" => run(place),
            None if mark == "standings" => standings(lines),
            Some(("measure", id)) => measure(&plots, lines, id)?,
            Some(("growth", id)) => growth(&plots, lines, id)?,
            _ => return Err(format!("the mark {mark} is none").into()),
        };
        rest = after;
    }
    text += rest;
    fs::write(directory.join("performance.md"), text)?;
    Ok(())
}

fn run(place: &Where) -> String {
    let mut text = format!(
        "Run of {}: Linux {}, {} processors of \"{}\", commit {}.",
        place.date, place.kernel, place.processors, place.cpu, place.commit
    );
    if let Some(load) = &place.load {
        let _ = write!(text, " Load of the machine in the minute before: {load}.");
    }
    if place.quick {
        text += " **A try of few turns: its figures count for nothing.**";
    }
    text
}

/// Measures in the order of the run.
fn ids(lines: &[Line]) -> Vec<&str> {
    let mut ids: Vec<&str> = Vec::new();
    for line in lines.iter().filter(|line| !line.measure.contains('.')) {
        if !ids.contains(&&*line.measure) {
            ids.push(&line.measure);
        }
    }
    ids
}

fn standings(lines: &[Line]) -> String {
    let mut text = String::from("| measure | where packet-ring stands |\n|---|---|\n");
    let (mut first, mut all) = (0, 0);
    for table in ids(lines).into_iter().flat_map(|id| tables(lines, id)) {
        let Some(standing) = table.standing() else {
            continue;
        };
        all += 1;
        first += usize::from(standing.first);
        let _ = writeln!(text, "| {} | {} |", name(&table), standing.words);
    }
    format!(
        "Of {all} tables, packet-ring is first in {first} and not first in {}, loops by hand counted as rivals.\n\n{text}",
        all - first
    )
}

fn name(table: &Table<'_>) -> String {
    let id = table.id.replace('_', " ");
    table.at.map_or(id.clone(), |at| format!("{id}, {at}"))
}

fn measure(plots: &Path, lines: &[Line], id: &str) -> Done<String> {
    let mut text = String::new();
    for table in tables(lines, id) {
        if let Some(at) = table.at {
            let _ = writeln!(text, "### {}{}\n", at[..1].to_uppercase(), &at[1..]);
        }
        if let Some(standing) = table.standing() {
            let _ = writeln!(text, "{}\n", standing.words);
        }
        if !table.rows.is_empty() {
            let file = format!("{}.svg", table.slug());
            fs::write(plots.join(&file), plot::bars(&table))?;
            let _ = writeln!(text, "![{}](performance/{file})\n", name(&table));
        }
        let missing = missing(core::slice::from_ref(&table));
        let _ = writeln!(text, "{}{missing}", table.markdown());
    }
    Ok(or_missing(text))
}

fn growth(plots: &Path, lines: &[Line], id: &str) -> Done<String> {
    let tables = tables(lines, id);
    let mut text = String::new();
    if let Some(first) = tables.first() {
        let what = id.replace('_', " ");
        let file = format!("{}.svg", id.replace('_', "-"));
        fs::write(plots.join(&file), plot::lines(&tables, &what))?;
        let _ = writeln!(
            text,
            "![{what}](performance/{file})\n\nMedians, {}:\n",
            first.unit
        );
        text += "| |";
        for table in &tables {
            let _ = write!(text, " {} |", table.at.unwrap_or_default());
        }
        text += "\n|---|";
        text += &"---|".repeat(tables.len());
        let mut peers: Vec<&str> = Vec::new();
        for row in tables.iter().flat_map(|table| &table.rows) {
            if !peers.contains(&row.peer) {
                peers.push(row.peer);
            }
        }
        for peer in peers {
            let _ = write!(text, "\n| {peer} |");
            for table in &tables {
                let row = table.rows.iter().find(|row| row.peer == peer);
                let _ = write!(
                    text,
                    " {} |",
                    row.map_or("-".into(), |row| figure(row.range.median))
                );
            }
        }
        let _ = writeln!(text, "\n{}", missing(&tables));
        text += "<details><summary>Each with its spread, what was lost and what was asked of the kernel</summary>\n\n";
        for table in &tables {
            let _ = writeln!(text, "#### {}\n", table.at.unwrap_or_default());
            if let Some(standing) = table.standing() {
                let _ = writeln!(text, "{}\n", standing.words);
            }
            let _ = writeln!(text, "{}", table.markdown());
        }
        text += "</details>\n";
    }
    Ok(or_missing(text))
}

fn or_missing(text: String) -> String {
    if text.is_empty() {
        "Not in this run.\n".into()
    } else {
        text.trim_end().to_owned() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::read;
    use super::*;

    #[test]
    fn the_document_is_what_its_lines_make() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let lines = read(&docs.join("performance/run.jsonl")).expect("a run");
        let name = format!("packet-ring-document-{}", std::process::id());
        let made = std::env::temp_dir().join(name);
        fs::create_dir_all(made.join("performance")).expect("a directory");
        write(&made, &lines).expect("a document");
        let text = |directory: &Path| fs::read_to_string(directory.join("performance.md"));
        assert_eq!(
            text(&made).expect("made"),
            text(&docs).expect("committed"),
            "make it again, with --from docs/performance/run.jsonl"
        );
        fs::remove_dir_all(made).expect("ours");
    }
}
