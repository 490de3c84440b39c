//! What becomes of a receiver under flood as something grows.

use core::sync::atomic::{AtomicU16, Ordering};

use packet_ring_lab::frame;

use super::{Scale, by_hand, ended};
use crate::harness::{Goes, Measure, compare};
use crate::peer::{Answer, Family, Peer, Receive, Ring, cable};
use crate::report::line::Run;

/// Packets of a go.
const PACKETS: u64 = 100_000;

fn grow(
    run: &mut Run,
    scale: Scale,
    peers: &[&'static dyn Peer],
    (id, at): (&str, String),
    workers: usize,
    ring: impl Fn() -> Ring,
) {
    let packets = scale.packets(PACKETS);
    let measure = Measure {
        id,
        at: Some(at),
        unit: "ns a packet",
        turns: scale.turns(7),
        family: Family::Packet,
        reference: by_hand(Family::Packet),
    };
    compare(run, &measure, peers, |peer| {
        let ends = cable()?;
        // The readers of one peer share a group.
        let ring = ring();
        let mut readers = (0..workers)
            .map(|_| peer.receiver(&ends[1], &ring))
            .collect::<Answer<Vec<Box<dyn Receive>>>>()?;
        let goes: Goes<'static> = Box::new(move |counts| {
            let template = frame::numbered(0, ended::LEN);
            ended::go(&mut readers, &ends, packets, counts, |injector| {
                injector.flood(&template, 0..packets)
            })
        });
        Ok(goes)
    });
}

/// With the ring: 1 to 256 MiB.
pub(crate) fn ring_size(run: &mut Run, scale: Scale, peers: &[&'static dyn Peer]) {
    for mebibytes in [1, 4, 16, 64, 256] {
        let ring = Ring {
            // At least eight blocks, of at most 1 MiB.
            block_size: (1 << 20).min((mebibytes << 20) / 8),
            blocks: mebibytes.max(8),
            ..Ring::LARGE
        };
        assert_eq!(ring.bytes(), (mebibytes as usize) << 20);
        grow(
            run,
            scale,
            peers,
            ("ring_size", format!("{mebibytes} MiB")),
            1,
            || ring,
        );
    }
}

/// With the blocks that are kept, of 64, and with the workers that share the packets.
pub(crate) fn held_and_workers(run: &mut Run, scale: Scale, peers: &[&'static dyn Peer]) {
    for held in [1, 8, 32, 56] {
        let at = format!("{held} {}", if held == 1 { "block" } else { "blocks" });
        let ring = Ring {
            // Small ones, of which a flood fills many.
            block_size: 1 << 17,
            held,
            ..Ring::LARGE
        };
        grow(run, scale, peers, ("held", at), 1, || ring);
    }
    for workers in [1, 2, 4, 8] {
        static GROUP: AtomicU16 = AtomicU16::new(1);
        let ring = || Ring {
            block_size: 1 << 18,
            // Relaxed: only unique.
            fanout: Some(GROUP.fetch_add(1, Ordering::Relaxed)),
            ..Ring::LARGE
        };
        let at = ("workers", workers.to_string());
        grow(run, scale, peers, at, workers, ring);
    }
}
