//! One measure of a run, and who stands where in it.

use core::fmt::Write;

use super::line::{Line, Outcome, Range};
use crate::harness::CONTROL;

/// The name that all of the library's ways begin with.
const OURS: &str = "packet-ring";

/// How far a loop may be off itself without a word, as a share.
const CALM: f64 = 0.05;

/// A figure of a peer, with what stands beside it.
pub(crate) struct Row<'a> {
    pub(crate) peer: &'a str,
    pub(crate) version: &'a str,
    pub(crate) range: Range,
    pub(crate) ratio: Option<Range>,
    turns: usize,
}

impl Row<'_> {
    pub(crate) fn is_ours(&self) -> bool {
        self.peer.starts_with(OURS)
    }

    pub(crate) fn is_by_hand(&self) -> bool {
        self.peer.starts_with("by hand") || self.peer == CONTROL
    }
}

/// What stands beside figures: its name, its unit, and the median of each peer.
struct Beside<'a> {
    name: &'a str,
    unit: &'a str,
    figures: Vec<(&'a str, f64)>,
}

/// A measure.
pub(crate) struct Table<'a> {
    pub(crate) id: &'a str,
    pub(crate) at: Option<&'a str>,
    pub(crate) unit: &'a str,
    pub(crate) rows: Vec<Row<'a>>,
    cannot: Vec<(&'a str, &'a str)>,
    beside: Vec<Beside<'a>>,
}

/// All measures with this name, in the order of the run.
pub(crate) fn tables<'a>(lines: &'a [Line], id: &str) -> Vec<Table<'a>> {
    let mut tables: Vec<Table<'a>> = Vec::new();
    for line in lines {
        let (name, part) = match line.measure.split_once('.') {
            Some((name, part)) => (name, Some(part)),
            None => (&*line.measure, None),
        };
        if name != id {
            continue;
        }
        let at = line.at.as_deref();
        if tables.last().is_none_or(|table| table.at != at) {
            tables.push(Table {
                id: name,
                at,
                unit: "",
                rows: Vec::new(),
                cannot: Vec::new(),
                beside: Vec::new(),
            });
        }
        if let Some(table) = tables.last_mut() {
            table.add(line, part);
        }
    }
    tables
}

impl<'a> Table<'a> {
    fn add(&mut self, line: &'a Line, part: Option<&'a str>) {
        match (&line.outcome, part) {
            (Outcome::Cannot { cannot }, _) => self.cannot.push((&line.peer, cannot)),
            (Outcome::Figure { range, unit, .. }, Some(name)) => {
                let figure = (&*line.peer, range.median);
                match self.beside.iter_mut().find(|beside| beside.name == name) {
                    Some(beside) => beside.figures.push(figure),
                    None => self.beside.push(Beside {
                        name,
                        unit,
                        figures: vec![figure],
                    }),
                }
            }
            (
                Outcome::Figure {
                    range,
                    unit,
                    ratio,
                    turns,
                },
                None,
            ) => {
                self.unit = unit;
                self.rows.push(Row {
                    peer: &line.peer,
                    version: &line.version,
                    range: *range,
                    ratio: *ratio,
                    turns: *turns,
                });
            }
        }
    }

    /// The name of its plot's file, without what is no letter and no digit.
    pub(crate) fn slug(&self) -> String {
        let whole = match self.at {
            Some(at) => format!("{} {at}", self.id),
            None => self.id.into(),
        };
        let slug = whole.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        slug.to_lowercase().replace("--", "-")
    }

    fn ratio(&self, wanted: impl Fn(&Row<'_>) -> bool) -> Option<(&'a str, f64)> {
        let rows = self.rows.iter().filter(|row| wanted(row));
        let ratios = rows.filter_map(|row| Some((row.peer, row.ratio?.median)));
        ratios.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// How far the loop by hand is off itself.
    fn off(&self) -> Option<f64> {
        self.ratio(|row| row.peer == CONTROL)
            .map(|(_, ratio)| (ratio - 1.0).abs())
    }

    /// Where the library stands; `None` where it or everybody else is missing.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let (best, ours) = self.ratio(|row| row.is_ours())?;
        let (other, others) = self.ratio(|row| !row.is_ours() && row.peer != CONTROL)?;
        let default = self.ratio(|row| row.peer == OURS).filter(|_| best != OURS);
        let noise = self.off().unwrap_or(0.0);
        let first = ours <= others;
        let close = (ours / others - 1.0).abs() <= noise;
        let place = match (first, close) {
            (true, false) => format!(
                "First: {best} is at {}, then {other} at {}.",
                two(ours),
                two(others)
            ),
            (true, true) => format!(
                "First by less than the loop by hand is off itself: {best} is at {}, {other} at {}.",
                two(ours),
                two(others)
            ),
            (false, false) => format!(
                "**Not first**: {other} is at {}, {best} at {}.",
                two(others),
                two(ours)
            ),
            (false, true) => format!(
                "**Not first**, by less than the loop by hand is off itself: {other} is at {}, {best} at {}.",
                two(others),
                two(ours)
            ),
        };
        let mut words = place;
        if let Some((_, ratio)) = default {
            let place = if ratio <= others {
                "before"
            } else {
                "not before"
            };
            let _ = write!(
                words,
                " With its defaults it is at {}, {place} {other}.",
                two(ratio)
            );
        }
        if noise > CALM {
            let _ = write!(
                words,
                " **The loop by hand is {:.0} % off itself: take this table for a hint.**",
                noise * 100.0
            );
        }
        Some(Standing { first, words })
    }

    /// As Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("| | version | {} | | of the loop by hand | |", self.unit);
        for Beside { name, unit, .. } in &self.beside {
            let _ = write!(text, " {name} ({unit}) |");
        }
        text += " turns |\n|---|---|---|---|---|---|";
        text += &"---|".repeat(self.beside.len() + 1);
        for row in &self.rows {
            let Range { median, min, max } = row.range;
            let ratio = row.ratio.map_or(" | |".into(), |ratio| {
                format!(
                    " {} | {} to {} |",
                    two(ratio.median),
                    two(ratio.min),
                    two(ratio.max)
                )
            });
            let _ = write!(
                text,
                "\n| {} | {} | {} | {} to {} |{ratio}",
                row.peer,
                row.version,
                figure(median),
                figure(min),
                figure(max),
            );
            for Beside { figures, .. } in &self.beside {
                let found = figures.iter().find(|(peer, _)| *peer == row.peer);
                let shown = found.map_or("not counted".into(), |(_, figure)| small(*figure));
                let _ = write!(text, " {shown} |");
            }
            let _ = write!(text, " {} |", row.turns);
        }
        text + "\n"
    }
}

