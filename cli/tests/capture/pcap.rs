//! What a classic file holds (`-P`).

use core::time::Duration;
use std::time::SystemTime;

use packet_ring_lab::frame;
use packet_ring_lab::suite::{TestResult, skip};

use crate::common::{Capture, Directory, has, output, send, tcpdump, wire};
use crate::seen::{assert_summary, pcap_packets};

pub(crate) fn classic_pcap_is_read_by_tcpdump_and_capinfos() -> TestResult {
    if !has("tcpdump") || !has("unshare") || !has("capinfos") {
        return skip("tcpdump, unshare or capinfos is not installed");
    }
    let directory = Directory::new("pcap-readers");
    let file = directory.join("x.pcap");
    let (pair, injector) = wire()?;
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let capture = Capture::start(["-i", pair.far.name(), "-P", "-w", path, "udp"]);
    send(&injector, 0..1000, 333)?;
    assert_summary(&capture.interrupt(), 1000, 1000, 0);
    let lines = tcpdump(&[], &file);
    assert_eq!(lines.lines().count(), 1000);
    assert!(
        lines.lines().all(|line| line.ends_with("UDP, length 291")),
        "{lines}"
    );
    let told = output("capinfos", &["-M"], &file);
    for expected in [
        "File type:           nsecpcap",
        "Encapsulation = Ethernet (1 - ether)",
        "Time precision = nanoseconds (9)",
        "Packet size limit:   file hdr: 262144 bytes",
        "Number of packets:   1000",
        "Data size:           333000 bytes",
        "File size:           349024 bytes",
        "Strict time order:   True",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    Ok(())
}

pub(crate) fn classic_pcap_keeps_every_byte_and_the_time() -> TestResult {
    let directory = Directory::new("pcap-bytes");
    let file = directory.join("x.pcap");
    let (pair, injector) = wire()?;
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let capture = Capture::start(["-i", pair.far.name(), "-P", "-w", path]);
    let since_1970 = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let before = since_1970()?;
    let sent: Vec<_> = (0..50)
        .map(|number| match number % 2 {
            0 => frame::numbered_udp(number, 60 + number as usize),
            _ => frame::numbered_vlan(5, number, 80),
        })
        .collect();
    for frame in &sent {
        injector.send(frame)?;
    }
    let after = since_1970()?;
    assert!(capture.interrupt().status.success());
    let packets = pcap_packets(&file);
    assert_eq!(packets.len(), sent.len());
    for (packet, sent) in packets.iter().zip(&sent) {
        assert_eq!(packet.data.as_ref(), sent);
        assert_eq!(packet.orig_len as usize, sent.len());
        let time = Duration::new(packet.ts_sec.into(), packet.ts_frac);
        assert!((before..=after).contains(&time), "{time:?}");
    }
    Ok(())
}

pub(crate) fn classic_pcap_is_cut_rotated_and_streamed_like_pcapng() -> TestResult {
    let directory = Directory::new("pcap-rotation");
    let (pair, injector) = wire()?;
    let path = directory.join("x.pcap");
    let path = path.to_str().ok_or("a path in UTF-8")?;
    let capture = Capture::start([
        "-i",
        pair.far.name(),
        "-P",
        "-s",
        "60",
        "-w",
        path,
        "-b",
        "packets:10",
        "-b",
        "files:2",
        "-c",
        "25",
    ]);
    send(&injector, 0..25, 1000)?;
    assert!(capture.end().status.success());
    let held: Vec<Vec<_>> = directory
        .names()
        .iter()
        .map(|name| {
            let packets = pcap_packets(&directory.join(name));
            let whole = packets
                .iter()
                .all(|packet| packet.orig_len == 1000 && packet.data.len() == 60);
            assert!(whole, "{packets:?}");
            packets
                .iter()
                .filter_map(|packet| frame::number(&packet.data))
                .collect()
        })
        .collect();
    assert_eq!(held, [Vec::from_iter(10..20), Vec::from_iter(20..25)]);

    let capture = Capture::start(["-i", pair.far.name(), "-P", "-w", "-", "-c", "3"]);
    send(&injector, 0..3, 60)?;
    let streamed = directory.join("streamed");
    std::fs::write(&streamed, capture.end().bytes)?;
    assert_eq!(pcap_packets(&streamed).len(), 3);
    Ok(())
}
