//! One report: an object for programs, a table for people.

use core::fmt;
use core::time::Duration;

use serde::{Serialize, Serializer};

use super::tally::{Count, Seen};
use super::xdp::Counted;
use crate::interfaces::{Counters, Traffic};

/// Kinds that the table shows, and queues; the others are one row.
const ROWS: usize = 12;

/// What was counted in one interval.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// When it was made, since 1970: two integers, as in the lines of `capture --json`.
    pub(super) seconds: u64,
    pub(super) nanoseconds: u32,
    /// In seconds.
    #[serde(serialize_with = "in_seconds")]
    pub(super) interval: Duration,
    pub(super) interface: String,
    pub(super) up: bool,
    /// Up, and there is a carrier.
    pub(super) running: bool,
    /// What the interface counted.
    pub(super) received: Traffic,
    pub(super) sent: Traffic,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ring: Option<Seen>,
    /// A queue each, where the ring is those of AF_XDP sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) xdp: Option<Vec<Counted>>,
    /// Up, running, loopback: in words.
    #[serde(skip)]
    pub(super) state: String,
    /// Since the beginning.
    #[serde(skip)]
    pub(super) elapsed: Duration,
    /// What the interface has counted since then.
    #[serde(skip)]
    pub(super) so_far: Counters,
}

fn in_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// Rates are of the interval; errors and drops, which are rare, are those since the beginning.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed = self.elapsed.as_secs_f64();
        write!(f, "{} ({}), {elapsed:.1} s", self.interface, self.state)?;
        write!(
            f,
            "\n{:32}{:>12}{:>14}{:>14}{:>10}{:>10}",
            "", "packets/s", "bits/s", "bytes/packet", "errors", "drops"
        )?;
        for (name, traffic, so_far) in [
            ("received", &self.received, &self.so_far.received),
            ("sent", &self.sent, &self.so_far.sent),
        ] {
            let count = Count {
                packets: traffic.packets,
                bytes: traffic.bytes,
            };
            self.row(f, name, count)?;
            write!(f, "{:>10}{:>10}", so_far.errors, so_far.drops)?;
        }
        let Some(ring) = &self.ring else {
            return Ok(());
        };
        let name = match self.xdp {
            None => "seen by the ring",
            Some(_) => "taken by AF_XDP",
        };
        self.row(f, name, ring.count)?;
        write!(f, "{:>10}{:>10}", "", ring.all_drops)?;
        let (shown, others) = ring
            .protocols
            .split_at_checked(ROWS)
            .unwrap_or((&ring.protocols, &[]));
        for protocol in shown {
            let name = format!("  {:10}{}", protocol.direction, protocol.kind);
            self.row(f, &name, protocol.count)?;
        }
        if !others.is_empty() {
            let count = others.iter().map(|protocol| protocol.count).sum();
            self.row(f, "  others", count)?;
        }
        self.xdp
            .as_deref()
            .map_or(Ok(()), |queues| counters(f, queues))
    }
}

/// A table of the kernel's counters since the beginning, as the sockets of queues have them.
fn counters(f: &mut fmt::Formatter<'_>, queues: &[Counted]) -> fmt::Result {
    let (shown, others) = queues.split_at_checked(ROWS).unwrap_or((queues, &[]));
    let Some(first) = shown.first() else {
        return Ok(());
    };
    write!(f, "\n{:10}", "")?;
    for (name, _) in &first.so_far {
        write!(f, "  {name}")?;
    }
    let row = |f: &mut fmt::Formatter<'_>, name: &str, queues: &[Counted]| {
        write!(f, "\n{name:10}")?;
        for (column, (name, _)) in first.so_far.iter().enumerate() {
            let counts = queues.iter().filter_map(|queue| queue.so_far.get(column));
            let sum: u64 = counts.map(|(_, count)| count).sum();
            write!(f, "  {sum:>0$}", name.len())?;
        }
        Ok(())
    };
    for queue in shown {
        row(
            f,
            &format!("queue {}", queue.queue),
            core::slice::from_ref(queue),
        )?;
    }
    if !others.is_empty() {
        row(f, "others", others)?;
    }
    Ok(())
}

impl Report {
    /// Begins a line.
    fn row(&self, f: &mut fmt::Formatter<'_>, name: &str, count: Count) -> fmt::Result {
        let a_second = |count: u64| count as f64 / self.interval.as_secs_f64();
        let packets = a_second(count.packets);
        let bits = scaled(a_second(count.bytes) * 8.0);
        let mean = count
            .bytes
            .checked_div(count.packets)
            .map_or("-".to_owned(), |mean| mean.to_string());
        write!(f, "\n{name:32}{packets:>12.0}{bits:>14}{mean:>14}")
    }
}

/// With a decimal prefix, as bit rates have it.
fn scaled(mut rate: f64) -> String {
    let mut prefixes = ["", " k", " M", " G", " T"].into_iter();
    let mut prefix = prefixes.next().unwrap_or_default();
    // What would be rounded to 1000.0 has the next prefix.
    while rate >= 999.95 {
        let Some(next) = prefixes.next() else { break };
        (rate, prefix) = (rate / 1000.0, next);
    }
    match prefix {
        "" => format!("{rate:.0}"),
        _ => format!("{rate:.1}{prefix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_decimal_prefixes() {
        for (rate, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (999.95, "1.0 k"),
            (12_345.0, "12.3 k"),
            (999_949.0, "999.9 k"),
            (1e9, "1.0 G"),
            (4e15, "4000.0 T"),
        ] {
            assert_eq!(scaled(rate), text);
        }
    }
}
