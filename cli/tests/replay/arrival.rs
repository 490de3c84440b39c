//! What arrives, of which file.

use core::time::Duration;
use std::fs::File;
use std::process::Stdio;

use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, VethOptions, VethPair, Witness, frame};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::section_header::SectionHeaderBlock;
use pcap_file::{DataLink, Endianness, TsResolution};

use crate::common::{Capture, Directory, tool};
use crate::written::{Packet, add, counts, interface, pcap, pcapng, plain, replay};

pub(crate) const QUIET: Duration = Duration::from_millis(200);

/// Frames with these numbers, of lengths that vary, one a microsecond.
fn packets(numbers: core::ops::Range<u64>) -> impl Iterator<Item = Packet> + Clone {
    numbers.map(|number| {
        let len = 60 + (number as usize * 37) % 1455;
        (Duration::from_micros(number), frame::numbered(number, len))
    })
}

pub(crate) fn every_kind_of_file_arrives_byte_for_byte() -> TestResult {
    let directory = Directory::new("kinds");
    let path = directory.join("file");
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let all = packets(0..100);
    for endianness in [Endianness::Big, Endianness::Little] {
        let (micro, nano) = (TsResolution::MicroSecond, TsResolution::NanoSecond);
        for resolution in [Some(micro), Some(nano), None] {
            match resolution {
                Some(resolution) => pcap(&path, endianness, resolution, all.clone())?,
                None => pcapng(&path, endianness, all.clone())?,
            }
            for flags in [
                &[][..],
                &["--topspeed"],
                &["--bypass-qdisc"],
                &["--xdp", "--topspeed"],
            ] {
                let before = pair.far.counters()?;
                let ended = replay(pair.near.name(), flags, &path);
                assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
                assert_eq!(counts(&ended), [100, 100, 0], "{}", ended.stderr);
                let seen = witness.receive_until_quiet(QUIET)?;
                assert_eq!(seen.len(), 100);
                for ((_, bytes), seen) in all.clone().zip(seen) {
                    assert_eq!(seen.bytes, bytes);
                }
                assert_eq!(pair.far.counters()?.since(&before).rx_packets, 100);
            }
        }
    }
    Ok(())
}

pub(crate) fn sections_and_interfaces_of_one_file_all_go() -> TestResult {
    let directory = Directory::new("sections");
    let path = directory.join("x.pcapng");
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let mut writer = PcapNgWriter::with_endianness(File::create(&path)?, Endianness::Big)?;
    // The same moment in microseconds, in nanoseconds, in halves of a second, and by default. Misread, these are hours apart.
    for resolution in [Some(6), Some(9), Some(0x81), None] {
        writer.write_pcapng_block(interface(DataLink::ETHERNET, resolution))?;
    }
    let moment = [20_000_000_000, 20_000_000_000_000, 40_000, 20_000_000_000];
    for number in 0..8 {
        let interface = (number % 4) as usize;
        let bytes = frame::numbered(number, 60);
        add(&mut writer, interface as u32, moment[interface], &bytes, 60)?;
    }
    writer.write_pcapng_block(SectionHeaderBlock {
        endianness: Endianness::Little,
        ..SectionHeaderBlock::default()
    })?;
    writer.write_pcapng_block(interface(DataLink::ETHERNET, Some(9)))?;
    add(&mut writer, 0, moment[1], &frame::numbered(8, 60), 60)?;
    drop(writer);
    let ended = replay(pair.near.name(), &[], &path);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(witness.numbers_until_quiet(QUIET)?, Vec::from_iter(0..9));
    Ok(())
}

