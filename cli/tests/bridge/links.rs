//! Interfaces that go down, come back, and go away.

use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, Sees, Witness, frame};

use crate::common::PATIENCE;
use crate::wires::{QUIET, Wires, end};

pub(crate) fn a_side_may_go_down_and_come_back() -> TestResult {
    let wires = Wires::new()?;
    let name = wires.right.near.name().to_owned();
    let mut bridge = wires.bridge(&[]);
    let injector = Injector::on(&wires.left.far)?;
    {
        let witness = Witness::on(&wires.right.far, Sees::Incoming)?;
        injector.send(&frame::numbered(0, 60))?;
        assert_eq!(witness.numbers_until_quiet(QUIET)?, [0]);
    }
    wires.right.near.set_down()?;
    bridge.wait_for(&format!("{name} is down: waiting until it is up"));
    // What is sent to a port that is down has failed; it does not come later.
    for number in 1..6 {
        injector.send(&frame::numbered(number, 60))?;
    }
    std::thread::sleep(QUIET);
    wires.right.set_up()?;
    bridge.wait_for(&format!("{name} is up again"));
    let witness = Witness::on(&wires.right.far, Sees::Incoming)?;
    let back = Witness::on(&wires.left.far, Sees::Incoming)?;
    injector.send(&frame::numbered(6, 60))?;
    Injector::on(&wires.right.far)?.send(&frame::numbered(7, 60))?;
    let came = witness.receive(PATIENCE)?.ok_or("nothing comes")?;
    assert_eq!(frame::number(&came.bytes), Some(6));
    let came = back.receive(PATIENCE)?.ok_or("nothing comes back")?;
    assert_eq!(frame::number(&came.bytes), Some(7));
    let ended = end(bridge);
    assert_eq!(
        wires.counts(&ended.stderr),
        [[7, 2, 0, 5], [1, 1, 0, 0]],
        "{}",
        ended.stderr
    );
    Ok(())
}

pub(crate) fn an_interface_that_goes_away_ends_it() -> TestResult {
    let wires = Wires::new()?;
    let name = wires.right.near.name().to_owned();
    let bridge = wires.bridge(&[]);
    wires.right.delete()?;
    let ended = bridge.end();
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
    let text = format!("{name} went away");
    assert!(ended.stderr.contains(&text), "{}", ended.stderr);
    Ok(())
}
