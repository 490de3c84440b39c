//! What cannot be done, and how that is told.

use std::process::Command;

use packet_ring_lab::suite::{TestResult, skip};

use crate::common::{Capture, has, run, wire};

pub(crate) fn exit_codes_tell_what_happened() -> TestResult {
    let (pair, _injector) = wire()?;
    let far = pair.far.name();
    let cases: [(&[&str], i32, &str); 8] = [
        (
            &["capture", "-i", "no-such-if"],
            4,
            "there is no interface no-such-if",
        ),
        (&["capture", "--bogus"], 2, "--bogus"),
        (
            &["capture", "-i", far, "port", "nonsense"],
            2,
            "filter 'port nonsense'",
        ),
        (
            &["capture", "-i", far, "-w", "/no/such/directory/x"],
            1,
            "/no/such/directory/x",
        ),
        (
            &["capture", "-i", far, "-w", "x", "-b", "files:2"],
            2,
            "add -b duration:",
        ),
        (
            &["capture", "-i", far, "-a", "filesize:2"],
            2,
            "add -w FILE",
        ),
        (
            &["capture", "-i", far, "-B", "1", "-s", "262143"],
            2,
            "smaller snap length",
        ),
        (
            &["capture", "-i", far, "--bpf", "/no/such/file"],
            1,
            "/no/such/file",
        ),
    ];
    for (arguments, code, text) in cases {
        let ended = run(arguments);
        assert_eq!(
            ended.status.code(),
            Some(code),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains(text),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
    Ok(())
}

pub(crate) fn without_permission_it_prints_the_setcap_line() -> TestResult {
    if !has("unshare") {
        return skip("unshare (util-linux) is not installed");
    }
    let (pair, _injector) = wire()?;
    let tool = env!("CARGO_BIN_EXE_packet-ring");
    // In a user namespace of its own, the process has no capability over this network namespace.
    for expression in [&[][..], &["udp"]] {
        let ended = Capture::spawn(
            Command::new("unshare")
                .args(["--user", tool, "capture", "-i", pair.far.name()])
                .args(expression),
        )
        .end();
        assert_eq!(ended.status.code(), Some(3), "{}", ended.stderr);
        assert!(
            ended
                .stderr
                .contains(&format!("sudo setcap cap_net_raw=ep {tool}")),
            "{}",
            ended.stderr
        );
    }
    let doctor = Capture::spawn(Command::new("unshare").args(["--user", tool, "doctor"])).end();
    assert_eq!(doctor.status.code(), Some(3));
    assert!(
        doctor
            .stdout
            .contains(&format!("sudo setcap cap_net_raw=ep {tool}")),
        "{}",
        doctor.stdout
    );
    Ok(())
}

pub(crate) fn doctor_and_the_list_name_every_interface() -> TestResult {
    let (pair, _injector) = wire()?;
    pair.near.set_down()?;
    for arguments in [&["doctor"][..], &["capture", "-D"]] {
        let ended = run(arguments);
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        for line in [
            "lo (up, running, loopback): can be captured".to_owned(),
            format!("{} (down): can be captured once it is up", pair.near.name()),
        ] {
            assert!(ended.stdout.contains(&line), "{line}: {}", ended.stdout);
        }
    }
    Ok(())
}
