//! `capture --xdp`: packets out of AF_XDP sockets, one a queue.

use core::ops::ControlFlow;
use core::time::Duration;

use packet_ring::{Error, Wake};

use super::counts::Counted;
use super::session::{Broken, END, ON, Session, Source, Turn};
use super::sink::Sink;
use super::{alone, now};
use crate::args;
use crate::exit::Failure;
use crate::frame::Frame;
use crate::plan::{Plan, Target};
use crate::signals::Signals;
use crate::xdp::{self, CHUNK, Mode, Path, Queues, failure};

/// Nanoseconds between the smallest packets on a link of 10 Gbit/s.
const SMALLEST: u64 = 67;

/// Captures until something ends it.
pub(super) fn capture(
    plan: &Plan,
    args: &args::Capture,
    mode: Mode,
    signals: Signals,
) -> Result<(), Failure> {
    let interface = &plan.interface;
    let failed = |error| failure(error, &interface.name);
    let path = Path::open(interface, mode, args.xdp.queue, plan.program.as_deref())?;
    let chunks = args.buffer_size * ((1 << 20) / CHUNK) / path.queues.len() as u32;
    let queues = Queues::open(path, chunks, &interface.name)?;
    let sink = Sink::open(plan, None)?;
    let _promiscuous = if args.no_promiscuous_mode {
        None
    } else {
        Some(xdp::promiscuous(interface.index).map_err(failed)?)
    };
    queues.begin(&interface.name).map_err(failed)?;
    let mut source = Taking {
        plan,
        queues,
        taken: 0,
    };
    let gather = match &plan.target {
        Target::File(path, _) if path.as_os_str() != "-" => {
            Duration::from_nanos(u64::from(xdp::slots(chunks).get()) / 4 * SMALLEST)
        }
        _ => Duration::ZERO,
    };
    let session = alone(plan, args, gather, signals, sink);
    let (counts, outcome) = session.run(&mut source);
    source.tell_counters();
    counts.print();
    outcome
}

/// The sockets of a capture.
struct Taking<'p> {
    plan: &'p Plan,
    queues: Queues,
    /// Packets that came out of the rings.
    taken: u64,
}

impl Taking<'_> {
    fn tell_counters(&mut self) {
        for (queue, statistics) in self.queues.statistics().flatten() {
            eprintln!("queue {queue}: {}", xdp::counters(&statistics));
        }
    }

    /// One batch of one queue; how many packets it had.
    fn batch(&mut self, number: usize, session: &mut Session<'_>) -> Result<u64, Broken> {
        let snap_length = self.plan.snap_length as usize;
        // One reading of the clock for all of a batch: it came together.
        let (mut time, mut ended) = (None, Ok(()));
        let packets = self.queues.batch(number, |data, way| {
            ended = session.put(&Frame {
                time: *time.get_or_insert_with(now),
                data: data.get(..snap_length).unwrap_or(data),
                // A packet has 18 frames of 64 KiB at most.
                wire_len: data.len() as u32,
                tag: None,
                way,
            });
            if ended.is_ok() && session.wants_more() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        self.taken += packets;
        ended.map(|()| packets)
    }
}

impl Source for Taking<'_> {
    fn take(&mut self, session: &mut Session<'_>) -> Turn {
        loop {
            let mut packets = 0;
            for number in 0..self.queues.len() {
                packets += self.batch(number, session)?;
                if session.after_packets(self)?.is_break() {
                    return END;
                }
            }
            if packets == 0 {
                return ON;
            }
            if session.after_some(self)?.is_break() {
                return END;
            }
        }
    }

    fn wait(&mut self, nap: Duration) -> Result<Wake, Error> {
        self.queues.wait(nap)
    }

    fn counted(&mut self) -> Result<Counted, Error> {
        let drops = self.queues.dropped()?;
        Ok(Counted {
            packets: self.taken + drops,
            drops,
        })
    }

    fn last(&mut self) -> Result<u64, Error> {
        self.queues.stop()?;
        Ok(u64::MAX)
    }
}
