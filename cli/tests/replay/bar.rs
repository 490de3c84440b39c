//! The progress bar, on a terminal of the test's own.

use core::time::Duration;

use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{VethOptions, VethPair, frame};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::screen::Screen;
use crate::common::{Directory, tool};
use crate::written::plain;

pub(crate) fn a_terminal_shows_the_bar_unless_told_otherwise() -> TestResult {
    let directory = Directory::new("bar");
    let pair = VethPair::create(&VethOptions::default())?;
    let packets = (0..100).map(|number| (Duration::ZERO, frame::numbered(number, 60)));
    let file = plain(&directory, packets)?;
    for flags in [&[][..], &["--quiet"]] {
        let (mut screen, terminal) = Screen::new()?;
        let mut child = tool()
            .args([
                "replay",
                "-i",
                pair.near.name(),
                "--pps",
                "100",
                "--loop",
                "100",
            ])
            .args(flags)
            .arg(&file)
            .env("TERM", "xterm")
            .stderr(terminal)
            .spawn()?;
        if flags.is_empty() {
            // A lap takes a second: what follows is seen in the second of a hundred.
            screen.wait_for("% 1")?;
            screen.wait_for(" packets, ")?;
        } else {
            std::thread::sleep(Duration::from_secs(1));
        }
        kill_process(Pid::from_child(&child), Signal::INT)?;
        assert_eq!(child.wait()?.code(), Some(0));
        screen.wait_for(" failed")?;
        assert_eq!(
            screen.text.contains(" left"),
            flags.is_empty(),
            "{:?}",
            screen.text
        );
    }
    Ok(())
}
