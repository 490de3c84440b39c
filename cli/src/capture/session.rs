//! One capture under way: what was counted, what ends it, and the turn from packets to packets.

use core::ops::ControlFlow;
use core::time::Duration;
use std::io;
use std::time::Instant;

use packet_ring::{Error, Wake};

use super::counts::{Counted, Counts, Worker};
use super::sink::Sink;
use super::{failure, now};
use crate::exit::Failure;
use crate::frame::Frame;
use crate::interfaces;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::signals::Signals;
use crate::writer::Statistics;

/// The longest sleep: a signal that comes just before one is heard after it.
const NAP: Duration = Duration::from_millis(250);
/// How long a ring may take to hand over what it held when the end was asked for: several retire timeouts.
const LAST_BLOCKS: Duration = Duration::from_millis(100);

/// Where the packets of a capture come from.
pub(super) trait Source {
    /// Gives the session what has arrived.
    fn take(&mut self, session: &mut Session<'_>) -> Turn;

    /// Sleeps until something has arrived, or a time has passed.
    fn wait(&mut self, nap: Duration) -> Result<Wake, Error>;

    /// What the kernel has counted since the capture began.
    fn counted(&mut self) -> Result<Counted, Error>;

    /// The end was asked for: how many packets there are to come at most, from the beginning on.
    fn last(&mut self) -> Result<u64, Error>;
}

/// The state of a capture.
pub(super) struct Session<'p> {
    plan: &'p Plan,
    worker: Worker,
    /// Whether each block's packets are written out at once: `-U`.
    unbuffered: bool,
    /// How long packets may gather after a wake-up that brought some.
    gather: Duration,
    signals: Signals,
    sink: Sink,
    progress: Progress,
    started: Instant,
    start: Duration,
    captured: u64,
    /// Packets that the kernel has counted and that are not part of the capture.
    early: u64,
    /// The capture ends when it has this many packets.
    limit: u64,
    /// The end was asked for, and comes at the latest then.
    ending: Option<Instant>,
    link: Link,
    /// Drops that were told in some packet's block.
    told_drops: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    Down,
}

/// Why the capture is over although nobody asked for the end.
pub(super) enum Broken {
    /// The reader of a pipe went away: the quiet end of every filter.
    Pipe,
    Output(io::Error),
    Ring(Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Pipe
        } else {
            Self::Output(error)
        }
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Ring(error)
    }
}

/// Go on, or break off because the end has come.
pub(super) type Turn = Result<ControlFlow<()>, Broken>;
pub(super) const ON: Turn = Ok(ControlFlow::Continue(()));
pub(super) const END: Turn = Ok(ControlFlow::Break(()));

impl<'p> Session<'p> {
    pub(super) fn new(
        plan: &'p Plan,
        worker: Worker,
        unbuffered: bool,
        gather: Duration,
        signals: Signals,
        sink: Sink,
        progress: Progress,
    ) -> Self {
        Self {
            plan,
            worker,
            unbuffered,
            gather,
            signals,
            sink,
            progress,
            started: Instant::now(),
            start: now(),
            captured: 0,
            early: 0,
            limit: plan.stop.packets.unwrap_or(u64::MAX),
            ending: None,
            link: Link::Up,
            told_drops: 0,
        }
    }

    /// Counts without so many packets that came before the capture began.
    pub(super) fn without(mut self, early: u64) -> Self {
        self.early = early;
        self
    }

    /// Captures to the end and closes the output; returns what was counted until then.
    pub(super) fn run(mut self, source: &mut impl Source) -> (Counts, Result<(), Failure>) {
        let ended = self.turns(source);
        self.progress.clear();
        let statistics = self.statistics(source).unwrap_or_default();
        let closed = self
            .sink
            .close(&self.totals(&statistics))
            .map_err(Broken::from);
        let outcome = match ended.and(closed) {
            Ok(()) | Err(Broken::Pipe) => Ok(()),
            Err(Broken::Output(error)) => Err(Failure::io("cannot write", &error)),
            Err(Broken::Ring(error)) => Err(failure(error, &self.plan.interface.name)),
        };
        (self.counts(&statistics), outcome)
    }

