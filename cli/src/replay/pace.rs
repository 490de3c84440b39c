//! When each packet is due.

use core::num::NonZeroU64;

use rustix::thread::{ClockId, Timespec, clock_nanosleep_absolute};
use rustix::time::clock_gettime;

use super::args::Replay;
use super::chunk::{Chunk, Record};
use super::file::NANOSECONDS;

/// How fast packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As they came.
    Original,
    /// As fast as the interface takes them.
    TopSpeed,
    /// Bits a second.
    Bits(NonZeroU64),
    /// Packets a second.
    Packets(NonZeroU64),
}

impl Pace {
    pub(super) fn of(args: &Replay) -> Self {
        match (args.rate, args.pps) {
            (Some(rate), _) => Self::Bits(rate),
            (None, Some(rate)) => Self::Packets(rate),
            (None, None) if args.topspeed => Self::TopSpeed,
            (None, None) => Self::Original,
        }
    }
}

/// Nanoseconds on the monotonic clock.
pub(super) fn now() -> u64 {
    let now = clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * NANOSECONDS + now.tv_nsec.cast_unsigned()
}

/// Sleeps until `moment`, or until a signal handler has run.
pub(super) fn sleep_until(moment: u64) {
    let moment = Timespec {
        tv_sec: (moment / NANOSECONDS).cast_signed(),
        tv_nsec: (moment % NANOSECONDS).cast_signed(),
    };
    // EINTR: the caller looks at what the signal said, and at the clock.
    let _interrupted = clock_nanosleep_absolute(ClockId::Monotonic, &moment);
}

/// The moments of packets, one after the other. They are counted from the start and not from each other, so that a late
/// packet delays no later one, and nothing drifts.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    start: u64,
    /// When the first packet of this lap was captured, and when it is due.
    lap: (u64, u64),
    /// When the last packet so far is due.
    last: u64,
    packets: u64,
    bits: u128,
}

impl Schedule {
    pub(super) fn new(pace: Pace, start: u64) -> Self {
        Self {
            pace,
            start,
            lap: (0, start),
            last: start,
            packets: 0,
            bits: 0,
        }
    }

    /// When the next packets, `records` of `chunk`, are due. Nothing where they are due at once.
    pub(super) fn plan(&mut self, chunk: &Chunk, records: &[Record], due: &mut Vec<u64>) {
        due.clear();
        if self.pace == Pace::TopSpeed {
            return;
        }
        if let (true, Some(first)) = (chunk.begins, records.first()) {
            self.lap = (first.time, self.last);
        }
        due.extend(records.iter().map(|record| self.next(record)));
    }

    fn next(&mut self, record: &Record) -> u64 {
        let after_start = |events: u128, rate: NonZeroU64| {
            let nanoseconds = events * u128::from(NANOSECONDS) / u128::from(rate.get());
            self.start
                .saturating_add(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
        };
        let due = match self.pace {
            Pace::TopSpeed => self.start,
            Pace::Original => {
                let (captured, due) = self.lap;
                due.saturating_add(record.time.saturating_sub(captured))
            }
            Pace::Bits(rate) => after_start(self.bits, rate),
            Pace::Packets(rate) => after_start(self.packets.into(), rate),
        };
        self.packets += 1;
        self.bits += u128::from(record.len) * 8;
        self.last = self.last.max(due);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(pace: Pace, laps: &[&[(u64, u32)]]) -> Vec<u64> {
        let mut schedule = Schedule::new(pace, 1000);
        let mut all = Vec::new();
        for lap in laps {
            let record = |&(time, len)| Record {
                time,
                start: 0,
                len,
                cut: false,
            };
            let chunk = Chunk {
                begins: true,
                records: lap.iter().map(record).collect(),
                ..Chunk::default()
            };
            let mut due = Vec::new();
            schedule.plan(&chunk, &chunk.records, &mut due);
            all.append(&mut due);
        }
        all
    }

    #[test]
    fn a_lap_follows_the_one_before_and_no_packet_waits_for_the_past() {
        let lap: &[_] = &[(500, 60), (510, 60), (400, 60), (530, 60)];
        assert_eq!(
            due(Pace::Original, &[lap, lap]),
            [1000, 1010, 1000, 1030, 1030, 1040, 1030, 1060]
        );
    }

    #[test]
    fn a_rate_counts_bytes_and_does_not_drift() {
        let thousand = NonZeroU64::new(1000).unwrap();
        let second = NANOSECONDS;
        assert_eq!(
            due(Pace::Bits(thousand), &[&[(0, 125), (0, 250), (0, 60)]]),
            [1000, second + 1000, 3 * second + 1000]
        );
        let three = NonZeroU64::new(3).unwrap();
        assert_eq!(
            due(Pace::Packets(three), &[&[(0, 60); 4]]),
            [1000, 333_334_333, 666_667_666, 1_000_001_000]
        );
        assert!(due(Pace::TopSpeed, &[&[(0, 60)]]).is_empty());
    }
}
