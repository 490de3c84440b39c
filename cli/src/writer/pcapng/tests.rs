//! What only pcapng says.

use std::borrow::Cow;

use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use pcap_file::pcapng::{Block, PcapNgReader};

use super::*;
use crate::frame::Frame;
use crate::writer::tests::{TIME, finished, frame, interface, written};
use crate::writer::{Format, Writer};

fn blocks(file: &[u8]) -> Vec<Block<'static>> {
    let mut reader = PcapNgReader::new(file).unwrap();
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block() {
        blocks.push(block.unwrap().into_owned());
    }
    blocks
}

/// The options of each packet in `file`.
fn options(file: &[u8]) -> Vec<Vec<EnhancedPacketOption<'static>>> {
    let packet = |block| match block {
        Block::EnhancedPacket(packet) => Some(packet.options),
        _ => None,
    };
    blocks(file).into_iter().filter_map(packet).collect()
}

#[test]
fn the_interface_says_name_resolution_filter_and_system() {
    let file = written(Format::Pcapng, &[]);
    let Some(Block::InterfaceDescription(description)) = blocks(&file).into_iter().next() else {
        panic!("the section header is followed by an interface");
    };
    assert_eq!(description.snaplen, 96);
    assert_eq!(
        description.options,
        [
            InterfaceDescriptionOption::IfName(Cow::Borrowed("veth0")),
            InterfaceDescriptionOption::IfTsResol(9),
            InterfaceDescriptionOption::IfFilter(Cow::Borrowed(b"\0udp port 53")),
            InterfaceDescriptionOption::IfOs(Cow::Borrowed("Linux 6.18")),
        ]
    );
}

#[test]
fn every_way_has_its_flags() {
    let ways = [
        (Way::ToUs, 0b0_0101),
        (Way::Multicast, 0b0_1001),
        (Way::Broadcast, 0b0_1101),
        (Way::ToOthers, 0b1_0001),
        (Way::Outgoing, 0b0_0010),
    ];
    for (way, flags) in ways {
        let frame = Frame {
            way,
            ..frame(&[0; 60])
        };
        let file = written(Format::Pcapng, &[frame]);
        assert_eq!(options(&file), [[EnhancedPacketOption::Flags(flags)]]);
    }
}

#[test]
fn drops_are_told_where_they_are_known() {
    let mut writer = Writer::new(Vec::new(), Format::Pcapng, &interface()).unwrap();
    writer.packet(&frame(&[0; 61]), Some(u64::MAX - 1)).unwrap();
    let options = options(&finished(writer));
    assert_eq!(options[0][1], EnhancedPacketOption::DropCount(u64::MAX - 1));
}

#[test]
fn the_file_ends_with_what_was_counted() {
    let mut writer = Writer::new(Vec::new(), Format::Pcapng, &interface()).unwrap();
    let statistics = Statistics {
        start: TIME,
        end: TIME + Duration::from_secs(1),
        interface: Some((11, 1)),
        accepted: 10,
        dropped: 2,
        delivered: 8,
    };
    writer.close(&statistics).unwrap();
    let Some(Block::InterfaceStatistics(block)) = blocks(&finished(writer)).pop() else {
        panic!("the last block holds the statistics");
    };
    for option in [
        InterfaceStatisticsOption::IsbIfRecv(11),
        InterfaceStatisticsOption::IsbIfDrop(1),
        InterfaceStatisticsOption::IsbFilterAccept(10),
        InterfaceStatisticsOption::IsbOsDrop(2),
        InterfaceStatisticsOption::IsbUsrDeliv(8),
    ] {
        assert!(block.options.contains(&option), "{option:?}");
    }
}

#[test]
fn an_option_too_long_for_its_length_is_left_out() {
    let long = Interface {
        filter: Some("x".repeat(70_000)),
        ..interface()
    };
    let writer = Writer::new(Vec::new(), Format::Pcapng, &long).unwrap();
    assert_eq!(blocks(&finished(writer)).len(), 1);
}
