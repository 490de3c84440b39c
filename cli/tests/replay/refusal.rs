//! What cannot be done, and how that is told.

use std::fs::File;
use std::process::Command;

use packet_ring_lab::suite::{TestResult, skip};
use packet_ring_lab::{VethOptions, VethPair};
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapWriter};
use pcap_file::pcapng::PcapNgWriter;

use crate::common::{Capture, Directory, has, run};
use crate::written::{add, interface, plain};

pub(crate) fn what_cannot_be_replayed_is_told() -> TestResult {
    let directory = Directory::new("refused");
    let pair = VethPair::create(&VethOptions::default())?;
    let near = pair.near.name();
    let good = plain(&directory, [])?;
    let raw = directory.join("raw.pcap");
    let header = PcapHeader {
        datalink: DataLink::RAW,
        ..PcapHeader::default()
    };
    PcapWriter::with_header(File::create(&raw)?, header)?;
    let mixed = directory.join("mixed.pcapng");
    let mut writer = PcapNgWriter::new(File::create(&mixed)?)?;
    writer.write_pcapng_block(interface(DataLink::ETHERNET, None))?;
    writer.write_pcapng_block(interface(DataLink::LINUX_SLL, None))?;
    add(&mut writer, 0, 0, &[0; 60], 60)?;
    drop(writer);
    let text = directory.join("text");
    std::fs::write(&text, "no packets in here, only a sentence\n")?;
    let nothing = directory.join("nothing");
    std::fs::write(&nothing, "")?;
    let paths = [&good, &raw, &mixed, &text, &nothing];
    let [good, raw, mixed, text, nothing] = paths.map(|path| path.to_str().unwrap_or_default());
    let cases: [(&[&str], i32, &str); 11] = [
        (&["-i", "no-such-if", good], 4, "no interface no-such-if"),
        (&["-i", near, "/no/such/file"], 1, "/no/such/file: "),
        (
            &["-i", near, raw],
            1,
            "the file has link type 101, and only Ethernet (1)",
        ),
        (&["-i", near, mixed], 1, "interface 1 has link type 113"),
        (&["-i", near, text], 1, "text: neither pcap nor pcapng"),
        (
            &["-i", near, nothing],
            1,
            "nothing: neither pcap nor pcapng",
        ),
        (&["-i", near, "-l", "2", "-"], 2, "only once"),
        (
            &["-i", near, "-t", "-p", "5", good],
            2,
            "cannot be used with",
        ),
        (
            &["-i", near, "--rate", "fast", good],
            2,
            "'fast' is no number",
        ),
        (&["-i", near], 2, "FILE"),
        (&[good], 2, "--interface"),
    ];
    for (arguments, code, text) in cases {
        let ended = run(["replay"].iter().chain(arguments));
        let stderr = &ended.stderr;
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
    }
    assert_eq!(pair.far.counters()?.rx_packets, 0);
    Ok(())
}

pub(crate) fn without_permission_it_prints_the_setcap_line() -> TestResult {
    if !has("unshare") {
        return skip("unshare (util-linux) is not installed");
    }
    let directory = Directory::new("permission");
    let pair = VethPair::create(&VethOptions::default())?;
    let file = plain(&directory, [])?;
    let tool = env!("CARGO_BIN_EXE_packet-ring");
    // In a user namespace of its own, the process has no capability over this network namespace.
    let mut command = Command::new("unshare");
    command
        .args(["--user", tool, "replay", "-i", pair.near.name()])
        .arg(file);
    let ended = Capture::spawn(&mut command).end();
    assert_eq!(ended.status.code(), Some(3), "{}", ended.stderr);
    let line = format!("sudo setcap cap_net_raw=ep {tool}");
    assert!(ended.stderr.contains(&line), "{}", ended.stderr);
    Ok(())
}
