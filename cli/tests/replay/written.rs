//! Files to be replayed.

use core::time::Duration;
use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::{DataLink, Endianness, PcapResult, TsResolution};

use crate::common::{Capture, Directory, Ended, tool};

/// A packet to be written: when, and what.
pub(crate) type Packet = (Duration, Vec<u8>);

/// Writes a pcap file.
pub(crate) fn pcap(
    path: &Path,
    endianness: Endianness,
    ts_resolution: TsResolution,
    packets: impl IntoIterator<Item = Packet>,
) -> PcapResult<()> {
    let header = PcapHeader {
        endianness,
        ts_resolution,
        ..PcapHeader::default()
    };
    let file = std::io::BufWriter::new(File::create(path).expect("a file"));
    let mut writer = PcapWriter::with_header(file, header)?;
    for (time, data) in packets {
        writer.write_packet(&PcapPacket::new(time, data.len() as u32, &data))?;
    }
    Ok(())
}

/// Writes a file of the commonest kind.
pub(crate) fn plain(
    directory: &Directory,
    packets: impl IntoIterator<Item = Packet>,
) -> PcapResult<PathBuf> {
    let path = directory.join("plain.pcap");
    let resolution = TsResolution::MicroSecond;
    pcap(&path, Endianness::Little, resolution, packets)?;
    Ok(path)
}

/// An interface of a pcapng file, with times in units of this resolution.
pub(crate) fn interface(
    link: DataLink,
    resolution: Option<u8>,
) -> InterfaceDescriptionBlock<'static> {
    let mut interface = InterfaceDescriptionBlock::new(link, 0);
    let option = resolution.map(InterfaceDescriptionOption::IfTsResol);
    interface.options.extend(option);
    interface
}

/// Adds a packet; the time is in the interface's units.
pub(crate) fn add(
    writer: &mut PcapNgWriter<File>,
    interface_id: u32,
    units: u64,
    data: &[u8],
    original_len: usize,
) -> PcapResult<()> {
    writer.write_pcapng_block(EnhancedPacketBlock {
        interface_id,
        // The crate writes the nanoseconds of what it is given, whatever the interface's units.
        timestamp: Duration::from_nanos(units),
        original_len: original_len as u32,
        data: Cow::Borrowed(data),
        options: Vec::new(),
    })?;
    Ok(())
}

/// Writes a pcapng file of one interface with nanoseconds.
pub(crate) fn pcapng(
    path: &Path,
    endianness: Endianness,
    packets: impl IntoIterator<Item = Packet>,
) -> PcapResult<()> {
    let file = File::create(path).expect("a file");
    let mut writer = PcapNgWriter::with_endianness(file, endianness)?;
    writer.write_pcapng_block(interface(DataLink::ETHERNET, Some(9)))?;
    for (time, data) in packets {
        add(&mut writer, 0, time.as_nanos() as u64, &data, data.len())?;
    }
    Ok(())
}

/// The arguments of a replay.
fn arguments<'a>(interface: &'a str, flags: &[&'a str], file: &'a Path) -> Vec<&'a str> {
    let file = file.to_str().expect("a path in UTF-8");
    let begin = ["replay", "-i", interface];
    [&begin, flags, &[file]].concat()
}

/// Starts `packet-ring replay`.
pub(crate) fn start(interface: &str, flags: &[&str], file: &Path) -> Capture {
    Capture::spawn(tool().args(arguments(interface, flags, file)))
}

/// Runs `packet-ring replay` to its end.
pub(crate) fn replay(interface: &str, flags: &[&str], file: &Path) -> Ended {
    start(interface, flags, file).end()
}

/// The three counts that stand in the summary: sent, by the interface, failed.
pub(crate) fn counts(ended: &Ended) -> [u64; 3] {
    let count = |what: &str| {
        let line = ended.stderr.lines().find(|line| line.contains(what));
        let number = line.and_then(|line| line.split(' ').next()?.parse().ok());
        number.unwrap_or_else(|| panic!("nothing is {what}: {}", ended.stderr))
    };
    [count(" sent in "), count(" counted by "), count(" failed")]
}
