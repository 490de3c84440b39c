//! What a capture has counted, and who counts.

use core::fmt;
use core::iter::Sum;

/// What the kernel has counted of a capture.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// Packets that passed the filter, those that were dropped included.
    pub(super) packets: u64,
    pub(super) drops: u64,
}

/// tcpdump's three counts, in its words.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) captured: u64,
    pub(super) received: u64,
    pub(super) dropped: u64,
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, counts| Self {
            captured: sum.captured + counts.captured,
            received: sum.received + counts.received,
            dropped: sum.dropped + counts.dropped,
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packets = |count| if count == 1 { "packet" } else { "packets" };
        let Self {
            captured,
            received,
            dropped,
        } = *self;
        write!(f, "{captured} {} captured, ", packets(captured))?;
        write!(f, "{received} {} received by filter, ", packets(received))?;
        write!(f, "{dropped} {} dropped by kernel", packets(dropped))
    }
}

impl Counts {
    /// Prints them as tcpdump does when it ends: one a line.
    pub(super) fn print(&self) {
        eprintln!("{}", self.to_string().replace(", ", "\n"));
    }
}

/// Who captures: one alone, or one of several, from 1. It stands before what a worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worker {
    Alone,
    Number(u16),
}

impl Worker {
    /// Whether what all know is for this one to say.
    pub(super) fn speaks_for_all(self) -> bool {
        matches!(self, Self::Alone | Self::Number(1))
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone => Ok(()),
            Self::Number(number) => write!(f, "worker {number}: "),
        }
    }
}
