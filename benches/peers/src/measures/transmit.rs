//! Sending frames that are written anew, 64 at a time, with nobody at the far end.

use packet_ring::xdp::AttachMode;
use packet_ring_lab::frame;
use packet_ring_lab::procfs::thread_cpu_time;

use super::{Scale, by_hand};
use crate::by_hand::stay_on;
use crate::count::counting;
use crate::harness::{Go, Goes, Measure, compare};
use crate::peer::{Answer, BATCH, Family, Peer, Place, cable, cable_with_programs};
use crate::report::line::Run;

/// Batches of a go.
const BATCHES: u64 = 100;

const LENGTHS: [usize; 2] = [64, 1500];

/// AF_PACKET.
pub(crate) fn transmit(run: &mut Run, scale: Scale, peers: &[&'static dyn Peer]) {
    stay_on(1);
    for len in LENGTHS {
        let measure = Measure {
            id: "transmit",
            at: Some(format!("{len} bytes")),
            unit: "ns a frame",
            turns: scale.turns(101),
            family: Family::Packet,
            reference: by_hand(Family::Packet),
        };
        compare(run, &measure, peers, |peer| sends(peer, cable()?, len));
    }
}

/// AF_XDP, on an interface without a program and on one with a program in the driver.
pub(crate) fn xdp(run: &mut Run, scale: Scale, peers: &[&'static dyn Peer]) {
    stay_on(1);
    for len in LENGTHS {
        for (name, mode) in [
            ("native", AttachMode::Native),
            ("generic", AttachMode::Generic),
        ] {
            let measure = Measure {
                id: "xdp_transmit",
                at: Some(format!("{len} bytes, {name}")),
                unit: "ns a frame",
                turns: scale.turns(101),
                family: Family::Xdp,
                reference: by_hand(Family::Xdp),
            };
            compare(run, &measure, peers, |peer| {
                sends(peer, cable_with_programs(mode)?, len)
            });
        }
    }
}

fn sends(peer: &dyn Peer, ends: [Place; 2], len: usize) -> Answer<Goes<'static>> {
    let mut sender = peer.sender(&ends[0], &frame::numbered(0, len))?;
    let frames = BATCHES * u64::from(BATCH);
    Ok(Box::new(move |counts| {
        // Whole: with their programs.
        let [near, _] = &ends;
        let before = near.link.counters()?;
        let mut send = || -> Answer<_> {
            let start = thread_cpu_time();
            for batch in 0..BATCHES {
                sender.send(batch * u64::from(BATCH))?;
            }
            sender.finish()?;
            Ok(thread_cpu_time() - start)
        };
        let (taken, counted) = if counts {
            let (taken, counted) = counting(send);
            // The clock is asked twice.
            (taken?, Some(counted.without_calls(2)))
        } else {
            (send()?, None)
        };
        let sent = near.link.counters()?.since(&before).tx_packets;
        if sent != frames {
            return Err(format!("it sent {sent} of {frames} frames, says the interface").into());
        }
        let each = |count: u64| count as f64 / frames as f64;
        let mut go = Go::from(each(taken.as_nanos() as u64));
        if let Some(counted) = counted {
            if let Some(calls) = counted.system_calls {
                go.beside.push(("system calls", "a frame", each(calls)));
            }
            go.beside
                .push(("allocations", "a frame", each(counted.allocations)));
        }
        Ok(go)
    }))
}