/// Who is in none of these tables, and why.
pub(crate) fn missing(tables: &[Table<'_>]) -> String {
    let mut listed: Vec<(&str, &str)> = Vec::new();
    for table in tables {
        for cannot in &table.cannot {
            if !listed.contains(cannot) {
                listed.push(*cannot);
            }
        }
    }
    let mut text = String::new();
    for (number, (peer, why)) in listed.into_iter().enumerate() {
        let begin = if number == 0 { "\nNot in it:\n" } else { "" };
        let _ = writeln!(text, "{begin}- {peer}: {why}.");
    }
    text
}

/// Where the library stands in a measure.
pub(crate) struct Standing {
    pub(crate) first: bool,
    pub(crate) words: String,
}

/// A ratio.
pub(crate) fn two(ratio: f64) -> String {
    if ratio < 20.0 {
        format!("{ratio:.2}")
    } else {
        format!("{ratio:.0}")
    }
}

/// A time.
pub(crate) fn figure(figure: f64) -> String {
    match figure {
        ..10.0 => format!("{figure:.2}"),
        ..100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

/// What may be next to nothing.
fn small(figure: f64) -> String {
    match figure {
        0.0 => "0".into(),
        ..0.01 => format!("{figure:.5}"),
        ..10.0 => format!("{figure:.2}"),
        _ => format!("{figure:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Where;
    use super::*;

    fn line(measure: &str, peer: &str, ratio: f64) -> Line {
        let range = Range {
            median: ratio,
            min: ratio,
            max: ratio,
        };
        Line {
            measure: measure.into(),
            at: None,
            peer: peer.into(),
            version: "1".into(),
            outcome: Outcome::Figure {
                range,
                unit: "ns".into(),
                ratio: Some(range),
                turns: 1,
            },
            place: Where {
                kernel: String::new(),
                cpu: String::new(),
                processors: 2,
                date: String::new(),
                commit: String::new(),
                load: None,
                quick: false,
            },
        }
    }

    fn standing(lines: &[Line]) -> Standing {
        let tables = tables(lines, "walk");
        tables[0].standing().expect("both are there")
    }

    #[test]
    fn whoever_is_before_us_is_named() {
        let lines = [
            line("walk", "by hand", 1.0),
            line("walk", CONTROL, 1.01),
            line("walk", "packet-ring", 0.95),
            line("walk", "another", 0.9),
        ];
        let standing = standing(&lines);
        assert!(!standing.first);
        assert_eq!(
            standing.words,
            "**Not first**: another is at 0.90, packet-ring at 0.95."
        );
    }

    #[test]
    fn a_loop_by_hand_is_a_rival_and_its_second_go_is_none() {
        let lines = [
            line("walk", "by hand", 1.0),
            line("walk", CONTROL, 0.8),
            line("walk", "packet-ring", 1.3),
        ];
        let words = standing(&lines).words;
        assert!(
            words.starts_with("**Not first**: by hand is at 1.00"),
            "{words}"
        );
        assert!(words.contains("20 % off itself"), "{words}");
    }

    #[test]
    fn first_with_another_way_says_where_the_defaults_are() {
        let lines = [
            line("walk", "by hand", 1.0),
            line("walk", CONTROL, 1.0),
            line("walk", "packet-ring", 1.1),
            line("walk", "packet-ring, copied frames", 0.8),
        ];
        let standing = standing(&lines);
        assert!(standing.first);
        assert!(
            (standing.words).ends_with("With its defaults it is at 1.10, not before by hand."),
            "{}",
            standing.words
        );
    }

    #[test]
    fn what_stands_beside_is_a_column_and_who_cannot_is_listed() {
        let mut beside = line("walk.lost", "packet-ring", 0.0);
        let mut cannot = line("walk", "another", 0.0);
        if let Outcome::Figure { unit, .. } = &mut beside.outcome {
            *unit = "%".into();
        }
        cannot.outcome = Outcome::Cannot {
            cannot: "it has no ring".into(),
        };
        let lines = [line("walk", "packet-ring", 1.0), beside, cannot];
        let tables = tables(&lines, "walk");
        assert!(tables[0].markdown().contains("| lost (%) |"));
        assert!(missing(&tables).contains("- another: it has no ring."));
    }
}
