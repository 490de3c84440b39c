//! Packets out of a pcapng file: sections of either byte order, interfaces with clocks of their own.

use std::io::Read;

use pcap_file::pcapng::PcapNgReader;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::{
    ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION_BLOCK, PACKET_BLOCK, SECTION_HEADER_BLOCK,
    SIMPLE_PACKET_BLOCK,
};
use pcap_file::{Endianness, PcapError};

use super::chunk::Chunk;
use super::file::{NANOSECONDS, Unreadable, must_be_ethernet};

const TOO_SHORT: PcapError = PcapError::InvalidField("a packet block is shorter than its packet");

/// The reader, and what its present section has said so far.
pub(super) struct Sections<R: Read> {
    reader: PcapNgReader<R>,
    order: Endianness,
    interfaces: Vec<Clock>,
    /// When the last packet was captured: what stands for the time of one that has none.
    last: u64,
}

impl<R: Read> Sections<R> {
    pub(super) fn new(input: R) -> Result<Self, PcapError> {
        let reader = PcapNgReader::new(input)?;
        Ok(Self {
            order: reader.section().endianness,
            reader,
            interfaces: Vec::new(),
            last: 0,
        })
    }

    /// Adds the next packet to the chunk, and says how many bytes of the file were read for it; `None` at the end.
    ///
    /// The blocks of packets are read here and not by the crate: that leaves times in units that the interface tells, and
    /// stops at options that no replay needs.
    pub(super) fn packet(&mut self, chunk: &mut Chunk) -> Result<Option<u64>, Unreadable> {
        let mut bytes = 0;
        loop {
            let Some(block) = self.reader.next_raw_block() else {
                return Ok(None);
            };
            let block = block?;
            bytes += u64::from(block.initial_len);
            let mut body = Body {
                bytes: &block.body,
                order: self.order,
            };
            match block.type_ {
                ENHANCED_PACKET_BLOCK | PACKET_BLOCK => {
                    // The old block has a count of drops in the upper half of its first word.
                    let interface = if block.type_ == PACKET_BLOCK {
                        body.u16()?.into()
                    } else {
                        body.u32()?
                    };
                    if block.type_ == PACKET_BLOCK {
                        body.u16()?;
                    }
                    let units = u64::from(body.u32()?) << 32 | u64::from(body.u32()?);
                    let (captured, original) = (body.u32()?, body.u32()?);
                    let data = body.bytes.get(..captured as usize).ok_or(TOO_SHORT)?;
                    let clock = self.interfaces.get(interface as usize);
                    let clock = clock.ok_or(PcapError::InvalidInterfaceId(interface))?;
                    self.last = clock.nanoseconds(units);
                    chunk.push(self.last, data, original);
                    return Ok(Some(bytes));
                }
                SIMPLE_PACKET_BLOCK => {
                    let original = body.u32()?;
                    let clock = self.interfaces.first();
                    let clock = clock.ok_or(PcapError::InvalidInterfaceId(0))?;
                    let captured = original.min(clock.snap_length);
                    let data = body.bytes.get(..captured as usize).ok_or(TOO_SHORT)?;
                    chunk.push(self.last, data, original);
                    return Ok(Some(bytes));
                }
                SECTION_HEADER_BLOCK => {
                    self.interfaces.clear();
                    self.order = self.reader.section().endianness;
                }
                INTERFACE_DESCRIPTION_BLOCK => {
                    if let Some(interface) = self.reader.interfaces().last() {
                        let number = self.interfaces.len();
                        let link_type = interface.linktype.into();
                        must_be_ethernet(format_args!("interface {number}"), link_type)?;
                        self.interfaces.push(Clock::of(interface)?);
                    }
                }
                _ => {}
            }
        }
    }
}

/// What is left of a block's body.
struct Body<'b> {
    bytes: &'b [u8],
    order: Endianness,
}

impl Body<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], PcapError> {
        let (first, rest) = self.bytes.split_first_chunk().ok_or(TOO_SHORT)?;
        self.bytes = rest;
        Ok(*first)
    }

    fn u16(&mut self) -> Result<u16, PcapError> {
        let bytes = self.take()?;
        Ok(match self.order {
            Endianness::Big => u16::from_be_bytes(bytes),
            Endianness::Little => u16::from_le_bytes(bytes),
        })
    }

    fn u32(&mut self) -> Result<u32, PcapError> {
        let bytes = self.take()?;
        Ok(match self.order {
            Endianness::Big => u32::from_be_bytes(bytes),
            Endianness::Little => u32::from_le_bytes(bytes),
        })
    }
}

/// What an interface's times mean, and how much of a packet it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    units_a_second: u64,
    /// Added to each time, in seconds.
    offset: i64,
    snap_length: u32,
}

impl Clock {
    fn of(interface: &InterfaceDescriptionBlock<'_>) -> Result<Self, Unreadable> {
        /// Where the interface does not say: microseconds.
        const MICROSECONDS: u8 = 6;
        const BINARY: u8 = 0x80;
        let (mut resolution, mut offset) = (MICROSECONDS, 0);
        for option in &interface.options {
            match option {
                InterfaceDescriptionOption::IfTsResol(value) => resolution = *value,
                InterfaceDescriptionOption::IfTsOffset(value) => offset = value.cast_signed(),
                _ => {}
            }
        }
        let exponent = u32::from(resolution & !BINARY);
        let units = if resolution & BINARY == 0 {
            10u64.checked_pow(exponent)
        } else {
            2u64.checked_pow(exponent)
        };
        let units_a_second = units.ok_or_else(|| {
            Unreadable::Refused(format!(
                "times of resolution {resolution:#x} are finer than a replay can tell"
            ))
        })?;
        Ok(Self {
            units_a_second,
            offset,
            snap_length: match interface.snaplen {
                0 => u32::MAX,
                length => length,
            },
        })
    }

    /// Nanoseconds since 1970.
    fn nanoseconds(&self, units: u64) -> u64 {
        if self.units_a_second == NANOSECONDS && self.offset == 0 {
            return units;
        }
        let seconds = (units / self.units_a_second).saturating_add_signed(self.offset);
        let rest = u128::from(units % self.units_a_second) * u128::from(NANOSECONDS);
        seconds
            .saturating_mul(NANOSECONDS)
            .saturating_add((rest / u128::from(self.units_a_second)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_in_every_resolution() {
        for (units_a_second, units) in [
            (1_000_000, 1_500_000),
            (1_000_000_000, 1_500_000_000),
            (2, 3),
            (1 << 63, 3 << 62),
            (10u64.pow(19), 15 * 10u64.pow(18)),
        ] {
            let clock = Clock {
                units_a_second,
                offset: 0,
                snap_length: 0,
            };
            assert_eq!(clock.nanoseconds(units), 1_500_000_000);
            assert_eq!(
                Clock { offset: 2, ..clock }.nanoseconds(units),
                3_500_000_000
            );
        }
    }
}
