//! `packet-ring bench`: both ways stand beside each other, as a table, as JSON and as a plot; or it says why not.

mod common;

use std::process::Command;

use common::{Capture, Directory, run, tool};
use packet_ring::xdp::Xskmap;
use packet_ring_lab::is_root_of_the_host;
use packet_ring_lab::suite::TestResult;
use serde_json::Value;

const QUICK: [&str; 5] = ["bench", "--runs", "2", "-c", "5000"];
const NAMES: [&str; 3] = ["tx", "rx", "latency"];

/// Whether programs may be loaded; root of the host must be able to.
fn may() -> Result<bool, packet_ring_lab::suite::Stopped> {
    let may = Xskmap::create(1).is_ok();
    if !may {
        assert!(!is_root_of_the_host()?);
        println!("WITHOUT CAP_BPF bench: that it says so was tested, and no more");
    }
    Ok(may)
}

fn both_ways_stand_in_the_table_and_in_the_plot() -> TestResult {
    let may = may()?;
    let directory = Directory::new("bench");
    let file = directory.join("bench.svg");
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let ended = run(QUICK.iter().chain(&["--svg", path]));
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    for name in NAMES {
        let line = ended.stdout.lines().find(|line| line.starts_with(name));
        let line = line.ok_or_else(|| format!("no {name}: {}", ended.stdout))?;
        let figures = line.split_whitespace().skip(1).take(2);
        let figures: Vec<Option<f64>> = figures.map(|word| word.parse().ok()).collect();
        assert!(figures[0].is_some_and(|figure| figure > 0.0), "{line}");
        assert_eq!(figures[1].is_some(), may || name == "tx", "{line}");
    }
    let text = "sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon=ep";
    assert_eq!(ended.stderr.contains(text), !may, "{}", ended.stderr);
    let svg = std::fs::read_to_string(file)?;
    assert!(
        svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
        "{svg}"
    );
    assert_eq!(svg.matches("AF_PACKET ").count(), 3, "{svg}");
    assert_eq!(
        svg.matches("AF_XDP ").count(),
        if may { 3 } else { 1 },
        "{svg}"
    );
    Ok(())
}

fn json_holds_every_run() -> TestResult {
    let may = may()?;
    let ended = run(QUICK.iter().chain(&["--json"]));
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout)?;
    assert_eq!(report["packets"], 5000);
    assert_eq!(report["refused"].is_null(), may);
    for (number, name) in NAMES.iter().enumerate() {
        let measured = &report["measurements"][number];
        assert_eq!(measured["name"], *name);
        let runs = |way: &str| measured[way].as_array().map(Vec::len);
        assert_eq!(runs("af_packet"), Some(2));
        let expected = if may || *name == "tx" { 2 } else { 0 };
        assert_eq!(runs("af_xdp"), Some(expected));
    }
    Ok(())
}

/// Root may lock what it likes; for others each run has room only when the one before has let go.
fn what_a_run_had_locked_the_next_waits_for() -> TestResult {
    let mut limited = Command::new("prlimit");
    limited.arg("--memlock=4718592").arg(tool().get_program());
    let ended =
        Capture::spawn(limited.args(["bench", "--runs", "10", "-c", "1000", "--json"])).end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout)?;
    let runs = report["measurements"][0]["af_xdp"].as_array();
    assert_eq!(runs.map(Vec::len), Some(10));
    Ok(())
}

packet_ring_lab::suite![
    both_ways_stand_in_the_table_and_in_the_plot,
    json_holds_every_run;
    alone: what_a_run_had_locked_the_next_waits_for,
];
