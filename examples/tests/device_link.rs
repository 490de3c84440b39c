//! The link under a network stack's device: what it is told, and what waits for it.

mod wired;

use std::time::Instant;

use packet_ring::device::{Device, Rings, XdpDevice};
use packet_ring::packet::LinkState;
use packet_ring::{Deadline, Error, OnSignal, Wake};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{frame, suite};
use wired::{
    PATIENCE, QUIET, ROOM, Wire, assert_come, frames, over_both, receive, rights, transmit,
};

fn what_a_link_that_is_down_does_not_take_waits_for_it() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        for turn in 0..3 {
            wire.pair.far.set_down()?;
            let sent = frames(turn * 100..turn * 100 + ROOM as u64);
            for sent in &sent {
                assert!(transmit(device, sent));
            }
            assert!(!transmit(device, &sent[0]), "there is no room left");
            assert_eq!(receive(device), None);
            assert_eq!(device.take_error(), Err(Error::LinkDown));
            assert_eq!(device.link_state(), Ok(LinkState::Down));
            wire.pair.set_up()?;
            // What any program does. That the link was down is told once.
            let mut told = 0;
            while let Err(error) = device.wait(Deadline::after(QUIET), OnSignal::Continue) {
                assert_eq!(error, Error::LinkDown);
                told += 1;
            }
            assert!(told <= 1, "told {told} times");
            wire.assert_arrive(&sent)?;
            assert_eq!(device.link_state(), Ok(LinkState::Running));
            while device.take_error().is_err() {}
            assert_eq!(device.take_error(), Ok(()));
            let sent = frames(turn..turn + 1);
            assert!(transmit(device, &sent[0]));
            wire.assert_arrive(&sent)?;
            wire.injector.send_batch(&sent)?;
            assert_come(device, &sent)?;
        }
        Ok(())
    }
    over_both!(test)
}

fn a_link_that_is_down_is_told_once_and_then_at_deadlines() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        for waiting in [0, 1, ROOM] {
            let woken = device.wait(Deadline::PASSED, OnSignal::Continue);
            assert_eq!(woken, Ok(Wake::TimedOut));
            wire.pair.far.set_down()?;
            for sent in &frames(0..waiting as u64) {
                assert!(transmit(device, sent));
            }
            let start = Instant::now();
            let long = Deadline::after(PATIENCE);
            assert_eq!(device.wait(long, OnSignal::Continue), Err(Error::LinkDown));
            assert!(start.elapsed() < PATIENCE / 2);
            for _ in 0..2 {
                // Longer than every nap.
                let (start, time) = (Instant::now(), 3 * QUIET);
                let told = device.wait(Deadline::after(time), OnSignal::Continue);
                assert_eq!(told, Err(Error::LinkDown));
                assert!(
                    start.elapsed() >= time,
                    "{:?}, {waiting} waiting",
                    start.elapsed()
                );
            }
            wire.pair.set_up()?;
            while device.wait(Deadline::after(QUIET), OnSignal::Continue) != Ok(Wake::TimedOut) {}
            wire.assert_arrive(&frames(0..waiting as u64))?;
        }
        Ok(())
    }
    over_both!(test)
}

fn the_link_is_told_with_its_carrier() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        let becomes = |device: &mut Device<R>, state| {
            let deadline = Deadline::after(PATIENCE);
            while device.link_state()? != state && !deadline.has_passed() {
                std::thread::yield_now();
            }
            assert_eq!(device.link_state(), Ok(state));
            TestResult::Ok(())
        };
        becomes(device, LinkState::Running)?;
        wire.pair.near.set_down()?;
        becomes(device, LinkState::NoCarrier)?;
        wire.pair.far.set_down()?;
        becomes(device, LinkState::Down)?;
        wire.pair.set_up()?;
        becomes(device, LinkState::Running)
    }
    over_both!(test)
}

fn an_interface_that_is_gone_is_an_error_and_no_panic() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        wire.pair.delete()?;
        assert!(transmit(device, &frame::numbered(0, 60)));
        assert_eq!(device.take_error(), Err(Error::LinkGone));
        assert_eq!(device.take_error(), Err(Error::LinkGone));
        assert_eq!(device.link_state(), Err(Error::LinkGone));
        assert_eq!(receive(device), None);
        let soon = Deadline::after(QUIET);
        assert_eq!(device.wait(soon, OnSignal::Continue), Err(Error::LinkGone));
        Ok(())
    }
    let wire = Wire::new()?;
    wire.with_packet(|mut device| test(&mut device, &wire))?;
    if rights::map()?.is_none() {
        return Ok(());
    }
    let wire = Wire::new()?;
    let (socket, _umem, pool) = wire.xdp_socket()?;
    test(&mut XdpDevice::new(socket, pool)?, &wire)
}

suite![
    what_a_link_that_is_down_does_not_take_waits_for_it,
    a_link_that_is_down_is_told_once_and_then_at_deadlines,
    the_link_is_told_with_its_carrier,
    an_interface_that_is_gone_is_an_error_and_no_panic,
];
