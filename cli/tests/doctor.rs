//! `packet-ring doctor` on AF_XDP: what each interface has, and what this user lacks.

mod common;

use common::rights::may_load;
use common::{Capture, run};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{VethOptions, VethPair};

fn doctor() -> String {
    let ended = run(["doctor"]);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    ended.stdout
}

/// The line behind the interface's own.
fn of_interface<'t>(text: &'t str, name: &str) -> &'t str {
    let mut lines = text.lines();
    let found = lines.find(|line| line.contains(&format!(" {name} (")));
    assert!(found.is_some(), "{name}: {text}");
    lines.next().unwrap_or_default().trim()
}

fn it_tells_queues_and_the_program_of_each_interface() -> TestResult {
    let pair = VethPair::create(&VethOptions {
        queues: 4,
        ..VethOptions::default()
    })?;
    let far = pair.far.name();
    assert_eq!(of_interface(&doctor(), far), "4 queues, no XDP program");
    assert_eq!(of_interface(&doctor(), "lo"), "1 queue, no XDP program");
    if !may_load(["capture", "-i", far, "--xdp"])? {
        return Ok(());
    }
    for mode in ["native", "generic"] {
        let capture = Capture::start(["-i", far, &format!("--xdp={mode}")]);
        let program = pair.far.xdp()?.and_then(|xdp| xdp.program).ok_or("none")?;
        assert_eq!(
            of_interface(&doctor(), far),
            format!("4 queues, XDP program {program} (packet_ring) in {mode} mode")
        );
        capture.interrupt();
    }
    Ok(())
}

fn it_says_who_may_load_programs_and_what_memory_there_is() -> TestResult {
    let (pair, _injector) = common::wire()?;
    let text = doctor();
    let may = may_load(["capture", "-i", pair.far.name(), "--xdp"])?;
    assert_eq!(text.contains("yes: this user may load XDP programs"), may);
    let line = format!(
        "sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon=ep {}",
        env!("CARGO_BIN_EXE_packet-ring")
    );
    assert_eq!(text.contains(&line), !may, "{text}");
    for what in ["RLIMIT_MEMLOCK", "transparent huge pages: ", "(since 6.6)"] {
        assert!(text.contains(what), "{what}: {text}");
    }
    Ok(())
}

packet_ring_lab::suite![
    it_tells_queues_and_the_program_of_each_interface,
    it_says_who_may_load_programs_and_what_memory_there_is,
];
