//! What a capture says and leaves behind.

use std::fs::File;
use std::path::Path;

use packet_ring_lab::frame;
use pcap_file::pcap::{PcapReader, RawPcapPacket};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::{Block, PcapNgReader};

use crate::common::Ended;

pub(crate) fn assert_summary(ended: &Ended, captured: u64, received: u64, dropped: u64) {
    let lines: Vec<_> = ended.stderr.lines().rev().take(3).collect();
    let number = |line: &str| {
        line.split(' ')
            .next()
            .and_then(|number| number.parse().ok())
    };
    let numbers: Vec<Option<u64>> = lines.iter().rev().map(|line| number(line)).collect();
    assert_eq!(
        numbers,
        [Some(captured), Some(received), Some(dropped)],
        "{}",
        ended.stderr
    );
    assert!(
        lines[2].contains("captured")
            && lines[1].contains("received by filter")
            && lines[0].contains("dropped by kernel")
    );
}

pub(crate) fn blocks(file: &Path) -> Vec<Block<'static>> {
    let mut reader = PcapNgReader::new(File::open(file).expect("the file")).expect("pcapng");
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block() {
        blocks.push(block.expect("a whole block").into_owned());
    }
    blocks
}

pub(crate) fn packets(file: &Path) -> Vec<EnhancedPacketBlock<'static>> {
    let packet = |block| match block {
        Block::EnhancedPacket(packet) => Some(packet),
        _ => None,
    };
    blocks(file).into_iter().filter_map(packet).collect()
}

pub(crate) fn numbers(file: &Path) -> Vec<u64> {
    packets(file)
        .iter()
        .map(|packet| frame::number(&packet.data).expect("a numbered frame"))
        .collect()
}

/// Of a classic file.
pub(crate) fn pcap_packets(file: &Path) -> Vec<RawPcapPacket<'static>> {
    let mut reader = PcapReader::new(File::open(file).expect("the file")).expect("pcap");
    let mut packets = Vec::new();
    // Raw: pcap-file takes a packet that was cut at the snap length for an error.
    while let Some(packet) = reader.next_raw_packet() {
        packets.push(packet.expect("a whole packet").into_owned());
    }
    packets
}
