//! What AF_XDP sockets take of an interface, and what the kernel counts of them.

use core::ops::ControlFlow;
use core::time::Duration;

use packet_ring::Error;
use packet_ring::xdp::Statistics;
use serde::{Serialize, Serializer};

use super::tally::{Seen, Tally};
use crate::exit::Failure;
use crate::interfaces::{Interface, LinkType};
use crate::xdp::{self, Mode, Path, Queues, failure};

/// 4 MiB for all queues together, as a ring has: it is charged to RLIMIT_MEMLOCK, which is 8 MiB as a rule.
const CHUNKS: u32 = (4 << 20) / xdp::CHUNK;
/// What a queue has at least: the most packets that the kernel takes at a time.
const LEAST_CHUNKS: u32 = 64;

/// Counts by kind and direction, and by queue what the kernel counts.
pub(super) struct Taking {
    queues: Queues,
    tally: Tally,
    /// By queue, what the kernel had counted when it was last asked.
    last: Vec<Named>,
}

/// The kernel's counters of a socket, under its names for them.
type Named = Vec<(&'static str, u64)>;

/// One queue's socket.
#[derive(Debug, Serialize)]
pub(super) struct Counted {
    pub(super) queue: u32,
    /// What the kernel counted since the last time.
    #[serde(flatten, serialize_with = "as_fields")]
    of_interval: Named,
    /// What it counted since the beginning.
    #[serde(skip)]
    pub(super) so_far: Named,
}

fn as_fields<S: Serializer>(counters: &Named, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counters.iter().copied())
}

impl Taking {
    /// Takes what the interface receives from now on.
    pub(super) fn open(
        interface: &Interface,
        mode: Mode,
        queue: Option<u32>,
    ) -> Result<Self, Failure> {
        let name = &interface.name;
        let path = Path::open(interface, mode, queue, None)?;
        let chunks = (CHUNKS / path.queues.len() as u32).max(LEAST_CHUNKS);
        let queues = Queues::open(path, chunks, name)?;
        queues.begin(name).map_err(|error| failure(error, name))?;
        Ok(Self {
            last: vec![Named::new(); queues.len()],
            queues,
            tally: Tally::new(LinkType::Ethernet),
        })
    }

    /// Counts what there is, or comes in this time.
    pub(super) fn watch(&mut self, time: Duration) -> Result<(), Error> {
        if self.round()? > 0 {
            return Ok(());
        }
        match self.queues.wait(time) {
            // The report tells the link's state.
            Ok(_) | Err(Error::LinkDown) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes no more, and counts what the sockets still hold.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.queues.stop()?;
        while self.round()? > 0 {}
        Ok(())
    }

    /// One batch of each queue; how many packets they had.
    fn round(&mut self) -> Result<u64, Error> {
        let mut packets = 0;
        for number in 0..self.queues.len() {
            packets += self.queues.batch(number, |data, way| {
                self.tally.add(data, way, data.len() as u64);
                ControlFlow::Continue(())
            })?;
        }
        Ok(packets)
    }

    /// What came since this was last asked, and what the kernel counted.
    pub(super) fn take(&mut self) -> Result<(Seen, Vec<Counted>), Error> {
        let statistics: Vec<_> = self.queues.statistics().collect::<Result<_, _>>()?;
        let dropped = |(_, statistics): &(u32, Statistics)| xdp::dropped(statistics);
        let seen = self.tally.take(statistics.iter().map(dropped).sum());
        let counted = |((queue, statistics), last): (&(u32, Statistics), &mut Named)| {
            let so_far = xdp::named(statistics);
            let before = core::mem::replace(last, so_far.clone());
            let before = before.iter().map(|&(_, count)| count);
            Counted {
                queue: *queue,
                of_interval: so_far
                    .iter()
                    .zip(before.chain(core::iter::repeat(0)))
                    .map(|(&(name, count), before)| (name, count - before))
                    .collect(),
                so_far,
            }
        };
        let counted = statistics.iter().zip(&mut self.last).map(counted).collect();
        Ok((seen, counted))
    }
}
