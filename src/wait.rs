//! Waiting: until when, and what to do about signals.

use core::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// The moment at which a wait ends, computed once, on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(When);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    At(Timespec),
    Never,
}

impl Deadline {
    /// Waits without an end.
    pub const NEVER: Self = Self(When::Never);

    /// Has passed already: looks once and does not sleep.
    pub const PASSED: Self = Self(When::At(Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    }));

    /// The moment `duration` from now. Reads `CLOCK_MONOTONIC`.
    ///
    /// A duration beyond the clock's range never ends.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        let end = Timespec::try_from(duration)
            .ok()
            .and_then(|span| now.checked_add(span));
        Self(end.map_or(When::Never, When::At))
    }

    /// Whether the moment has come. Reads `CLOCK_MONOTONIC`, except where the answer is known.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.remaining().is_some_and(|left| left == ZERO)
    }

    /// The earlier of the two.
    pub(crate) fn min(self, other: Self) -> Self {
        match (self.0, other.0) {
            (When::At(one), When::At(two)) => Self(When::At(one.min(two))),
            (When::Never, _) => other,
            (_, When::Never) => self,
        }
    }

    /// The time left, but at most `most`. Reads no clock where there is no end.
    pub(crate) fn remaining_within(self, most: Duration) -> Option<Timespec> {
        let most = Timespec::try_from(most).ok();
        match (self.remaining(), most) {
            (Some(left), Some(most)) => Some(left.min(most)),
            (left, most) => left.or(most),
        }
    }

    /// The time left, none below zero; `None` where there is no end.
    pub(crate) fn remaining(self) -> Option<Timespec> {
        let When::At(end) = self.0 else { return None };
        if self == Self::PASSED {
            return Some(ZERO);
        }
        let left = end
            .checked_sub(clock_gettime(ClockId::Monotonic))
            .unwrap_or(ZERO);
        Some(if left.tv_sec < 0 { ZERO } else { left })
    }
}

const ZERO: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// What a wait does when a signal handler has run (`EINTR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSignal {
    /// Go on waiting for the rest of the time.
    Continue,
    /// Return [`Wake::Interrupted`].
    Return,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Wake {
    /// A block is ready: `next_block` returns it; or a frame, and `next_frame` does.
    Ready,
    /// The deadline passed.
    TimedOut,
    /// A signal handler ran, and [`OnSignal::Return`] was asked for.
    Interrupted,
}
