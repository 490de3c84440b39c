//! Taking packets that are there: the part that is the user's alone.

use core::hint::black_box;
use core::time::Duration;
use std::thread;

use packet_ring::xdp::AttachMode;
use packet_ring_lab::procfs::thread_cpu_time;
use packet_ring_lab::{Injector, frame};

use super::replay::Replay;
use super::{Scale, by_hand};
use crate::by_hand::stay_on;
use crate::count::counting;
use crate::harness::{Go, Goes, Measure, compare};
use crate::peer::{Answer, Family, Peer, Place, Receive, Ring, Seen, cable, cable_with_programs};
use crate::report::line::Run;

/// A ring that the caches hold: 1 MiB.
const SMALL: Ring = Ring {
    block_size: 1 << 17,
    blocks: 8,
    ..Ring::LARGE
};

/// A ring, the length of its packets, and goes over it: enough to be timed. A ring of 64 MiB does not stay in caches.
const REPLAYS: [(Ring, usize, u32); 4] = [
    (SMALL, 64, 8),
    (SMALL, 1500, 40),
    (Ring::LARGE, 64, 1),
    (Ring::LARGE, 1500, 1),
];

/// The same ring, again and again.
pub(crate) fn again(run: &mut Run, scale: Scale, peers: &[&'static dyn Peer]) {
    stay_on(1);
    for (ring, len, laps) in REPLAYS {
        let measure = Measure {
            id: "walk",
            at: Some(format!("{len} bytes, {} MiB", ring.bytes() >> 20)),
            unit: "ns a packet",
            turns: scale.turns(if laps > 1 { 201 } else { 51 }),
            family: Family::Packet,
            reference: by_hand(Family::Packet),
        };
        compare(run, &measure, peers, |peer| again_by(peer, ring, len, laps));
    }
}

fn again_by(peer: &'static dyn Peer, ring: Ring, len: usize, laps: u32) -> Answer<Goes<'static>> {
    let mut replay = Replay::new(peer, ring, len)?;
    replay.hand_out();
    let mut expected = Seen::default();
    replay.reader().drain(&mut expected);
    Ok(Box::new(move |_| {
        let mut taken = Duration::ZERO;
        for _ in 0..laps {
            replay.hand_out();
            let mut seen = Seen::default();
            let start = thread_cpu_time();
            replay.reader().drain(black_box(&mut seen));
            taken += thread_cpu_time() - start;
            if seen != expected {
                return Err(format!("it saw {seen:?}, and before {expected:?}").into());
            }
        }
        let packets = expected.packets * u64::from(laps);
        Ok((taken.as_nanos() as f64 / packets as f64).into())
    }))
}

/// Packets that fill a ring of 64 MiB to less than three quarters, by length: in a fuller one the kernel may drop one.
const HELD: [(usize, u64); 2] = [(64, 300_000), (1500, 30_000)];

/// A ring of 64 MiB that the kernel has just filled, once.
pub(crate) fn cold(run: &mut Run, scale: Scale, peers: &[&'static dyn Peer]) {
    for (len, packets) in HELD {
        let packets = scale.packets(packets);
        let measure = Measure {
            id: "drain",
            at: Some(format!("{len} bytes")),
            unit: "ns a packet",
            turns: scale.turns(9),
            family: Family::Packet,
            reference: by_hand(Family::Packet),
        };
        let ring = Ring {
            // No block is cut short.
            retire_timeout: Duration::from_millis(100),
            ..Ring::LARGE
        };
        compare(run, &measure, peers, |peer| {
            let ends = cable()?;
            let mut reader = peer.receiver(&ends[1], &ring)?;
            reader.will_sleep(false);
            // The last block, and packets on their way.
            let rest = 2 * ring.retire_timeout;
            Ok(drains(reader, ends, len, packets, rest))
        });
    }
}

/// Slots of AF_XDP's rings, and packets of a go.
const SLOTS: u32 = 4096;

/// Receive rings of AF_XDP, by way of the driver and of the network stack.
pub(crate) fn xdp_cold(run: &mut Run, scale: Scale, peers: &[&'static dyn Peer]) {
    let modes = [
        ("native", AttachMode::Native),
        ("generic", AttachMode::Generic),
    ];
    for (name, mode) in modes {
        let measure = Measure {
            id: "xdp_drain",
            at: Some(name.into()),
            unit: "ns a packet",
            turns: scale.turns(101),
            family: Family::Xdp,
            reference: by_hand(Family::Xdp),
        };
        let ring = Ring {
            blocks: SLOTS,
            ..Ring::LARGE
        };
        compare(run, &measure, peers, |peer| {
            let ends = cable_with_programs(mode)?;
            let reader = peer.receiver(&ends[1], &ring)?;
            Ok(drains(reader, ends, 64, SLOTS.into(), Duration::ZERO))
        });
    }
}

/// Fills the ring from processor 0, and drains it on processor 1.
fn drains(
    mut reader: Box<dyn Receive>,
    ends: [Place; 2],
    len: usize,
    packets: u64,
    rest: Duration,
) -> Goes<'static> {
    let template = frame::numbered(0, len);
    Box::new(move |counts| {
        // Whole: with their programs.
        let [near, far] = &ends;
        stay_on(0);
        let injector = Injector::on(&near.link)?;
        let before = far.link.counters()?;
        let sent = injector.flood(&template, 0..packets);
        // The kernel takes packets in on this processor, and hands on what it has counted before we run again.
        let mut looks = 0;
        while far.link.counters()?.since(&before).rx_packets < sent {
            looks += 1;
            if looks > 1_000_000 {
                return Err("the interface did not receive what was sent".into());
            }
            thread::yield_now();
        }
        thread::sleep(rest);
        stay_on(1);
        let mut seen = Seen::default();
        let mut taken = Duration::ZERO;
        let mut drain = || {
            let start = thread_cpu_time();
            reader.drain(black_box(&mut seen));
            taken = thread_cpu_time() - start;
        };
        let counted = if counts {
            Some(counting(drain).1)
        } else {
            drain();
            None
        };
        if !seen.are_all(packets, len) {
            // What is late must not be there the next time.
            thread::sleep(rest);
            reader.drain(&mut Seen::default());
            return Err(format!("its ring held {} of {packets} packets", seen.packets).into());
        }
        let mut go = Go::from(taken.as_nanos() as f64 / packets as f64);
        if let Some(counted) = counted {
            go.beside.push((
                "allocations",
                "a packet",
                counted.allocations as f64 / packets as f64,
            ));
        }
        Ok(go)
    })
}
