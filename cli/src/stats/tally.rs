//! Counts of packets by kind and direction.

use std::collections::BTreeMap;

use serde::Serialize;

use super::kind::Kind;
use crate::frame::Way;
use crate::interfaces::LinkType;

pub(super) struct Tally {
    link_type: LinkType,
    /// Packets since the beginning.
    seen: u64,
    /// Drops since the beginning.
    drops: u64,
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
    /// Packets for which there was no room.
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

impl Tally {
    pub(super) const fn new(link_type: LinkType) -> Self {
        Self {
            link_type,
            seen: 0,
            drops: 0,
            kinds: BTreeMap::new(),
        }
    }

    /// Packets since the beginning.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    /// Counts a packet of so many bytes on the wire.
    pub(super) fn add(&mut self, data: &[u8], way: Way, bytes: u64) {
        let kind = Kind::of(data, self.link_type);
        let count = self.kinds.entry((kind, way)).or_default();
        count.packets += 1;
        count.bytes += bytes;
        self.seen += 1;
    }

    /// What came since this was last asked, with so many drops since the beginning.
    pub(super) fn take(&mut self, all_drops: u64) -> Seen {
        let drops = all_drops - core::mem::replace(&mut self.drops, all_drops);
        let kinds = core::mem::take(&mut self.kinds);
        let protocol = |((kind, way), count): ((Kind, Way), Count)| Protocol {
            direction: way.name(),
            kind,
            count,
        };
        let count = kinds.values().copied().sum();
        let mut protocols: Vec<_> = kinds.into_iter().map(protocol).collect();
        protocols.sort_by_key(|protocol| core::cmp::Reverse(protocol.count.bytes));
        Seen {
            count,
            drops,
            protocols,
            all_drops,
        }
    }
}
