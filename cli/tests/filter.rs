//! An expression means exactly what it means to tcpdump: the same instructions, byte for byte.

mod common;

use std::process::Command;

use common::{has, run};
use packet_ring_lab::suite::{TestResult, skip};
use packet_ring_lab::{VethOptions, VethPair};

/// What people ask for.
const EXPRESSIONS: &[&str] = &[
    "ip",
    "ip6",
    "arp",
    "rarp",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "igmp",
    "sctp",
    "esp",
    "ah",
    "vrrp",
    "host 192.0.2.1",
    "src host 192.0.2.1",
    "dst 192.0.2.1",
    "not host 192.0.2.1",
    "host 192.0.2.1 or host 192.0.2.2",
    "ip6 host 2001:db8::1",
    "net 192.0.2.0/24",
    "src net 10",
    "dst net 192.0.2.0 mask 255.255.255.0",
    "ip6 net 2001:db8::/32",
    "port 53",
    "src port 53",
    "dst port 443",
    "portrange 1000-2000",
    "tcp port 80",
    "udp port 53",
    "tcp dst port 22 and not src host 192.0.2.1",
    "port 80 or port 443",
    "tcp and (port 80 or port 443)",
    "not port 22",
    "udp portrange 5000-5010",
    "ether host 02:00:00:00:00:01",
    "ether src 02:00:00:00:00:01",
    "ether dst ff:ff:ff:ff:ff:ff",
    "ether proto 0x88b5",
    "ether proto \\arp",
    "broadcast",
    "multicast",
    "ip broadcast",
    "ip multicast",
    "ip6 multicast",
    "vlan",
    "vlan 5",
    "vlan 5 and tcp",
    "vlan 5 and vlan 6",
    "not vlan",
    "vlan and host 192.0.2.1",
    "mpls",
    "pppoes",
    "inbound",
    "outbound",
    "inbound and tcp",
    "outbound and vlan 7",
    "less 100",
    "greater 1000",
    "len > 64",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp[13] = 2",
    "tcp[tcpflags] == tcp-ack",
    "ip[0] & 0xf != 5",
    "ip[6:2] & 0x1fff = 0",
    "ether[0] & 1 = 1",
    "icmp[icmptype] = icmp-echo",
    "udp[8:4] = 0xdeadbeef",
    "proto 47",
    "ip proto \\tcp",
    "ip6 proto 17",
    "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
];

fn every_expression_compiles_to_tcpdumps_instructions() -> TestResult {
    if !has("tcpdump") {
        return skip("tcpdump is not installed");
    }
    let pair = VethPair::create(&VethOptions::default())?;
    for expression in EXPRESSIONS {
        let arguments = ["-i", pair.near.name(), "-s", "96", "-ddd", expression];
        let theirs = Command::new("tcpdump").args(arguments).output()?;
        assert!(
            theirs.status.success(),
            "{expression}: {}",
            String::from_utf8_lossy(&theirs.stderr)
        );
        let ours = run(["capture"].iter().chain(&arguments));
        assert!(ours.status.success(), "{expression}: {}", ours.stderr);
        assert_eq!(
            ours.stdout,
            String::from_utf8_lossy(&theirs.stdout),
            "{expression}"
        );
    }
    Ok(())
}

fn the_c_form_is_tcpdumps_too() -> TestResult {
    if !has("tcpdump") {
        return skip("tcpdump is not installed");
    }
    let arguments = ["-i", "lo", "-dd", "udp port 53"];
    let theirs = Command::new("tcpdump").args(arguments).output()?;
    let ours = run(["capture"].iter().chain(&arguments));
    assert_eq!(ours.stdout, String::from_utf8_lossy(&theirs.stdout));
    Ok(())
}

fn what_tcpdump_printed_is_taken_as_a_filter() -> TestResult {
    let directory = common::Directory::new("listing");
    let file = directory.join("udp.bpf");
    for form in ["-dd", "-ddd"] {
        let printed = run(["capture", "-i", "lo", form, "udp"]).stdout;
        std::fs::write(&file, &printed)?;
        let read = run([
            "capture",
            "-i",
            "lo",
            form,
            "--bpf",
            file.to_str().ok_or("a path in UTF-8")?,
        ]);
        assert_eq!(read.stdout, printed);
    }
    Ok(())
}

fn nonsense_is_refused_with_what_libpcap_says() -> TestResult {
    let ended = run(["capture", "-i", "lo", "prot", "tcp"]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(
        ended.stderr.contains("filter 'prot tcp':"),
        "{}",
        ended.stderr
    );
    Ok(())
}

fn a_broken_listing_is_refused_by_line() -> TestResult {
    let directory = common::Directory::new("broken");
    let file = directory.join("broken.bpf");
    std::fs::write(&file, "2\n6 0 0 1\n6 0 zero 1\n")?;
    let ended = run([
        "capture",
        "-i",
        "lo",
        "--bpf",
        file.to_str().ok_or("a path in UTF-8")?,
    ]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(
        ended.stderr.contains("broken.bpf: line 3: "),
        "{}",
        ended.stderr
    );
    Ok(())
}

packet_ring_lab::suite![
    every_expression_compiles_to_tcpdumps_instructions,
    the_c_form_is_tcpdumps_too,
    what_tcpdump_printed_is_taken_as_a_filter,
    nonsense_is_refused_with_what_libpcap_says,
    a_broken_listing_is_refused_by_line,
];
