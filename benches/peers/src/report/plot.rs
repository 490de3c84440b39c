//! Plots: bars for a measure, lines for one that grows.

use core::fmt::Write;

use super::table::{Row, Table, figure};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 200.0;
const RIGHT: f64 = 110.0;
const BAR: f64 = 16.0;
const STEP: f64 = 24.0;
const TOP: f64 = 44.0;

/// From the longest to the shortest: above that, a scale is one of powers of ten.
const STEEP: f64 = 20.0;

fn begin(height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"22\" font-size=\"13\">{title}</text>\n"
    )
}

fn colour(row: &Row<'_>) -> &'static str {
    if row.is_ours() {
        "#2b6cb0"
    } else if row.is_by_hand() {
        "#8a8a8a"
    } else {
        "#c98a3b"
    }
}

/// Where a figure lies between none and the greatest, from 0 to 1.
fn scale(figures: impl Iterator<Item = f64> + Clone) -> impl Fn(f64) -> f64 {
    let greatest = figures.clone().fold(f64::MIN_POSITIVE, f64::max);
    let least = figures.fold(greatest, f64::min);
    let steep = greatest / least > STEEP;
    move |figure| {
        if steep {
            (figure / (least / 2.0)).ln().max(0.0) / (greatest / (least / 2.0)).ln()
        } else {
            figure / greatest
        }
    }
}

fn is_steep(figures: impl Iterator<Item = f64> + Clone) -> bool {
    let greatest = figures.clone().fold(f64::MIN_POSITIVE, f64::max);
    greatest / figures.fold(greatest, f64::min) > STEEP
}

/// A bar for each peer, as long as its median; a line from the least to the greatest.
pub(super) fn bars(table: &Table<'_>) -> String {
    let figures = || {
        table
            .rows
            .iter()
            .flat_map(|row| [row.range.min, row.range.max])
    };
    let at = scale(figures());
    let kind = if is_steep(figures()) {
        ", a scale of powers"
    } else {
        ""
    };
    let name = table.at.map_or(String::new(), |at| format!(", {at}"));
    let title = format!(
        "{}{name}: {}, shorter is better{kind}",
        table.id.replace('_', " "),
        table.unit
    );
    let mut svg = begin(TOP + STEP * table.rows.len() as f64 + 8.0, &title);
    let room = WIDTH - LEFT - RIGHT;
    for (number, row) in table.rows.iter().enumerate() {
        let top = TOP + STEP * number as f64;
        let middle = top + BAR / 2.0;
        let [median, least, greatest] =
            [row.range.median, row.range.min, row.range.max].map(|figure| LEFT + room * at(figure));
        // Writing to a string does not fail.
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top:.0}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{}\"/>\n\
             <path d=\"M{least:.1} {middle:.1}H{greatest:.1}\" stroke=\"black\" fill=\"none\"/>\n\
             <text x=\"{:.1}\" y=\"{:.0}\">{}</text>\n",
            LEFT - 8.0,
            top + BAR - 4.0,
            row.peer,
            median - LEFT,
            colour(row),
            greatest.max(median) + 6.0,
            top + BAR - 4.0,
            figure(row.range.median),
        );
    }
    svg + "</svg>\n"
}

/// What tells lines apart: loops by hand are grey and ours blue.
const GREYS: [&str; 3] = ["#555555", "#aaaaaa", "#808080"];
const BLUES: [&str; 3] = ["#1d4f91", "#3f8fe0", "#7cc0f5"];
const OTHERS: [&str; 7] = [
    "#c98a3b", "#a8401f", "#7a4f9d", "#3f8f5f", "#b03a6c", "#6b7f1f", "#2f8f8f",
];
const DASHES: [&str; 3] = ["", "6 3", "2 3"];

/// The colour and the dashes of each peer's line.
fn styles<'a>(peers: &[&Row<'a>]) -> Vec<(&'a str, String, &'static str)> {
    let mut used = [0; 3];
    let style = |row: &&Row<'a>| {
        let (kind, colours) = if row.is_by_hand() {
            (0, &GREYS[..])
        } else if row.is_ours() {
            (1, &BLUES[..])
        } else {
            (2, &OTHERS[..])
        };
        let number = used[kind];
        used[kind] += 1;
        let colour = colours[number % colours.len()];
        let dashes = DASHES[number % DASHES.len()];
        let stroke = format!(
            "stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\" fill=\"none\""
        );
        (row.peer, stroke, colour)
    };
    peers.iter().map(style).collect()
}

/// A line for each peer over tables that grow.
pub(super) fn lines(tables: &[Table<'_>], what: &str) -> String {
    const HEIGHT: f64 = 300.0;
    const BOTTOM: f64 = 40.0;
    let figures = || {
        tables
            .iter()
            .flat_map(|table| table.rows.iter().map(|row| row.range.median))
    };
    let at = scale(figures());
    let mut peers: Vec<&Row<'_>> = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        if !peers.iter().any(|known| known.peer == row.peer) {
            peers.push(row);
        }
    }
    let unit = tables.first().map_or("", |table| table.unit);
    let kind = if is_steep(figures()) {
        ", a scale of powers"
    } else {
        ""
    };
    let height = HEIGHT.max(TOP + 18.0 * peers.len() as f64 + BOTTOM);
    let mut svg = begin(height, &format!("{what}: {unit}, lower is better{kind}"));
    let (left, right) = (50.0, 230.0);
    let step = (WIDTH - left - right) / (tables.len().max(2) - 1) as f64;
    let room = height - TOP - BOTTOM;
    for (number, table) in tables.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            left + step * number as f64,
            height - 14.0,
            table.at.unwrap_or_default()
        );
    }
    let (least, greatest) = figures().fold((f64::MAX, 0.0_f64), |(least, greatest), figure| {
        (least.min(figure), greatest.max(figure))
    });
    for shown in [least, greatest] {
        let y = TOP + room * (1.0 - at(shown));
        let _ = write!(
            svg,
            "<path d=\"M{left} {y:.1}H{:.0}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\n",
            WIDTH - right,
            left - 6.0,
            y + 4.0,
            figure(shown)
        );
    }
    for (number, (peer, stroke, colour)) in styles(&peers).into_iter().enumerate() {
        let mut path = String::new();
        for (place, table) in tables.iter().enumerate() {
            let Some(row) = table.rows.iter().find(|row| row.peer == peer) else {
                continue;
            };
            let (x, y) = (
                left + step * place as f64,
                TOP + room * (1.0 - at(row.range.median)),
            );
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{x:.1} {y:.1}");
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
            );
        }
        let y = TOP + 18.0 * number as f64;
        let x = WIDTH - right + 24.0;
        let _ = write!(
            svg,
            "<path d=\"{path}\" {stroke}/>\n<path d=\"M{x:.0} {y:.0}h28\" {stroke}/>\n\
             <text x=\"{:.0}\" y=\"{:.0}\">{peer}</text>\n",
            x + 34.0,
            y + 4.0,
        );
    }
    svg + "</svg>\n"
}
