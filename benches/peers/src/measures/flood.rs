//! Receivers that sleep when there is nothing, under flood and at a steady pace.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::xdp::AttachMode;
use packet_ring_lab::{Injector, frame};

use super::{Scale, by_hand, ended};
use crate::harness::{Measure, compare};
use crate::peer::{Family, Peer, Ring, cable, cable_with_programs};
use crate::report::line::Run;

/// As fast as one processor sends.
pub(crate) fn flood(run: &mut Run, scale: Scale, peers: &[&'static dyn Peer]) {
    let packets = scale.packets(200_000);
    let measure = Measure {
        id: "flood",
        at: None,
        unit: "ns a packet",
        turns: scale.turns(15),
        family: Family::Packet,
        reference: by_hand(Family::Packet),
    };
    compare(run, &measure, peers, |peer| {
        let ends = cable()?;
        let mut readers = [peer.receiver(&ends[1], &Ring::LARGE)?];
        Ok(Box::new(move |counts| {
            let template = frame::numbered(0, ended::LEN);
            ended::go(&mut readers, &ends, packets, counts, |injector| {
                injector.flood(&template, 0..packets)
            })
        }))
    });
}

/// Packets a second, and packets of a go.
const PACE: u64 = 100_000;
const PACED: u64 = 25_000;

/// Sends one packet at a time, each when it is due.
fn at_a_pace(injector: &Injector, packets: u64) -> u64 {
    let mut template = frame::numbered(0, ended::LEN);
    let start = Instant::now();
    for number in 0..packets {
        frame::renumber(&mut template, number);
        while start.elapsed() < Duration::from_nanos(number * 1_000_000_000 / PACE) {
            core::hint::spin_loop();
        }
        if injector.send(&template).is_err() {
            return number;
        }
    }
    packets
}

/// 100,000 packets a second.
pub(crate) fn paced(run: &mut Run, scale: Scale, peers: &[&'static dyn Peer]) {
    for family in [Family::Packet, Family::Xdp] {
        let packets = scale.packets(PACED);
        let at = match family {
            Family::Packet => "AF_PACKET",
            Family::Xdp => "AF_XDP",
        };
        let measure = Measure {
            id: "paced",
            at: Some(at.into()),
            unit: "ns a packet",
            turns: scale.turns(11),
            family,
            reference: by_hand(family),
        };
        compare(run, &measure, peers, |peer| {
            let (ends, ring) = match family {
                Family::Packet => (cable()?, Ring::LARGE),
                Family::Xdp => (cable_with_programs(AttachMode::Native)?, SLOTS),
            };
            let mut readers = [peer.receiver(&ends[1], &ring)?];
            Ok(Box::new(move |counts| {
                ended::go(&mut readers, &ends, packets, counts, |injector| {
                    at_a_pace(injector, packets)
                })
            }))
        });
    }
}

/// 4,096 slots of AF_XDP.
const SLOTS: Ring = Ring {
    blocks: 4096,
    spare: 256,
    ..Ring::LARGE
};

/// AF_XDP under flood, by way of the driver and of the network stack.
pub(crate) fn xdp(run: &mut Run, scale: Scale, peers: &[&'static dyn Peer]) {
    let packets = scale.packets(100_000);
    let modes = [
        ("native", AttachMode::Native),
        ("generic", AttachMode::Generic),
    ];
    for (name, mode) in modes {
        let measure = Measure {
            id: "xdp_flood",
            at: Some(name.into()),
            unit: "ns a packet",
            turns: scale.turns(15),
            family: Family::Xdp,
            reference: by_hand(Family::Xdp),
        };
        compare(run, &measure, peers, |peer| {
            let ends = cable_with_programs(mode)?;
            let mut readers = [peer.receiver(&ends[1], &SLOTS)?];
            Ok(Box::new(move |counts| {
                let template = frame::numbered(0, ended::LEN);
                let went = ended::go(&mut readers, &ends, packets, counts, |injector| {
                    injector.flood(&template, 0..packets)
                });
                // AF_XDP's kernel side rests only once its reader does.
                thread::sleep(Duration::from_millis(1));
                went
            }))
        });
    }
}
