//! What cannot be done, and how that is told.

use std::process::Command;

use packet_ring_lab::suite::{TestResult, skip};

use crate::common::{Capture, has, run};
use crate::wires::Wires;

pub(crate) fn what_cannot_be_bridged_is_told() -> TestResult {
    let wires = Wires::new()?;
    let [left, right] = [&wires.left, &wires.right].map(|pair| pair.near.name());
    let cases: [(&[&str], i32, &str); 5] = [
        (&[left, left], 2, "a bridge needs two interfaces"),
        (&[left, "no-such-if"], 4, "no interface no-such-if"),
        (&["lo", left], 4, "lo cannot be bridged"),
        (&[left], 2, "<IFACE> <IFACE>"),
        (&[left, right, "port", "nonsense"], 2, "port nonsense"),
    ];
    for (arguments, code, text) in cases {
        if arguments.len() > 2 && !has("tcpdump") {
            continue;
        }
        let ended = run(["bridge"].iter().chain(arguments));
        let stderr = &ended.stderr;
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
    }
    Ok(())
}

pub(crate) fn without_permission_it_prints_the_setcap_line() -> TestResult {
    if !has("unshare") {
        return skip("unshare (util-linux) is not installed");
    }
    let wires = Wires::new()?;
    let tool = env!("CARGO_BIN_EXE_packet-ring");
    // In a user namespace of its own, the process has no capability over this network namespace.
    let mut command = Command::new("unshare");
    command.args(["--user", tool, "bridge"]);
    command.args([&wires.left, &wires.right].map(|pair| pair.near.name()));
    let ended = Capture::spawn(&mut command).end();
    assert_eq!(ended.status.code(), Some(3), "{}", ended.stderr);
    let line = format!("sudo setcap cap_net_raw=ep {tool}");
    assert!(ended.stderr.contains(&line), "{}", ended.stderr);
    Ok(())
}
