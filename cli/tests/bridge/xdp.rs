//! `--xdp`: frames that leave where they came to lie.

use std::thread;

use packet_ring_lab::suite::{Stopped, TestResult, skip};
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, XdpMode, frame};

use crate::common::has;
use crate::common::rights::may_load;
use crate::forwarding::one_way;
use crate::wires::{QUIET, Wires, end};

/// Whether a bridge may be had here.
fn may_bridge(wires: &Wires, flag: &str) -> Result<bool, Stopped> {
    let [left, right] = [&wires.left, &wires.right].map(|pair| pair.near.name());
    may_load(["bridge", flag, left, right])
}

pub(crate) fn xdp_forwards_every_frame_once_and_in_order_both_ways() -> TestResult {
    const COUNT: u64 = 10_000;
    for (flag, mode) in [
        ("--xdp=native", XdpMode::Driver),
        ("--xdp=generic", XdpMode::Generic),
    ] {
        let wires = Wires::new()?;
        if !may_bridge(&wires, flag)? {
            return Ok(());
        }
        // Each of 512 chunks is needed many times.
        let bridge = wires.bridge(&[flag, "-B", "2"]);
        for near in [&wires.left.near, &wires.right.near] {
            assert_eq!(near.xdp()?.map(|xdp| xdp.mode), Some(mode));
        }
        let (left, right) = (&wires.left.far, &wires.right.far);
        thread::scope(|scope| {
            let there = scope.spawn(|| one_way(left, right, COUNT));
            let back = scope.spawn(|| one_way(right, left, COUNT));
            there.join().map_err(|_| "a direction panicked")??;
            back.join().map_err(|_| "a direction panicked")?
        })?;
        let ended = end(bridge);
        assert_eq!(wires.counts(&ended.stderr), [[COUNT, COUNT, 0, 0]; 2]);
        assert_eq!(ended.stderr.matches("rx_ring_full 0").count(), 2);
        assert_eq!(right.counters()?.rx_packets, COUNT);
        assert_eq!(left.counters()?.rx_packets, COUNT);
        assert_eq!(wires.left.near.xdp()?, None);
    }
    Ok(())
}

pub(crate) fn xdp_counts_what_is_too_long_and_leaves_the_rest_whole() -> TestResult {
    let wires = Wires::new()?;
    if !may_bridge(&wires, "--xdp")? {
        return Ok(());
    }
    wires.right.near.set_mtu(1000)?;
    wires.right.far.set_mtu(1000)?;
    let bridge = wires.bridge(&["--xdp"]);
    let witness = Witness::on(&wires.right.far, Sees::Incoming)?;
    let injector = Injector::on(&wires.left.far)?;
    let sent: Vec<_> = (0..)
        .zip([60, 1014, 1015, 1514, 61])
        .map(|(number, len)| frame::numbered(number, len))
        .collect();
    injector.send_batch(&sent)?;
    let seen = witness.receive_until_quiet(QUIET)?;
    let seen: Vec<_> = seen.into_iter().map(|seen| seen.bytes).collect();
    assert_eq!(seen, [&sent[0][..], &sent[1], &sent[4]]);
    let ended = end(bridge);
    assert_eq!(wires.counts(&ended.stderr), [[5, 3, 0, 2], [0; 4]]);
    Ok(())
}

pub(crate) fn xdp_forwards_large_packets_whole() -> TestResult {
    let large = VethOptions {
        mtu: 9000,
        ..VethOptions::default()
    };
    let wires = Wires {
        left: VethPair::create(&large)?,
        right: VethPair::create(&large)?,
    };
    if !may_bridge(&wires, "--xdp")? {
        return Ok(());
    }
    let bridge = wires.bridge(&["--xdp"]);
    let witness = Witness::on(&wires.right.far, Sees::Incoming)?;
    let sent = [3840, 3841, 9014, 60].map(|len| frame::numbered(len as u64, len));
    Injector::on(&wires.left.far)?.send_batch(&sent)?;
    let seen = witness.receive_until_quiet(QUIET)?;
    let seen: Vec<_> = seen.into_iter().map(|seen| seen.bytes).collect();
    assert_eq!(seen, sent);
    let ended = end(bridge);
    assert_eq!(wires.counts(&ended.stderr)[0], [4, 4, 0, 0]);
    Ok(())
}

pub(crate) fn xdp_filters_and_leaves_the_rest_to_the_stack() -> TestResult {
    if !has("tcpdump") {
        return skip("tcpdump, and libpcap with it, is not installed");
    }
    let wires = Wires::new()?;
    if !may_bridge(&wires, "--xdp")? {
        return Ok(());
    }
    let [left, right] = [&wires.left, &wires.right].map(|pair| pair.near.name());
    let mut bridge = crate::common::Capture::spawn(
        crate::common::tool().args(["bridge", "--xdp", left, right, "udp", "port", "34997"]),
    );
    bridge.wait_for("bridging ");
    let stack = Witness::on(&wires.left.near, Sees::Incoming)?;
    let witness = Witness::on(&wires.right.far, Sees::Incoming)?;
    let injector = Injector::on(&wires.left.far)?;
    for number in 0..10 {
        injector.send(&frame::numbered(number, 60))?;
        injector.send(&frame::numbered_udp(number + 100, 60))?;
    }
    assert_eq!(
        witness.numbers_until_quiet(QUIET)?,
        Vec::from_iter(100..110)
    );
    assert_eq!(stack.numbers_until_quiet(QUIET)?, Vec::from_iter(0..10));
    let ended = end(bridge);
    assert_eq!(wires.counts(&ended.stderr)[0], [10, 10, 0, 0]);
    Ok(())
}

pub(crate) fn xdp_waits_for_a_side_that_is_down_and_ends_with_one_that_goes() -> TestResult {
    let wires = Wires::new()?;
    if !may_bridge(&wires, "--xdp")? {
        return Ok(());
    }
    let mut bridge = wires.bridge(&["--xdp"]);
    wires.left.near.set_down()?;
    bridge.wait_for("is down: waiting until it is up");
    wires.left.set_up()?;
    bridge.wait_for("is up again");
    let witness = Witness::on(&wires.right.far, Sees::Incoming)?;
    Injector::on(&wires.left.far)?.send(&frame::numbered(3, 60))?;
    assert_eq!(witness.numbers_until_quiet(QUIET)?, [3]);
    wires.left.delete()?;
    let ended = bridge.end();
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("went away"), "{}", ended.stderr);
    Ok(())
}
