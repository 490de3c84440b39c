//! The live counter, on a terminal of the test's own.

use std::process::{Child, Stdio};

use packet_ring_lab::suite::TestResult;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::screen::Screen;
use crate::common::{Capture, Directory, send, tool, wire};

fn end(mut child: Child) -> TestResult {
    kill_process(Pid::from_child(&child), Signal::INT)?;
    assert_eq!(child.wait()?.code(), Some(0));
    Ok(())
}

pub(crate) fn a_terminal_shows_the_counter_and_then_the_summary() -> TestResult {
    let directory = Directory::new("counter");
    let (pair, injector) = wire()?;
    let (mut screen, terminal) = Screen::new()?;
    let child = tool()
        .args(["capture", "-i", pair.far.name(), "-w"])
        .arg(directory.join("x.pcapng"))
        .env("TERM", "xterm")
        .stderr(terminal)
        .spawn()?;
    screen.wait_for("listening on")?;
    send(&injector, 0..1234, 60)?;
    screen.wait_for("1,234 packets, ")?;
    screen.wait_for(" a second, ")?;
    screen.wait_for(", 0 dropped")?;
    screen.text.clear();
    end(child)?;
    screen.wait_for("1234 packets captured")?;
    // The counter's line is erased (EL) before the summary stands in its place.
    let summary = screen.text.find("1234 packets captured");
    let erased = screen.text[..summary.unwrap_or_default()].rfind("\x1b[2K");
    let counter = screen.text.rfind("1,234 packets, ");
    assert!(erased.is_some() && erased > counter, "{:?}", screen.text);
    Ok(())
}

pub(crate) fn a_quiet_capture_and_a_pipe_have_no_counter() -> TestResult {
    let directory = Directory::new("no-counter");
    let file = directory.join("x.pcapng");
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let (pair, injector) = wire()?;
    let (mut screen, terminal) = Screen::new()?;
    let quiet = tool()
        .args(["capture", "-q", "-i", pair.far.name(), "-w", "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stderr(terminal)
        .spawn()?;
    screen.wait_for("listening on")?;
    let pipe = Capture::start(["-i", pair.far.name(), "-w", path, "-a", "duration:0.7"]);
    send(&injector, 0..10, 60)?;
    let ended = pipe.end();
    assert!(!ended.stderr.contains(" a second"), "{}", ended.stderr);
    end(quiet)?;
    screen.wait_for("10 packets captured")?;
    assert!(!screen.text.contains(" a second"), "{:?}", screen.text);
    Ok(())
}
