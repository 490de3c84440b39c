//! What is written, read back by pcap-file.

use std::borrow::Cow;

use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use proptest::prelude::*;

use super::*;
use crate::frame::Tag;

const TIME: Duration = Duration::new(1_763_869_000, 123_456_789);

fn interface() -> Interface {
    Interface {
        name: "veth0".into(),
        link_type: 1,
        snap_length: 96,
        filter: Some("udp port 53".into()),
        system: "Linux 6.18".into(),
    }
}

fn frame(data: &[u8]) -> Frame<'_> {
    Frame {
        time: TIME,
        data,
        wire_len: 1500,
        tag: None,
        way: Way::ToUs,
    }
}

fn blocks(file: &[u8]) -> Vec<Block<'static>> {
    let mut reader = PcapNgReader::new(file).unwrap();
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block() {
        blocks.push(block.unwrap().into_owned());
    }
    blocks
}

/// The packets of `file`: time, bytes on the wire, captured bytes, options.
fn packets(file: &[u8]) -> Vec<(Duration, u32, Vec<u8>, Vec<EnhancedPacketOption<'static>>)> {
    let packet = |block| match block {
        Block::EnhancedPacket(packet) => Some((
            packet.timestamp,
            packet.original_len,
            packet.data.into_owned(),
            packet.options,
        )),
        _ => None,
    };
    blocks(file).into_iter().filter_map(packet).collect()
}

fn written(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &interface()).unwrap();
    for frame in frames {
        writer.packet(frame, None).unwrap();
    }
    writer.flush().unwrap();
    assert_eq!(writer.len(), writer.out.len() as u64);
    writer.out
}

#[test]
fn the_interface_says_name_resolution_filter_and_system() {
    let file = written(&[]);
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
        let file = written(&[Frame {
            way,
            ..frame(&[0; 60])
        }]);
        assert_eq!(packets(&file)[0].3, [EnhancedPacketOption::Flags(flags)]);
    }
}

#[test]
fn drops_are_told_where_they_are_known() {
    let mut writer = Writer::new(Vec::new(), &interface()).unwrap();
    writer.packet(&frame(&[0; 61]), Some(u64::MAX - 1)).unwrap();
    writer.flush().unwrap();
    let options = &packets(&writer.out)[0].3;
    assert_eq!(options[1], EnhancedPacketOption::DropCount(u64::MAX - 1));
}

#[test]
fn a_tag_goes_back_to_where_it_was() {
    let data: Vec<u8> = (0..60).collect();
    let tag = Some(Tag {
        protocol: 0x8100,
        control: 0x2005,
    });
    let (_, wire_len, bytes, _) = packets(&written(&[Frame {
        tag,
        wire_len: 60,
        ..frame(&data)
    }]))
    .remove(0);
    assert_eq!(wire_len, 64);
    assert_eq!(bytes[..12], data[..12]);
    assert_eq!(bytes[12..16], [0x81, 0x00, 0x20, 0x05]);
    assert_eq!(bytes[16..], data[12..]);
}

#[test]
fn a_tag_does_not_lengthen_a_packet_beyond_the_snap_length() {
    let tag = Some(Tag {
        protocol: 0x8100,
        control: 5,
    });
    let (_, wire_len, bytes, _) = packets(&written(&[Frame {
        tag,
        ..frame(&[7; 96])
    }]))
    .remove(0);
    assert_eq!(bytes.len(), 96);
    assert_eq!(wire_len, 1504);
}

#[test]
fn the_file_ends_with_what_was_counted() {
    let mut writer = Writer::new(Vec::new(), &interface()).unwrap();
    let statistics = Statistics {
        start: TIME,
        end: TIME + Duration::from_secs(1),
        interface: Some((11, 1)),
        accepted: 10,
        dropped: 2,
        delivered: 8,
    };
    writer.close(&statistics).unwrap();
    let Some(Block::InterfaceStatistics(block)) = blocks(&writer.out).pop() else {
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
fn a_second_file_is_whole_too() {
    let mut writer = Writer::new(Vec::new(), &interface()).unwrap();
    writer.packet(&frame(&[1; 60]), None).unwrap();
    let first = writer.len();
    writer.restart(Vec::new(), &interface()).unwrap();
    writer.packet(&frame(&[2; 60]), None).unwrap();
    writer.flush().unwrap();
    assert_eq!(writer.len(), first);
    assert_eq!(packets(&writer.out)[0].2, [2; 60]);
}

#[test]
fn an_option_too_long_for_its_length_is_left_out() {
    let long = Interface {
        filter: Some("x".repeat(70_000)),
        ..interface()
    };
    let mut writer = Writer::new(Vec::new(), &long).unwrap();
    writer.flush().unwrap();
    assert_eq!(blocks(&writer.out).len(), 1);
}

#[test]
fn a_failed_write_is_told_and_not_repeated() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut writer = Writer::new(Full, &interface()).unwrap();
    assert_eq!(
        writer.flush().unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    assert!(writer.flush().is_err() || writer.filled == 0);
}

proptest! {
    #[test]
    fn packets_come_back_as_they_were(
        lengths in proptest::collection::vec(0usize..=96, 0..200),
        nanoseconds in 0u64..=u64::MAX,
    ) {
        let bytes: Vec<u8> = (0..=255).collect();
        let frames: Vec<_> = lengths
            .iter()
            .map(|&len| Frame { time: Duration::from_nanos(nanoseconds), ..frame(&bytes[..len]) })
            .collect();
        let read = packets(&written(&frames));
        prop_assert_eq!(read.len(), frames.len());
        for ((time, wire_len, data, _), frame) in read.iter().zip(&frames) {
            prop_assert_eq!(*time, frame.time);
            prop_assert_eq!(*wire_len, frame.wire_len);
            prop_assert_eq!(data, frame.data);
        }
    }
}

#[test]
fn more_than_the_buffer_holds_reaches_the_file_in_order() {
    let bytes = [0x5a; 96];
    let frames: Vec<_> = (0..20_000)
        .map(|n| Frame {
            time: Duration::from_nanos(n),
            ..frame(&bytes)
        })
        .collect();
    let read = packets(&written(&frames));
    assert!(
        read.iter()
            .map(|packet| packet.0)
            .eq((0..20_000).map(Duration::from_nanos))
    );
}
