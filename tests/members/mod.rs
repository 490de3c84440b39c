//! What the tests of fanout share: a cable, and a group of sockets at its far end.

#![allow(dead_code, reason = "each test file uses its own part")]

use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Fanout, Geometry, Member, Rx, Socket};
use packet_ring_lab::suite::Stopped;
use packet_ring_lab::{Injector, Link, VethOptions, VethPair, frame};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::data_path::{FRAME, PATIENCE, numbers, receive_on};

/// A socket in a group.
pub(crate) type Sharing = Socket<Bound<Rx, Member>>;

/// Eight blocks of 64 KiB that end soon after their first packet: nothing that these tests send fills
/// them.
pub(crate) const ROOMY: Geometry =
    Geometry::expect(Geometry::new_assert(1 << 16, 8).retire_timeout(Duration::from_millis(5)));

/// A socket that has joined a group on this link.
pub(crate) fn member(link: &Link, rings: Rx, fanout: &Fanout) -> Result<Sharing, Stopped> {
    Ok(receive_on(link, rings)?.join_fanout(fanout)?)
}

/// A cable, an injector at its near end, and a group at its far end.
pub(crate) struct Group {
    pub(crate) pair: VethPair,
    pub(crate) injector: Injector,
    pub(crate) members: Vec<Sharing>,
    sent: u64,
}

impl Group {
    /// Of this many members, with rings of these sizes.
    pub(crate) fn new(count: usize, geometry: Geometry, fanout: Fanout) -> Result<Self, Stopped> {
        Self::on(
            VethPair::create(&VethOptions::default())?,
            count,
            geometry,
            fanout,
        )
    }

    /// On this cable. The first makes the group, the others join that one.
    pub(crate) fn on(
        pair: VethPair,
        count: usize,
        geometry: Geometry,
        fanout: Fanout,
    ) -> Result<Self, Stopped> {
        let mut members = vec![member(&pair.far, Rx::new(geometry), &fanout)?];
        let fanout = members[0].group().fanout()?;
        for _ in 1..count {
            members.push(member(&pair.far, Rx::new(geometry), &fanout)?);
        }
        Ok(Self {
            injector: Injector::on(&pair.near)?,
            pair,
            members,
            sent: 0,
        })
    }

    /// Sends these frames into the group.
    pub(crate) fn send(&mut self, frames: &[Vec<u8>]) -> Result<(), Stopped> {
        self.injector.send_batch(frames)?;
        self.sent += frames.len() as u64;
        Ok(())
    }

    /// Sends numbered frames of one and the same flow into the group.
    pub(crate) fn flood(&mut self, numbers: core::ops::Range<u64>) -> Result<(), Stopped> {
        self.send(
            &numbers
                .map(|n| frame::numbered(n, FRAME))
                .collect::<Vec<_>>(),
        )
    }

    /// How many packets each member was given so far, dropped ones among them, once they are as many
    /// as were sent: each went to one member, and the interface has seen no other.
    pub(crate) fn counts(&mut self) -> Result<Vec<u64>, Stopped> {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut counts = Vec::new();
            for member in &mut self.members {
                counts.push(member.statistics()?.packets);
            }
            if counts.iter().sum::<u64>() >= self.sent || Instant::now() > end {
                assert_eq!(counts.iter().sum::<u64>(), self.sent, "{counts:?}");
                assert_eq!(self.pair.far.counters()?.rx_packets, self.sent);
                return Ok(counts);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The numbers that each member got since this was last asked, in order, once they are as many
    /// as were sent since: each number came to one member, and none was dropped.
    pub(crate) fn shares(&mut self, sent: usize) -> Result<Vec<Vec<u64>>, Stopped> {
        let mut shares = vec![Vec::new(); self.members.len()];
        let end = Instant::now() + PATIENCE;
        while shares.iter().map(Vec::len).sum::<usize>() < sent && Instant::now() < end {
            for (share, member) in shares.iter_mut().zip(&mut self.members) {
                while let Some(block) = member.next_block() {
                    share.extend(numbers(&block));
                }
            }
            thread::sleep(Duration::from_millis(1));
        }
        let mut all = shares.concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), sent, "each number once: {shares:?}");
        self.counts()?;
        for member in &mut self.members {
            assert_eq!(member.statistics()?.drops, 0);
        }
        Ok(shares)
    }
}

/// A UDP datagram of one flow among many: its source port tells which.
pub(crate) fn of_flow(flow: u16, number: u64) -> Vec<u8> {
    let mut frame = frame::numbered_udp(number, 100);
    frame[34..36].copy_from_slice(&(1024 + flow).to_be_bytes());
    frame
}

/// The processors that this thread may run on.
pub(crate) fn processors() -> Result<Vec<usize>, Stopped> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&processor| allowed.is_set(processor))
        .collect())
}

/// Keeps the calling thread on one processor. A veth's far end receives on the processor that sends:
/// what one of them sends arrives in order.
pub(crate) fn stay_on(processor: usize) -> Result<(), Stopped> {
    let mut only = CpuSet::new();
    only.set(processor);
    Ok(sched_setaffinity(None, &only)?)
}
