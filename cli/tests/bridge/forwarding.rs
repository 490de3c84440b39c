//! What is forwarded, and that it is what came.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::fs::File;
use std::thread;
use std::time::Instant;

use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, LabError, Link, Sees, Witness, frame};
use pcap_file::pcapng::PcapNgReader;
use rustix::process::Signal;

use crate::common::{Capture, Directory, PATIENCE, has};
use crate::wires::{QUIET, Wires, end};

/// Frames each way; `BRIDGE_FRAMES` in the environment asks for others.
fn frames() -> u64 {
    std::env::var("BRIDGE_FRAMES")
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(50_000)
}

/// Sends numbered frames into `from`, never more ahead of the witness at `to` than it has room for, and checks that each
/// comes once and in turn.
pub(crate) fn one_way(from: &Link, to: &Link, count: u64) -> TestResult {
    const AHEAD: u64 = 128;
    let injector = Injector::on(from)?;
    let witness = Witness::on(to, Sees::Incoming)?;
    let seen = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let template = frame::numbered(0, 64);
            let (mut next, mut moved) = (0, Instant::now());
            while next < count {
                // Relaxed: the number alone is the message.
                let end = count.min(seen.load(Ordering::Relaxed) + AHEAD);
                if end > next {
                    next += injector.flood(&template, next..end);
                    moved = Instant::now();
                } else if moved.elapsed() > PATIENCE {
                    return;
                } else {
                    thread::yield_now();
                }
            }
        });
        for number in 0..count {
            let came = witness.receive(PATIENCE)?;
            let came = came.ok_or_else(|| format!("frame {number} does not come"))?;
            assert_eq!(frame::number(&came.bytes), Some(number));
            assert!(frame::is_intact(&came.bytes));
            seen.store(number + 1, Ordering::Relaxed);
        }
        Ok::<_, packet_ring_lab::suite::Stopped>(())
    })?;
    assert_eq!(witness.receive(QUIET)?, None);
    Ok(())
}

pub(crate) fn every_frame_arrives_once_and_in_order_both_ways() -> TestResult {
    let count = frames();
    let wires = Wires::new()?;
    let bridge = wires.bridge(&[]);
    let (left, right) = (&wires.left.far, &wires.right.far);
    thread::scope(|scope| {
        let there = scope.spawn(|| one_way(left, right, count));
        let back = scope.spawn(|| one_way(right, left, count));
        there.join().map_err(|_| "a direction panicked")??;
        back.join().map_err(|_| "a direction panicked")?
    })?;
    let ended = end(bridge);
    assert_eq!(wires.counts(&ended.stderr), [[count, count, 0, 0]; 2]);
    assert_eq!(right.counters()?.rx_packets, count);
    assert_eq!(left.counters()?.rx_packets, count);
    Ok(())
}

pub(crate) fn it_ends_in_the_midst_and_its_counts_add_up() -> TestResult {
    let wires = Wires::new()?;
    let bridge = wires.bridge(&[]);
    let (far, stop) = (&wires.right.far, AtomicBool::new(false));
    let injector = Injector::on(&wires.left.far)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let began = Instant::now();
            // Relaxed: the flag alone is the message. The time ends it where the test has failed.
            while !stop.load(Ordering::Relaxed) && began.elapsed() < 2 * PATIENCE {
                injector.flood(&frame::numbered(0, 64), 0..64);
            }
        });
        let ended = (|| {
            let began = Instant::now();
            while far.counters()?.rx_packets < 1000 && began.elapsed() < PATIENCE {}
            Ok::<_, LabError>(end(bridge))
        })();
        stop.store(true, Ordering::Relaxed);
        let ended = ended?;
        let [[received, forwarded, dropped, failed], back] = wires.counts(&ended.stderr);
        assert!(forwarded >= 1000, "{}", ended.stderr);
        assert_eq!(received, forwarded + dropped + failed, "{}", ended.stderr);
        assert_eq!(far.counters()?.rx_packets, forwarded);
        assert_eq!(back, [0; 4]);
        Ok(())
    })
}

pub(crate) fn every_length_arrives_byte_for_byte() -> TestResult {
    let wires = Wires::new()?;
    let witness = Witness::on(&wires.right.far, Sees::Incoming)?;
    let injector = Injector::on(&wires.left.far)?;
    let bridge = wires.bridge(&[]);
    for len in 60..=1514 {
        let sent = frame::numbered(len as u64, len);
        injector.send(&sent)?;
        // One at a time: an ordinary user's witness has a short queue.
        let came = witness.receive(PATIENCE)?.ok_or("nothing comes")?;
        assert_eq!(came.bytes, sent);
    }
    assert_eq!(witness.receive(QUIET)?, None);
    end(bridge);
    Ok(())
}

