//! pcapng, in this machine's byte order: one section with one interface.
//!
//! A packet costs its bytes plus 44. (pcap-file builds each block with a vector of options and writes it twice, once
//! only to learn its length.)

use core::time::Duration;
use std::io::{self, Write};

use super::buffer::Buffer;
use super::{Interface, Statistics};
use crate::frame::{Way, Wire};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// The length of a section that is written as it happens.
const UNKNOWN_LENGTH: u64 = u64::MAX;

const END_OF_OPTIONS: u16 = 0;
const SHB_OS: u16 = 3;
const SHB_USER_APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TIME_RESOLUTION: u16 = 9;
const IF_FILTER: u16 = 11;
const IF_OS: u16 = 12;
const EPB_FLAGS: u16 = 2;
const EPB_DROP_COUNT: u16 = 4;
const ISB_START_TIME: u16 = 2;
const ISB_END_TIME: u16 = 3;
const ISB_INTERFACE_RECEIVED: u16 = 4;
const ISB_INTERFACE_DROPPED: u16 = 5;
const ISB_FILTER_ACCEPTED: u16 = 6;
const ISB_SYSTEM_DROPPED: u16 = 7;
const ISB_USER_DELIVERED: u16 = 8;

/// Type, length, interface, time, both packet lengths.
const PACKET_HEAD: usize = 28;
/// The flags option.
const FLAGS_OPTION: usize = 8;
/// The drop count option.
const DROPS_OPTION: usize = 12;
/// The end of the options and the length again.
const PACKET_TAIL: usize = 8;
/// Type and twice the length.
const BLOCK_FRAME: usize = 12;

const APPLICATION: &str = concat!("packet-ring ", env!("CARGO_PKG_VERSION"));
/// `if_tsresol`: 10 to the minus 9.
const NANOSECONDS: u8 = 9;
/// The first byte of `if_filter`: an expression in libpcap's language follows.
const FILTER_EXPRESSION: u8 = 0;

/// Adds the section header and the interface.
pub(super) fn begin<W: Write>(buffer: &mut Buffer<W>, interface: &Interface) -> io::Result<()> {
    let mut section = Body::default();
    section.put(&BYTE_ORDER.to_ne_bytes());
    section.put(&1u16.to_ne_bytes());
    section.put(&0u16.to_ne_bytes());
    section.put(&UNKNOWN_LENGTH.to_ne_bytes());
    section.option(SHB_OS, interface.system.as_bytes());
    section.option(SHB_USER_APPLICATION, APPLICATION.as_bytes());
    block(buffer, SECTION_HEADER, section)?;

    let mut description = Body::default();
    description.put(&interface.link_type.to_ne_bytes());
    description.put(&0u16.to_ne_bytes());
    description.put(&interface.snap_length.to_ne_bytes());
    description.option(IF_NAME, interface.name.as_bytes());
    description.option(IF_TIME_RESOLUTION, &[NANOSECONDS]);
    if let Some(filter) = &interface.filter {
        let value: Vec<u8> = core::iter::once(FILTER_EXPRESSION)
            .chain(filter.bytes())
            .collect();
        description.option(IF_FILTER, &value);
    }
    description.option(IF_OS, interface.system.as_bytes());
    block(buffer, INTERFACE_DESCRIPTION, description)
}