    fn turns(&mut self, source: &mut impl Source) -> Result<(), Broken> {
        loop {
            let before = self.captured;
            if source.take(self)?.is_break() || self.between(source)?.is_break() {
                return Ok(());
            }
            if self.sink.is_stream() {
                self.sink.flush()?;
            }
            if self.captured > before && !self.gather.is_zero() {
                std::thread::sleep(self.gather);
                continue;
            }
            match source.wait(self.nap()) {
                Ok(Wake::TimedOut) => {
                    self.sink.flush()?;
                    self.link_is(Link::Up);
                }
                Ok(Wake::Ready | Wake::Interrupted) => {}
                Err(Error::LinkDown) => self.link_is(Link::Down),
                Err(Error::LinkGone) => {
                    // The kernel still hands over the block that it had begun.
                    std::thread::sleep(LAST_BLOCKS);
                    return match source.take(self)? {
                        ControlFlow::Break(()) => Ok(()),
                        ControlFlow::Continue(()) => Err(Error::LinkGone.into()),
                    };
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    #[inline(always)]
    pub(super) fn packet(
        &mut self,
        frame: &Frame<'_>,
        drops: Option<u64>,
        source: &mut impl Source,
    ) -> Turn {
        self.sink.packet(frame, drops)?;
        self.captured += 1;
        self.after_packets(source)
    }

    /// The same for a source that is busy with its packets: it asks for [`wants_more`](Self::wants_more) before each.
    #[inline(always)]
    pub(super) fn put(&mut self, frame: &Frame<'_>) -> Result<(), Broken> {
        self.sink.packet(frame, None)?;
        self.captured += 1;
        Ok(())
    }

    /// Whether neither the capture nor its file ends here.
    #[inline(always)]
    pub(super) fn wants_more(&mut self) -> bool {
        self.captured < self.limit && !self.sink.output().is_some_and(|output| output.is_full())
    }

    /// Ends the capture or its file, where that is due by their packets.
    #[inline(always)]
    pub(super) fn after_packets(&mut self, source: &mut impl Source) -> Turn {
        if self.captured >= self.limit {
            return END;
        }
        match self.sink.output() {
            Some(output) if output.is_full() => self.end_file(source),
            _ => ON,
        }
    }

    /// What follows a block or a batch: `-U`, and what is looked at in between.
    pub(super) fn after_some(&mut self, source: &mut impl Source) -> Turn {
        if self.unbuffered {
            self.sink.flush()?;
        }
        self.between(source)
    }

    /// Packets that were lost since the last call; `None` for none.
    pub(super) fn new_drops(&mut self, source: &mut impl Source) -> Result<Option<u64>, Error> {
        let dropped = self.statistics(source)?.drops;
        let drops = dropped - core::mem::replace(&mut self.told_drops, dropped);
        Ok(Some(drops).filter(|&drops| drops > 0))
    }

    /// What is looked at once a block and at every wake-up: signals, times, the counter.
    fn between(&mut self, source: &mut impl Source) -> Turn {
        if self.signals.take_report() {
            let statistics = self.statistics(source)?;
            eprintln!("{}{}", self.worker, self.counts(&statistics));
        }
        if self.progress.is_due() {
            let bytes = self.sink.output().map_or(0, |output| output.len());
            self.progress.show(self.captured, bytes, self.told_drops);
        }
        if self.sink.output().is_some_and(|output| output.is_old())
            && self.end_file(source)?.is_break()
        {
            return END;
        }
        match self.ending {
            Some(latest) if Instant::now() >= latest => END,
            Some(_) => ON,
            None if self.signals.end() || self.is_over() => self.begin_the_end(source),
            None => ON,
        }
    }

    fn is_over(&self) -> bool {
        self.plan
            .stop
            .duration
            .is_some_and(|duration| self.started.elapsed() >= duration)
    }

    /// From here on only those packets count that the kernel has received already.
    fn begin_the_end(&mut self, source: &mut impl Source) -> Turn {
        let last = source.last()?.saturating_sub(self.early);
        self.limit = self.limit.min(last);
        self.ending = Some(Instant::now() + LAST_BLOCKS);
        if self.captured >= self.limit { END } else { ON }
    }

    #[cold]
    fn end_file(&mut self, source: &mut impl Source) -> Turn {
        let totals = self.totals(&self.statistics(source)?);
        let Some(output) = self.sink.output() else {
            return ON;
        };
        output.end_file(&totals)?;
        let enough = self
            .plan
            .stop
            .files
            .is_some_and(|files| output.finished() >= files);
        if enough || !output.rotates() { END } else { ON }
    }

    /// How long to sleep at most.
    fn nap(&self) -> Duration {
        let left = self
            .plan
            .stop
            .duration
            .map(|duration| duration.saturating_sub(self.started.elapsed()));
        let last = self
            .ending
            .map(|latest| latest.saturating_duration_since(Instant::now()));
        [left.filter(|_| last.is_none()), last]
            .into_iter()
            .flatten()
            .fold(NAP, Duration::min)
    }

    fn link_is(&mut self, link: Link) {
        if self.link != link && self.worker.speaks_for_all() {
            let name = &self.plan.interface.name;
            match link {
                Link::Down => eprintln!("{name} is down: waiting until it is up"),
                Link::Up => eprintln!("{name} is up again"),
            }
        }
        self.link = link;
    }

    /// What the kernel counted of this capture.
    fn statistics(&self, source: &mut impl Source) -> Result<Counted, Error> {
        let mut statistics = source.counted()?;
        statistics.packets = statistics.packets.saturating_sub(self.early);
        Ok(statistics)
    }

    fn counts(&self, statistics: &Counted) -> Counts {
        Counts {
            captured: self.captured,
            received: statistics.packets,
            dropped: statistics.drops,
        }
    }

    fn totals(&self, statistics: &Counted) -> Statistics {
        let before = &self.plan.interface;
        let interface = interfaces::again(before)
            .ok()
            .and_then(|now| now.counted.since(&before.counted))
            .map(|counted| (counted.received.packets, counted.received.drops));
        Statistics {
            start: self.start,
            end: now(),
            interface,
            accepted: statistics.packets,
            dropped: statistics.drops,
            delivered: self.captured,
        }
    }
}