pub(crate) fn a_vlan_tag_is_put_back() -> TestResult {
    let directory = Directory::new("bridge-vlan");
    let file = directory.join("x.pcapng");
    let wires = Wires::new()?;
    let injector = Injector::on(&wires.left.far)?;
    let bridge = wires.bridge(&[]);
    let sent = [
        frame::numbered_vlan(5, 0, 64),
        frame::numbered(1, 64),
        frame::numbered_vlan(4094, 2, 1518),
    ];
    // A capture writes the tag into the packet, where it was; a plain socket would not show it.
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let capture = Capture::start(["-i", wires.right.far.name(), "-c", "3", "-w", path]);
    injector.send_batch(&sent)?;
    assert!(capture.end().status.success());
    let mut reader = PcapNgReader::new(File::open(&file)?)?;
    let mut came = Vec::new();
    while let Some(block) = reader.next_block() {
        let packet = block?.into_owned().into_enhanced_packet();
        came.extend(packet.map(|packet| packet.data.into_owned()));
    }
    assert_eq!(came, sent);
    let ended = end(bridge);
    assert_eq!(wires.counts(&ended.stderr)[0], [3, 3, 0, 0]);
    Ok(())
}

pub(crate) fn a_filter_holds_in_both_directions() -> TestResult {
    if !has("tcpdump") {
        return packet_ring_lab::suite::skip("tcpdump, and libpcap with it, is not installed");
    }
    let wires = Wires::new()?;
    let (left, right) = (&wires.left.far, &wires.right.far);
    let bridge = wires.bridge(&["udp", "port", "34997"]);
    for (from, to) in [(left, right), (right, left)] {
        let witness = Witness::on(to, Sees::Incoming)?;
        let injector = Injector::on(from)?;
        for number in 0..10 {
            injector.send(&frame::numbered(number, 60))?;
            injector.send(&frame::numbered_udp(number + 100, 60))?;
        }
        assert_eq!(
            witness.numbers_until_quiet(QUIET)?,
            Vec::from_iter(100..110)
        );
    }
    let ended = end(bridge);
    assert_eq!(wires.counts(&ended.stderr), [[10, 10, 0, 0]; 2]);
    Ok(())
}

pub(crate) fn what_this_machine_sends_is_not_forwarded() -> TestResult {
    let wires = Wires::new()?;
    let bridge = wires.bridge(&[]);
    let witness = Witness::on(&wires.right.far, Sees::Incoming)?;
    Injector::on(&wires.left.near)?.send(&frame::numbered(0, 60))?;
    Injector::on(&wires.left.far)?.send(&frame::numbered(1, 60))?;
    assert_eq!(witness.numbers_until_quiet(QUIET)?, [1]);
    let ended = end(bridge);
    assert_eq!(wires.counts(&ended.stderr), [[1, 1, 0, 0], [0; 4]]);
    Ok(())
}

pub(crate) fn too_long_for_the_other_side_is_counted_and_passed_over() -> TestResult {
    let wires = Wires::new()?;
    wires.right.near.set_mtu(1000)?;
    wires.right.far.set_mtu(1000)?;
    let bridge = wires.bridge(&[]);
    let witness = Witness::on(&wires.right.far, Sees::Incoming)?;
    let injector = Injector::on(&wires.left.far)?;
    for (number, len) in (0..).zip([60, 1014, 1015, 1514, 60]) {
        injector.send(&frame::numbered(number, len))?;
    }
    injector.send(&frame::numbered_vlan(5, 5, 1018))?;
    injector.send(&frame::numbered_vlan(5, 6, 1019))?;
    injector.send(&frame::numbered(7, 60))?;
    assert_eq!(witness.receive_until_quiet(QUIET)?.len(), 5);
    let ended = end(bridge);
    assert_eq!(wires.counts(&ended.stderr)[0], [8, 5, 0, 3]);
    Ok(())
}

pub(crate) fn a_user_signal_asks_for_statistics() -> TestResult {
    let wires = Wires::new()?;
    let mut bridge = wires.bridge(&[]);
    let witness = Witness::on(&wires.right.far, Sees::Incoming)?;
    let injector = Injector::on(&wires.left.far)?;
    for round in 1..3 {
        injector.send(&frame::numbered(round, 60))?;
        assert_eq!(witness.numbers_until_quiet(QUIET)?, [round]);
        bridge.signal(Signal::USR1);
        let [left, right] = [&wires.left, &wires.right].map(|pair| pair.near.name());
        bridge.wait_for(&format!(
            "{left} -> {right}: {round} {} received, {round} forwarded, 0 dropped by kernel, 0 failed",
            if round == 1 { "packet" } else { "packets" }
        ));
        bridge.wait_for(&format!("{right} -> {left}: 0 packets received"));
    }
    end(bridge);
    Ok(())
}