/// Adds a packet; `drops` is how many were lost since the packet before, where that is known.
#[inline(always)]
pub(super) fn packet<W: Write>(
    buffer: &mut Buffer<W>,
    wire: &Wire<'_>,
    time: Duration,
    way: Way,
    drops: Option<u64>,
) -> io::Result<()> {
    let captured = wire.len();
    let padded = captured.next_multiple_of(4);
    let drops_size = if drops.is_some() { DROPS_OPTION } else { 0 };
    let total = PACKET_HEAD + padded + FLAGS_OPTION + drops_size + PACKET_TAIL;
    let mut room = buffer.room(total)?;
    // The block is smaller than the buffer, so its lengths fit 32 bits.
    let total = (total as u32).to_ne_bytes();
    let [time_high, time_low] = timestamp(time);
    let head: &mut [u8; PACKET_HEAD] = room.array();
    head[0..4].copy_from_slice(&ENHANCED_PACKET.to_ne_bytes());
    head[4..8].copy_from_slice(&total);
    head[8..12].copy_from_slice(&0u32.to_ne_bytes());
    head[12..16].copy_from_slice(&time_high.to_ne_bytes());
    head[16..20].copy_from_slice(&time_low.to_ne_bytes());
    head[20..24].copy_from_slice(&(captured as u32).to_ne_bytes());
    head[24..28].copy_from_slice(&wire.wire_len.to_ne_bytes());
    if let Some(tag) = wire.tag {
        room.put(wire.addresses);
        room.put(&tag);
    }
    room.put_padded(wire.rest, padded - captured);
    let flags: &mut [u8; FLAGS_OPTION] = room.array();
    flags[0..4].copy_from_slice(&option_head(EPB_FLAGS, 4));
    flags[4..8].copy_from_slice(&flags_of(way).to_ne_bytes());
    if let Some(drops) = drops {
        room.put(&option_head(EPB_DROP_COUNT, 8));
        room.put(&drops.to_ne_bytes());
    }
    let tail: &mut [u8; PACKET_TAIL] = room.array();
    tail[0..4].copy_from_slice(&option_head(END_OF_OPTIONS, 0));
    tail[4..8].copy_from_slice(&total);
    Ok(())
}

/// Adds the statistics that end a file.
pub(super) fn end<W: Write>(buffer: &mut Buffer<W>, statistics: &Statistics) -> io::Result<()> {
    let mut body = Body::default();
    body.put(&0u32.to_ne_bytes());
    body.put(&time_bytes(statistics.end));
    body.option(ISB_START_TIME, &time_bytes(statistics.start));
    body.option(ISB_END_TIME, &time_bytes(statistics.end));
    if let Some((received, dropped)) = statistics.interface {
        body.option(ISB_INTERFACE_RECEIVED, &received.to_ne_bytes());
        body.option(ISB_INTERFACE_DROPPED, &dropped.to_ne_bytes());
    }
    body.option(ISB_FILTER_ACCEPTED, &statistics.accepted.to_ne_bytes());
    body.option(ISB_SYSTEM_DROPPED, &statistics.dropped.to_ne_bytes());
    body.option(ISB_USER_DELIVERED, &statistics.delivered.to_ne_bytes());
    block(buffer, INTERFACE_STATISTICS, body)
}

/// Adds a block whose body ends with options.
fn block<W: Write>(buffer: &mut Buffer<W>, kind: u32, mut body: Body) -> io::Result<()> {
    body.option(END_OF_OPTIONS, &[]);
    let total = body.0.len() + BLOCK_FRAME;
    let mut room = buffer.room(total)?;
    room.put(&kind.to_ne_bytes());
    room.put(&(total as u32).to_ne_bytes());
    room.put(&body.0);
    room.put(&(total as u32).to_ne_bytes());
    Ok(())
}

/// The body of a block that is written once a file.
#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Adds an option, padded to 32 bits; one that is too long for its length field is left out.
    fn option(&mut self, code: u16, value: &[u8]) {
        if let Ok(len) = u16::try_from(value.len()) {
            self.put(&option_head(code, len));
            self.put(value);
            self.0.resize(self.0.len().next_multiple_of(4), 0);
        }
    }
}

#[inline]
fn option_head(code: u16, len: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (code.to_ne_bytes(), len.to_ne_bytes());
    [a, b, c, d]
}

/// Nanoseconds since 1970, the high half first: they end in the year 2554.
#[inline]
fn timestamp(time: Duration) -> [u32; 2] {
    let nanoseconds = time
        .as_secs()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.subsec_nanos().into());
    [(nanoseconds >> 32) as u32, nanoseconds as u32]
}

fn time_bytes(time: Duration) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = {
        let [high, low] = timestamp(time);
        (high.to_ne_bytes(), low.to_ne_bytes())
    };
    [a, b, c, d, e, f, g, h]
}

/// Direction (bits 0 and 1) and how it was addressed (bits 2 to 4).
#[inline]
const fn flags_of(way: Way) -> u32 {
    const INBOUND: u32 = 1;
    const OUTBOUND: u32 = 2;
    match way {
        Way::ToUs => INBOUND | 1 << 2,
        Way::Multicast => INBOUND | 2 << 2,
        Way::Broadcast => INBOUND | 3 << 2,
        Way::ToOthers => INBOUND | 4 << 2,
        Way::Outgoing => OUTBOUND,
    }
}

#[cfg(test)]
mod tests;
