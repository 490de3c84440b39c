//! SIGINT and SIGTERM end the capture, SIGUSR1 asks for its statistics.

use core::sync::atomic::{AtomicBool, Ordering};
use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;

/// What was asked for by signals. A second SIGINT or SIGTERM ends the process at once.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    end: Arc<AtomicBool>,
    report: Arc<AtomicBool>,
}

/// What the shell makes of a process that a signal ended.
const KILLED_BY_SIGNAL: i32 = 128;

impl Signals {
    /// Takes the three signals over from here on.
    pub(crate) fn install() -> io::Result<Self> {
        let signals = Self {
            end: Arc::default(),
            report: Arc::default(),
        };
        for signal in [SIGINT, SIGTERM] {
            // Handlers run in this order: the first signal finds the flag down, the second finds it up.
            flag::register_conditional_shutdown(
                signal,
                KILLED_BY_SIGNAL + signal,
                Arc::clone(&signals.end),
            )?;
            flag::register(signal, Arc::clone(&signals.end))?;
        }
        flag::register(SIGUSR1, Arc::clone(&signals.report))?;
        Ok(signals)
    }

    /// The same for one worker of several: all end together, and each is asked for its statistics.
    pub(crate) fn of_worker(&self) -> io::Result<Self> {
        let report = Arc::default();
        flag::register(SIGUSR1, Arc::clone(&report))?;
        Ok(Self {
            end: Arc::clone(&self.end),
            report,
        })
    }

    /// Ends them all, as a signal does.
    pub(crate) fn end_all(&self) {
        // Relaxed: the flag alone is the message.
        self.end.store(true, Ordering::Relaxed);
    }

    /// Whether to end.
    #[inline]
    pub(crate) fn end(&self) -> bool {
        // Relaxed: the flag alone is the message.
        self.end.load(Ordering::Relaxed)
    }

    /// Whether statistics were asked for since the last call.
    pub(crate) fn take_report(&self) -> bool {
        // Relaxed: the flag alone is the message.
        self.report.swap(false, Ordering::Relaxed)
    }
}
