//! What is written, read back by pcap-file: what both kinds of file promise.

use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{Endianness, TsResolution};
use proptest::prelude::*;

use super::*;
use crate::frame::{Tag, Way};

pub(super) const TIME: Duration = Duration::new(1_763_869_000, 123_456_789);
const FORMATS: [Format; 2] = [Format::Pcapng, Format::Pcap];

pub(super) fn interface() -> Interface {
    Interface {
        name: "veth0".into(),
        link_type: 1,
        snap_length: 96,
        filter: Some("udp port 53".into()),
        system: "Linux 6.18".into(),
    }
}

pub(super) fn frame(data: &[u8]) -> Frame<'_> {
    Frame {
        time: TIME,
        data,
        wire_len: 1500,
        tag: None,
        way: Way::ToUs,
    }
}

pub(super) fn written(format: Format, frames: &[Frame<'_>]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), format, &interface()).unwrap();
    for frame in frames {
        writer.packet(frame, None).unwrap();
    }
    finished(writer)
}

pub(super) fn finished(mut writer: Writer<Vec<u8>>) -> Vec<u8> {
    writer.flush().unwrap();
    assert_eq!(writer.len(), writer.buffer.out.len() as u64);
    writer.buffer.out
}

/// Time, bytes on the wire, captured bytes.
type Packet = (Duration, u32, Vec<u8>);

fn packets(format: Format, file: &[u8]) -> Vec<Packet> {
    let mut packets = Vec::new();
    match format {
        Format::Pcapng => {
            let mut reader = PcapNgReader::new(file).unwrap();
            while let Some(block) = reader.next_block() {
                if let Block::EnhancedPacket(packet) = block.unwrap() {
                    let data = packet.data.into_owned();
                    packets.push((packet.timestamp, packet.original_len, data));
                }
            }
        }
        Format::Pcap => {
            let mut reader = PcapReader::new(file).unwrap();
            // Raw: pcap-file takes a packet that was cut at the snap length for an error.
            while let Some(packet) = reader.next_raw_packet() {
                let packet = packet.unwrap();
                let time = Duration::new(packet.ts_sec.into(), packet.ts_frac);
                packets.push((time, packet.orig_len, packet.data.into_owned()));
            }
        }
    }
    packets
}

#[test]
fn classic_pcap_says_its_resolution_snap_length_and_link_type() {
    let file = written(Format::Pcap, &[]);
    let header = PcapReader::new(&file[..]).unwrap().header();
    assert_eq!((header.version_major, header.version_minor), (2, 4));
    assert_eq!(header.ts_resolution, TsResolution::NanoSecond);
    assert_eq!(header.endianness, Endianness::native());
    assert_eq!(header.snaplen, 96);
    assert_eq!(u32::from(header.datalink), 1);
    assert_eq!(file.len(), 24);
}

#[test]
fn a_packet_of_classic_pcap_costs_16_bytes_and_a_file_has_no_end() {
    let mut writer = Writer::new(Vec::new(), Format::Pcap, &interface()).unwrap();
    writer.packet(&frame(&[0; 61]), Some(9)).unwrap();
    writer.close(&Statistics::default()).unwrap();
    assert_eq!(finished(writer).len(), 24 + 16 + 61);
}

#[test]
fn a_tag_goes_back_to_where_it_was() {
    let data: Vec<u8> = (0..60).collect();
    let tagged = Frame {
        tag: Some(Tag {
            protocol: 0x8100,
            control: 0x2005,
        }),
        wire_len: 60,
        ..frame(&data)
    };
    for format in FORMATS {
        let (_, wire_len, bytes) = packets(format, &written(format, &[tagged])).remove(0);
        assert_eq!(wire_len, 64);
        assert_eq!(bytes[..12], data[..12]);
        assert_eq!(bytes[12..16], [0x81, 0x00, 0x20, 0x05]);
        assert_eq!(bytes[16..], data[12..]);
    }
}

#[test]
fn a_tag_does_not_lengthen_a_packet_beyond_the_snap_length() {
    let tagged = Frame {
        tag: Some(Tag {
            protocol: 0x8100,
            control: 5,
        }),
        ..frame(&[7; 96])
    };
    for format in FORMATS {
        let (_, wire_len, bytes) = packets(format, &written(format, &[tagged])).remove(0);
        assert_eq!((wire_len, bytes.len()), (1504, 96));
    }
}

#[test]
fn a_second_file_is_whole_too() {
    for format in FORMATS {
        let mut writer = Writer::new(Vec::new(), format, &interface()).unwrap();
        writer.packet(&frame(&[1; 60]), None).unwrap();
        let first = writer.len();
        writer.restart(Vec::new(), &interface()).unwrap();
        writer.packet(&frame(&[2; 60]), None).unwrap();
        assert_eq!(writer.len(), first);
        assert_eq!(packets(format, &finished(writer))[0].2, [2; 60]);
    }
}

#[test]
fn a_failed_write_is_told_and_not_repeated() {
    /// Refuses the first write.
    #[derive(Default)]
    struct Full(Vec<u8>, bool);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !core::mem::replace(&mut self.1, true) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in FORMATS {
        let mut writer = Writer::new(Full::default(), format, &interface()).unwrap();
        let error = writer.flush().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        writer.flush().unwrap();
        assert!(writer.buffer.out.0.is_empty());
    }
}

proptest! {
    #[test]
    fn packets_come_back_as_they_were(
        lengths in proptest::collection::vec(0usize..=96, 0..200),
        nanoseconds in 0u64..=u64::MAX,
    ) {
        /// Classic pcap has 32 bits for seconds.
        const PCAP_ENDS: u64 = (1 << 32) * 1_000_000_000;
        let bytes: Vec<u8> = (0..=255).collect();
        for format in FORMATS {
            let time = Duration::from_nanos(match format {
                Format::Pcapng => nanoseconds,
                Format::Pcap => nanoseconds % PCAP_ENDS,
            });
            let frames: Vec<_> = lengths.iter().map(|&len| Frame { time, ..frame(&bytes[..len]) }).collect();
            let read = packets(format, &written(format, &frames));
            let sent: Vec<_> = frames.iter().map(|frame| (time, frame.wire_len, frame.data.to_owned())).collect();
            prop_assert_eq!(read, sent);
        }
    }
}

#[test]
fn more_than_the_buffer_holds_reaches_the_file_in_order() {
    let bytes = [0x5a; 96];
    let times = || (0..20_000).map(Duration::from_nanos);
    let frames: Vec<_> = times()
        .map(|time| Frame {
            time,
            ..frame(&bytes)
        })
        .collect();
    for format in FORMATS {
        let read = packets(format, &written(format, &frames));
        assert!(read.iter().map(|packet| packet.0).eq(times()));
    }
}
