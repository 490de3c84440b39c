//! Signals, and what happens to the interface.

use core::time::Duration;

use packet_ring_lab::suite::TestResult;
use rustix::process::Signal;

use crate::common::{Capture, Directory, send, wire};
use crate::seen::{assert_summary, numbers};

pub(crate) fn a_signal_ends_it_with_all_that_was_received() -> TestResult {
    let directory = Directory::new("signals");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    for signal in [Signal::INT, Signal::TERM] {
        let capture = Capture::into_file(&pair.far, &file, []);
        // They lie in the block that the kernel has open when the signal comes.
        send(&injector, 0..100, 60)?;
        capture.signal(signal);
        let ended = capture.end();
        assert_eq!(ended.status.code(), Some(0));
        assert_summary(&ended, 100, 100, 0);
        assert_eq!(numbers(&file), Vec::from_iter(0..100));
    }
    Ok(())
}

pub(crate) fn a_user_signal_asks_for_statistics() -> TestResult {
    let (pair, injector) = wire()?;
    let mut capture = Capture::start(["-i", pair.far.name()]);
    send(&injector, 0..3, 60)?;
    std::thread::sleep(Duration::from_millis(100));
    capture.signal(Signal::USR1);
    capture
        .wait_for("3 packets captured, 3 packets received by filter, 0 packets dropped by kernel");
    send(&injector, 3..4, 60)?;
    assert_summary(&capture.interrupt(), 4, 4, 0);
    Ok(())
}

pub(crate) fn an_interface_may_go_down_and_come_back() -> TestResult {
    let (pair, injector) = wire()?;
    let mut capture = Capture::start(["-i", pair.far.name()]);
    send(&injector, 0..1, 60)?;
    pair.far.set_down()?;
    capture.wait_for("is down: waiting until it is up");
    pair.set_up()?;
    capture.wait_for("is up again");
    send(&injector, 1..2, 60)?;
    let ended = capture.interrupt();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.stdout.lines().count(), 2, "{}", ended.stdout);
    Ok(())
}

pub(crate) fn an_interface_that_goes_away_is_an_error() -> TestResult {
    let directory = Directory::new("gone");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::into_file(&pair.far, &file, []);
    send(&injector, 0..3, 60)?;
    pair.delete()?;
    let ended = capture.end();
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("went away"), "{}", ended.stderr);
    assert_eq!(numbers(&file), [0, 1, 2]);
    Ok(())
}
