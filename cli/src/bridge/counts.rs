//! What the threads of a bridge tell each other.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

// Relaxed where nothing is said: the value alone is the message.

/// How long to wait for numbers that were asked for: longer than any thread sleeps.
const ANSWER: Duration = Duration::from_millis(500);

/// The counts of one direction, written by the thread that forwards there.
#[derive(Debug, Default)]
pub(super) struct Counts {
    received: AtomicU64,
    dropped: AtomicU64,
    forwarded: AtomicU64,
    failed: AtomicU64,
    /// The question that these answer.
    answered: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    /// Packets that passed the filter.
    pub(super) received: u64,
    /// Those of them that found no room in the receive ring.
    pub(super) dropped: u64,
    /// Packets that the other interface has sent.
    pub(super) forwarded: u64,
    /// Packets that it did not send.
    pub(super) failed: u64,
}

/// Both directions.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) directions: [Counts; 2],
    asked: AtomicU64,
    over: AtomicBool,
}

impl Board {
    /// Ends both directions.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The question that waits for an answer of this direction.
    pub(super) fn question(&self, counts: &Counts) -> Option<u64> {
        let asked = self.asked.load(Ordering::Relaxed);
        (counts.answered.load(Ordering::Relaxed) < asked).then_some(asked)
    }

    /// Asks both directions, and waits a while.
    pub(super) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let asked = Instant::now();
        while self
            .directions
            .iter()
            .any(|counts| self.question(counts).is_some())
            && asked.elapsed() < ANSWER
        {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Counts {
    pub(super) fn answer(&self, question: u64, numbers: Numbers) {
        self.received.store(numbers.received, Ordering::Relaxed);
        self.dropped.store(numbers.dropped, Ordering::Relaxed);
        self.forwarded.store(numbers.forwarded, Ordering::Relaxed);
        self.failed.store(numbers.failed, Ordering::Relaxed);
        // Release: whoever sees the answer given sees the numbers.
        self.answered.store(question, Ordering::Release);
    }

    pub(super) fn numbers(&self) -> Numbers {
        // Acquire: pairs with `answer`.
        self.answered.load(Ordering::Acquire);
        Numbers {
            received: self.received.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            forwarded: self.forwarded.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

impl core::fmt::Display for Numbers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let packets = if self.received == 1 {
            "packet"
        } else {
            "packets"
        };
        write!(f, "{} {packets} received, ", self.received)?;
        write!(f, "{} forwarded, ", self.forwarded)?;
        write!(f, "{} dropped by kernel, ", self.dropped)?;
        write!(f, "{} failed", self.failed)
    }
}
