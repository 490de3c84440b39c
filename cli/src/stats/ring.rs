//! What a ring sees of an interface: each packet's kind and size, of which only the headers are kept.

use core::ops::ControlFlow;
use core::time::Duration;
use std::collections::BTreeMap;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{self, Geometry, Packet, Receiver, Rx, Socket};
use packet_ring::{Deadline, Error, OnSignal};
use serde::Serialize;

use super::kind::Kind;
use crate::capture::frame_of;
use crate::frame::{TAG, Way};
use crate::interfaces::{Interface, LinkType};

/// 4 MiB in blocks of 256 KiB, of each packet as many bytes as headers have as a rule.
const RING: Geometry = Geometry::new_assert(1 << 18, 16);
const HEADERS: u32 = 128;
/// How long the ring may take to hand over what it held when the end was asked for: several retire timeouts.
const LAST_BLOCKS: Duration = Duration::from_millis(100);
/// A ring that sees what the interface receives and sends from now on.
pub(super) fn bind(interface: &Interface) -> Result<Socket<Bound<Rx>>, Error> {
    let mut socket = Socket::configure(Rx::new(RING.snap_length(HEADERS)?))?;
    // What the loopback sends, it receives.
    if interface.is_loopback() {
        socket.ignore_outgoing()?;
    }
    let index = packet::Interface::by_index(interface.index).ok_or(Error::NoSuchInterface)?;
    Ok(socket.map()?.bind(index)?)
}

/// Counts by kind and direction.
pub(super) struct Ring<'r> {
    receiver: Receiver<'r>,
    tally: Tally,
    /// Drops since the beginning.
    drops: u64,
}

struct Tally {
    link_type: LinkType,
    /// Packets since the beginning.
    seen: u64,
    /// Since they were last taken.
    kinds: BTreeMap<(Kind, Way), Count>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Count {
    pub(super) packets: u64,
    /// On the wire, VLAN tags included.
    pub(super) bytes: u64,
}

impl core::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, count| Self {
            packets: sum.packets + count.packets,
            bytes: sum.bytes + count.bytes,
        })
    }
}

/// What came since the last time.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    #[serde(flatten)]
    pub(super) count: Count,
    /// Packets for which the ring had no room.
    drops: u64,
    /// The most bytes first.
    pub(super) protocols: Vec<Protocol>,
    /// Drops since the beginning.
    #[serde(skip)]
    pub(super) all_drops: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Protocol {
    /// How they met the interface, in the words of `capture --json`.
    pub(super) direction: &'static str,
    #[serde(flatten)]
    pub(super) kind: Kind,
    #[serde(flatten)]
    pub(super) count: Count,
}

impl<'r> Ring<'r> {
    pub(super) fn new(receiver: Receiver<'r>, link_type: LinkType) -> Self {
        Self {
            receiver,
            tally: Tally {
                link_type,
                seen: 0,
                kinds: BTreeMap::new(),
            },
            drops: 0,
        }
    }

    /// Counts what comes in this time, or until a signal.
    pub(super) fn watch(&mut self, time: Duration) -> Result<(), Error> {
        self.count(time, OnSignal::Return, u64::MAX)
    }

    /// Counts what the kernel has received already and not handed over yet.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        let statistics = self.receiver.statistics()?;
        let received = statistics.packets - statistics.drops;
        if self.tally.seen >= received {
            return Ok(());
        }
        self.count(LAST_BLOCKS, OnSignal::Continue, received)
    }

    fn count(&mut self, time: Duration, on_signal: OnSignal, enough: u64) -> Result<(), Error> {
        let tally = &mut self.tally;
        let ended = self
            .receiver
            .for_each(Deadline::after(time), on_signal, |packet| {
                tally.add(&packet);
                if tally.seen < enough {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
        match ended {
            // The report tells the link's state.
            Ok(_) | Err(Error::LinkDown) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What came since this was last asked.
    pub(super) fn take(&mut self) -> Result<Seen, Error> {
        let all_drops = self.receiver.statistics()?.drops;
        let drops = all_drops - core::mem::replace(&mut self.drops, all_drops);
        let kinds = core::mem::take(&mut self.tally.kinds);
        let protocol = |((kind, way), count): ((Kind, Way), Count)| Protocol {
            direction: way.name(),
            kind,
            count,
        };
        let count = kinds.values().copied().sum();
        let mut protocols: Vec<_> = kinds.into_iter().map(protocol).collect();
        protocols.sort_by_key(|protocol| core::cmp::Reverse(protocol.count.bytes));
        Ok(Seen {
            count,
            drops,
            protocols,
            all_drops,
        })
    }
}

impl Tally {
    fn add(&mut self, packet: &Packet<'_>) {
        let frame = frame_of(packet);
        let tag = frame.tag.map_or(0, |_| TAG as u64);
        let kind = Kind::of(frame.data, self.link_type);
        let count = self.kinds.entry((kind, frame.way)).or_default();
        count.packets += 1;
        count.bytes += u64::from(frame.wire_len) + tag;
        self.seen += 1;
    }
}
