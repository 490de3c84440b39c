//! Packets out of a pcap or pcapng file, whatever its byte order and the resolution of its times.

use core::fmt::Display;
use std::fs;
use std::io::{self, Chain, Cursor, Read};
use std::path::{Path, PathBuf};

use pcap_file::pcap::PcapReader;
use pcap_file::{PcapError, TsResolution};

use super::chunk::Chunk;
use super::pcapng::Sections;
use crate::exit::Failure;
use crate::interfaces::DLT_ETHERNET;

pub(super) const NANOSECONDS: u64 = 1_000_000_000;
/// How a pcapng file begins, in either byte order.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The part of a pcap header's link type that is one; above it are flags.
const LINK_TYPE: u32 = 0x03ff_ffff;

type Input = Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;

/// A file that is being read.
pub(super) struct File {
    path: PathBuf,
    format: Format,
    position: u64,
}

enum Format {
    Pcap(PcapReader<Input>, TsResolution),
    PcapNg(Sections<Input>),
}

/// Why nothing more can be read.
pub(super) enum Unreadable {
    /// The file is broken.
    Broken(PcapError),
    /// It is whole, but this cannot be done with it.
    Refused(String),
}

impl From<PcapError> for Unreadable {
    fn from(error: PcapError) -> Self {
        Self::Broken(error)
    }
}

impl File {
    /// Opens it and reads its header. `-` is standard input.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::io(path.display(), &error);
        let mut input: Box<dyn Read + Send> = if path.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            Box::new(fs::File::open(path).map_err(failed)?)
        };
        let mut magic = Vec::new();
        let start = PCAPNG.len() as u64;
        input
            .by_ref()
            .take(start)
            .read_to_end(&mut magic)
            .map_err(failed)?;
        let is_pcapng = magic == PCAPNG;
        let input = Cursor::new(magic).chain(input);
        let format = if is_pcapng {
            Sections::new(input)
                .map(Format::PcapNg)
                .map_err(Unreadable::from)
        } else {
            pcap(input)
        };
        let format = format.map_err(|why| match why {
            Unreadable::Broken(PcapError::IoError(error))
                if error.kind() != io::ErrorKind::UnexpectedEof =>
            {
                failed(error)
            }
            Unreadable::Broken(_) => {
                Failure::runtime(format_args!("{}: neither pcap nor pcapng", path.display()))
            }
            refused @ Unreadable::Refused(_) => failure(path, refused),
        })?;
        Ok(Self {
            path: path.to_owned(),
            format,
            position: 0,
        })
    }

    /// Bytes that have been read, headers of the file apart.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Adds the next packet to the chunk; `false` at the end.
    pub(super) fn next(&mut self, chunk: &mut Chunk) -> Result<bool, Failure> {
        let read = match &mut self.format {
            Format::Pcap(reader, resolution) => packet(reader, *resolution, chunk),
            Format::PcapNg(sections) => sections.packet(chunk),
        };
        let bytes = read.map_err(|why| failure(&self.path, why))?;
        self.position += bytes.unwrap_or(0);
        Ok(bytes.is_some())
    }
}

/// Refuses what is no Ethernet.
pub(super) fn must_be_ethernet(what: impl Display, link_type: u32) -> Result<(), Unreadable> {
    if link_type == u32::from(DLT_ETHERNET) {
        return Ok(());
    }
    Err(Unreadable::Refused(format!(
        "{what} has link type {link_type}, and only Ethernet (1) can be sent"
    )))
}

fn failure(path: &Path, why: Unreadable) -> Failure {
    let path = path.display();
    match why {
        Unreadable::Broken(PcapError::IoError(error))
            if error.kind() == io::ErrorKind::UnexpectedEof =>
        {
            Failure::runtime(format_args!("{path}: the file ends within a packet"))
        }
        Unreadable::Broken(PcapError::IoError(error)) => Failure::io(path, &error),
        Unreadable::Broken(error) => Failure::runtime(format_args!("{path}: {error}")),
        Unreadable::Refused(why) => Failure::runtime(format_args!("{path}: {why}")),
    }
}

fn pcap(input: Input) -> Result<Format, Unreadable> {
    let reader = PcapReader::new(input)?;
    let header = reader.header();
    must_be_ethernet("the file", u32::from(header.datalink) & LINK_TYPE)?;
    Ok(Format::Pcap(reader, header.ts_resolution))
}

/// Adds a packet of a pcap file, and says how many bytes it took there.
fn packet(
    reader: &mut PcapReader<Input>,
    resolution: TsResolution,
    chunk: &mut Chunk,
) -> Result<Option<u64>, Unreadable> {
    const HEADER: u64 = 16;
    // The raw packet, for the other must not have been longer than the snap length.
    let Some(packet) = reader.next_raw_packet() else {
        return Ok(None);
    };
    let packet = packet?;
    let fraction = u64::from(packet.ts_frac);
    let nanoseconds = match resolution {
        TsResolution::MicroSecond => fraction * 1000,
        TsResolution::NanoSecond => fraction,
    };
    let time = u64::from(packet.ts_sec) * NANOSECONDS + nanoseconds;
    chunk.push(time, &packet.data, packet.orig_len);
    Ok(Some(HEADER + packet.data.len() as u64))
}
