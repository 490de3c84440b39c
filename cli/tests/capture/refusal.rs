//! What cannot be done, and how that is told.

use std::process::Command;

use packet_ring_lab::frame;
use packet_ring_lab::suite::{TestResult, skip};

use crate::common::{Capture, Directory, has, run, send, tool, wire};
use crate::seen::assert_summary;

pub(crate) fn exit_codes_tell_what_happened() -> TestResult {
    let (pair, _injector) = wire()?;
    let far = pair.far.name();
    let cases: [(&[&str], i32, &str); 9] = [
        (
            &["capture", "-i", "no-such-if"],
            4,
            "there is no interface no-such-if",
        ),
        (
            &["capture", "-i", "any"],
            4,
            "'any' is not supported: packets come from one interface",
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

pub(crate) fn without_libpcap_only_expressions_are_refused() -> TestResult {
    let directory = Directory::new("no-libpcap");
    // The dynamic linker takes the first file of the name, and this is no library.
    for name in ["libpcap.so.0.8", "libpcap.so.1"] {
        std::fs::write(directory.join(name), "none")?;
    }
    let without = |arguments: &[&str]| {
        let mut command = tool();
        command
            .env("LD_LIBRARY_PATH", directory.join(""))
            .args(arguments);
        Capture::spawn(&mut command)
    };
    let (pair, injector) = wire()?;
    let far = pair.far.name();
    let refused = without(&["capture", "-i", far, "udp", "port", "53"]).end();
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    for text in [
        "the filter 'udp port 53' needs libpcap",
        "apt install libpcap0.8",
        "--bpf FILE",
    ] {
        assert!(refused.stderr.contains(text), "{text}: {}", refused.stderr);
    }
    let doctor = without(&["doctor"]).end();
    assert_eq!(doctor.status.code(), Some(0), "{}", doctor.stdout);
    assert!(
        doctor.stdout.contains("filters     no: install libpcap"),
        "{}",
        doctor.stdout
    );

    let listing = directory.join("udp.bpf");
    std::fs::write(&listing, run(["capture", "-i", far, "-ddd", "udp"]).stdout)?;
    let listing = listing.to_str().ok_or("a path in UTF-8")?;
    let mut capture = without(&["capture", "-i", far, "--bpf", listing]);
    capture.wait_for("listening on");
    injector.send(&frame::numbered(0, 60))?;
    send(&injector, 1..3, 60)?;
    assert_summary(&capture.interrupt(), 2, 2, 0);
    Ok(())
}