pub(crate) fn a_large_file_arrives_whole_and_in_order() -> TestResult {
    const COUNT: u64 = 30_000;
    let directory = Directory::new("large");
    let file = directory.join("sent.pcapng");
    let written = directory.join("received.pcapng");
    let pair = VethPair::create(&VethOptions::default())?;
    pcapng(&file, Endianness::Little, packets(0..COUNT))?;
    let written_name = written.to_str().ok_or("a path in UTF-8")?;
    let count = COUNT.to_string();
    for flags in [&["--topspeed"][..], &["--topspeed", "--xdp"]] {
        let capture = Capture::start(["-i", pair.far.name(), "-c", &count, "-w", written_name]);
        let ended = replay(pair.near.name(), flags, &file);
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert_eq!(counts(&ended), [COUNT, COUNT, 0]);
        assert!(capture.end().status.success());
        let mut reader = pcap_file::pcapng::PcapNgReader::new(File::open(&written)?)?;
        let mut expected = packets(0..COUNT);
        while let Some(block) = reader.next_block() {
            if let Some(packet) = block?.into_enhanced_packet() {
                let (_, bytes) = expected.next().ok_or("one too many")?;
                assert_eq!(*packet.data, bytes);
            }
        }
        assert!(expected.next().is_none());
    }
    Ok(())
}

pub(crate) fn xdp_sends_large_packets_whole() -> TestResult {
    let directory = Directory::new("xdp-large");
    let pair = VethPair::create(&VethOptions {
        mtu: 9000,
        ..VethOptions::default()
    })?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let lengths = [4096, 4097, 60, 9014];
    let packets = (0..).zip(lengths);
    let packets = packets.map(|(number, len)| (Duration::ZERO, frame::numbered(number, len)));
    let file = plain(&directory, packets)?;
    let ended = replay(pair.near.name(), &["--xdp"], &file);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(counts(&ended), [4, 4, 0], "{}", ended.stderr);
    let seen = witness.receive_until_quiet(QUIET)?;
    let seen: Vec<_> = seen.iter().map(|seen| seen.bytes.len()).collect();
    assert_eq!(seen, lengths);
    Ok(())
}

pub(crate) fn the_file_is_repeated_as_often_as_asked() -> TestResult {
    let directory = Directory::new("laps");
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let file = plain(&directory, packets(0..7))?;
    let ended = replay(pair.near.name(), &["-t", "--loop", "3"], &file);
    assert_eq!(counts(&ended), [21, 21, 0], "{}", ended.stderr);
    let expected: Vec<u64> = (0..21).map(|number| number % 7).collect();
    assert_eq!(witness.numbers_until_quiet(QUIET)?, expected);
    // Without packets, for ever is soon over.
    let empty = plain(&directory, [])?;
    let ended = replay(pair.near.name(), &["--loop", "0"], &empty);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(counts(&ended), [0, 0, 0]);
    Ok(())
}

pub(crate) fn a_count_stops_it_within_a_lap() -> TestResult {
    let directory = Directory::new("count");
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let file = plain(&directory, packets(0..7))?;
    let ended = replay(pair.near.name(), &["-t", "--loop", "0", "-c", "10"], &file);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(counts(&ended), [10, 10, 0]);
    assert_eq!(
        witness.numbers_until_quiet(QUIET)?,
        [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]
    );
    Ok(())
}

pub(crate) fn standard_input_is_a_file() -> TestResult {
    let directory = Directory::new("stdin");
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let file = plain(&directory, packets(0..7))?;
    let mut command = tool();
    command
        .args(["replay", "-i", pair.near.name(), "-t", "-"])
        .stdin(Stdio::from(File::open(file)?));
    let output = command.output()?;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(witness.numbers_until_quiet(QUIET)?, Vec::from_iter(0..7));
    Ok(())
}

pub(crate) fn what_was_cut_is_sent_as_captured_and_told() -> TestResult {
    let directory = Directory::new("cut");
    let path = directory.join("x.pcapng");
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let mut writer = PcapNgWriter::new(File::create(&path)?)?;
    writer.write_pcapng_block(interface(DataLink::ETHERNET, Some(9)))?;
    for (number, original) in [(0, 60), (1, 1500), (2, 61)] {
        add(&mut writer, 0, 0, &frame::numbered(number, 60), original)?;
    }
    drop(writer);
    let ended = replay(pair.near.name(), &[], &path);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("2 packets had been cut"),
        "{}",
        ended.stderr
    );
    assert_eq!(counts(&ended), [3, 3, 0]);
    assert_eq!(witness.numbers_until_quiet(QUIET)?, [0, 1, 2]);
    Ok(())
}
