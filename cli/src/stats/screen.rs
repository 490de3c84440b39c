//! Where reports go.

use core::ops::ControlFlow;
use std::io::{self, ErrorKind, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use super::report::Report;

/// Standard output.
pub(super) enum Screen {
    /// One object a line.
    Json,
    /// One table after the other.
    Pages,
    /// One table, in the place of the one before, which took this many rows of the terminal.
    Terminal(usize),
}

impl Screen {
    pub(super) fn open(json: bool) -> Self {
        match (json, io::stdout().is_terminal()) {
            (true, _) => Self::Json,
            (false, false) => Self::Pages,
            (false, true) => Self::Terminal(0),
        }
    }

    /// Shows a report; breaks off when nobody reads any more, which is no error.
    pub(super) fn show(&mut self, report: &Report) -> io::Result<ControlFlow<()>> {
        match self.write(report) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, report: &Report) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self {
            Self::Json => {
                serde_json::to_writer(&mut out, report)?;
                writeln!(out)
            }
            Self::Pages => writeln!(out, "{report}\n"),
            Self::Terminal(rows) => {
                let table = report.to_string();
                let columns = tcgetwinsize(&out).map_or(0, |size| size.ws_col.into());
                // Cursor up (CUU), then erase to the end of the screen (ED).
                match core::mem::replace(rows, rows_of(&table, columns)) {
                    0 => {}
                    rows => write!(out, "\x1b[{rows}A\x1b[J")?,
                }
                writeln!(out, "{table}")
            }
        }
    }
}

/// How many rows a terminal of so many columns needs; where that is not known, a line has one.
fn rows_of(text: &str, columns: usize) -> usize {
    let rows = |line: &str| match columns {
        0 => 1,
        _ => line.len().div_ceil(columns).max(1),
    };
    text.lines().map(rows).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_takes_several_rows() {
        assert_eq!(rows_of("four\n\neight888", 4), 4);
        assert_eq!(rows_of("four\n\neight8889", 4), 5);
        assert_eq!(rows_of("four\n\neight888", 0), 3);
    }
}
