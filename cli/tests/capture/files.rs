//! What a pcapng file holds.

use core::time::Duration;

use packet_ring_lab::frame;
use packet_ring_lab::suite::{TestResult, skip};
use pcap_file::pcapng::Block;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use rustix::process::Signal;

use crate::common::{Capture, Directory, has, output, send, tcpdump, wire};
use crate::seen::{assert_summary, blocks, numbers, packets};

pub(crate) fn the_snap_length_cuts_packets_and_keeps_their_length() -> TestResult {
    let directory = Directory::new("snap");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    for expression in [None, Some("udp")] {
        let path = file.to_str().ok_or("a path in UTF-8")?;
        let capture = Capture::start(
            ["-i", pair.far.name(), "-s", "60", "-w", path]
                .into_iter()
                .chain(expression),
        );
        send(&injector, 0..5, 1000)?;
        assert_eq!(capture.interrupt().status.code(), Some(0));
        let packets = packets(&file);
        assert_eq!(packets.len(), 5);
        assert!(
            packets
                .iter()
                .all(|packet| packet.data.len() == 60 && packet.original_len == 1000)
        );
    }
    Ok(())
}

pub(crate) fn a_file_is_read_by_tcpdump_and_capinfos() -> TestResult {
    if !has("tcpdump") || !has("capinfos") {
        return skip("tcpdump or capinfos is not installed");
    }
    let directory = Directory::new("readers");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::into_file(&pair.far, &file, ["udp", "or", "arp"]);
    send(&injector, 0..1000, 333)?;
    let ended = capture.interrupt();
    assert_summary(&ended, 1000, 1000, 0);
    assert_eq!(ended.stdout, "");
    assert_eq!(tcpdump(&[], &file).lines().count(), 1000);
    let told = output("capinfos", &["-M"], &file);
    let name = format!("Name = {}", pair.far.name());
    for expected in [
        "Number of packets:   1000",
        "Time precision = nanoseconds (9)",
        "Filter string = udp or arp",
        "Data size:           333000 bytes",
        "Strict time order:   True",
        &name,
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert_eq!(numbers(&file), Vec::from_iter(0..1000));
    Ok(())
}

pub(crate) fn a_file_ends_with_what_was_counted() -> TestResult {
    let directory = Directory::new("statistics");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::into_file(&pair.far, &file, ["udp"]);
    injector.send(&frame::numbered(0, 60))?;
    send(&injector, 1..8, 60)?;
    assert!(capture.interrupt().status.success());
    let Some(Block::InterfaceStatistics(statistics)) = blocks(&file).pop() else {
        panic!("the last block holds the statistics");
    };
    for option in [
        InterfaceStatisticsOption::IsbIfRecv(8),
        InterfaceStatisticsOption::IsbIfDrop(0),
        InterfaceStatisticsOption::IsbFilterAccept(7),
        InterfaceStatisticsOption::IsbOsDrop(0),
        InterfaceStatisticsOption::IsbUsrDeliv(7),
    ] {
        assert!(
            statistics.options.contains(&option),
            "{option:?}: {:?}",
            statistics.options
        );
    }
    Ok(())
}

pub(crate) fn a_stopped_reader_tells_where_packets_were_lost() -> TestResult {
    let directory = Directory::new("drops");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::into_file(&pair.far, &file, ["-B", "1"]);
    send(&injector, 0..10, 1000)?;
    std::thread::sleep(Duration::from_millis(100));
    capture.signal(Signal::STOP);
    send(&injector, 10..3000, 1000)?;
    capture.signal(Signal::CONT);
    std::thread::sleep(Duration::from_millis(100));
    send(&injector, 3000..4000, 1000)?;
    let ended = capture.interrupt();
    let packets = packets(&file);
    let lost = 4000 - packets.len() as u64;
    assert!(
        lost > 1000,
        "a ring of 1 MiB does not hold 2,990 packets of 1,000 bytes: {lost} lost"
    );
    assert_summary(&ended, packets.len() as u64, 4000, lost);
    let told = |packet: &EnhancedPacketBlock<'_>| {
        packet.options.iter().find_map(|option| match option {
            EnhancedPacketOption::DropCount(drops) => Some(*drops),
            _ => None,
        })
    };
    let mut previous = None;
    for packet in &packets {
        let number = frame::number(&packet.data).ok_or("a numbered frame")?;
        let missing = previous.map_or(number, |previous| number - previous - 1);
        assert_eq!(told(packet).unwrap_or(0), missing, "before packet {number}");
        previous = Some(number);
    }
    Ok(())
}

pub(crate) fn standard_output_takes_pcapng_too() -> TestResult {
    let directory = Directory::new("stdout");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name(), "-w", "-", "-c", "3"]);
    send(&injector, 0..3, 60)?;
    std::fs::write(&file, capture.end().bytes)?;
    assert_eq!(numbers(&file), [0, 1, 2]);
    Ok(())
}

pub(crate) fn a_vlan_tag_is_back_in_the_file() -> TestResult {
    let directory = Directory::new("vlan");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::into_file(&pair.far, &file, ["-c", "1", "vlan", "5"]);
    injector.send(&frame::numbered_vlan(6, 1, 80))?;
    injector.send(&frame::numbered_vlan(5, 2, 80))?;
    assert!(capture.end().status.success());
    let packets = packets(&file);
    assert_eq!(packets[0].data.as_ref(), frame::numbered_vlan(5, 2, 80));
    assert_eq!(packets[0].original_len, 80);
    Ok(())
}
