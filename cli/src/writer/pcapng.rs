//! pcapng blocks, in this machine's byte order, gathered in one buffer that is reused.
//!
//! A packet costs its bytes plus 44, one copy, no allocation and no system call: the buffer goes to the file when it
//! is full. (pcap-file builds each block with a vector of options and writes it twice, once only to learn its length.)

use core::time::Duration;
use std::io::{self, Write};

use crate::frame::{Frame, Way};

/// Bytes gathered before one write; a packet of the largest snap length fits four times.
const BUFFER_SIZE: usize = 1 << 20;

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

/// What a file says about the interface that its packets come from.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) link_type: u16,
    pub(crate) snap_length: u32,
    /// The expression, if there is one.
    pub(crate) filter: Option<String>,
    /// The kernel's name and release.
    pub(crate) system: String,
}

/// What the closing block says: totals since the capture began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    pub(crate) start: Duration,
    pub(crate) end: Duration,
    /// What the interface itself counted: received, dropped. Not known everywhere.
    pub(crate) interface: Option<(u64, u64)>,
    /// Packets that passed the filter.
    pub(crate) accepted: u64,
    /// Packets for which the ring had no room.
    pub(crate) dropped: u64,
    /// Packets that were written.
    pub(crate) delivered: u64,
}

/// One pcapng section with one interface.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    out: W,
    buffer: Box<[u8]>,
    filled: usize,
    /// Bytes of this file given to `out`.
    flushed: u64,
    /// How often `out` was given some.
    writes: u64,
    snap_length: u32,
}

impl<W: Write> Writer<W> {
    /// Begins with the section header and the interface; nothing reaches `out` before the buffer is full or flushed.
    pub(crate) fn new(out: W, interface: &Interface) -> io::Result<Self> {
        let mut writer = Self {
            out,
            buffer: vec![0; BUFFER_SIZE].into_boxed_slice(),
            filled: 0,
            flushed: 0,
            writes: 0,
            snap_length: interface.snap_length,
        };
        writer.begin(interface)?;
        Ok(writer)
    }

    /// Ends one file and begins another with the same buffer.
    pub(crate) fn restart(&mut self, out: W, interface: &Interface) -> io::Result<()> {
        self.flush()?;
        self.out = out;
        self.flushed = 0;
        self.snap_length = interface.snap_length;
        self.begin(interface)
    }

    /// Bytes of this file, those in the buffer included.
    pub(crate) fn len(&self) -> u64 {
        self.flushed + self.filled as u64
    }

    /// How often something was written out, over all files.
    pub(crate) fn writes(&self) -> u64 {
        self.writes
    }

    /// Adds a packet; `drops` is how many were lost since the packet before, where that is known.
    #[inline(always)]
    pub(crate) fn packet(&mut self, frame: &Frame<'_>, drops: Option<u64>) -> io::Result<()> {
        let wire = frame.on_wire(self.snap_length);
        let captured = wire.len();
        let padded = captured.next_multiple_of(4);
        let drops_size = if drops.is_some() { DROPS_OPTION } else { 0 };
        let total = PACKET_HEAD + padded + FLAGS_OPTION + drops_size + PACKET_TAIL;
        let mut block = Cursor(self.room(total)?);
        // The block is smaller than the buffer, so its lengths fit 32 bits.
        let total = (total as u32).to_ne_bytes();
        let [time_high, time_low] = timestamp(frame.time);
        let head: &mut [u8; PACKET_HEAD] = block.array();
        head[0..4].copy_from_slice(&ENHANCED_PACKET.to_ne_bytes());
        head[4..8].copy_from_slice(&total);
        head[8..12].copy_from_slice(&0u32.to_ne_bytes());
        head[12..16].copy_from_slice(&time_high.to_ne_bytes());
        head[16..20].copy_from_slice(&time_low.to_ne_bytes());
        head[20..24].copy_from_slice(&(captured as u32).to_ne_bytes());
        head[24..28].copy_from_slice(&wire.wire_len.to_ne_bytes());
        if let Some(tag) = wire.tag {
            block.put(wire.addresses);
            block.put(&tag);
        }
        block.put_padded(wire.rest, padded - captured);
        let flags: &mut [u8; FLAGS_OPTION] = block.array();
        flags[0..4].copy_from_slice(&option_head(EPB_FLAGS, 4));
        flags[4..8].copy_from_slice(&flags_of(frame.way).to_ne_bytes());
        if let Some(drops) = drops {
            block.put(&option_head(EPB_DROP_COUNT, 8));
            block.put(&drops.to_ne_bytes());
        }
        let tail: &mut [u8; PACKET_TAIL] = block.array();
        tail[0..4].copy_from_slice(&option_head(END_OF_OPTIONS, 0));
        tail[4..8].copy_from_slice(&total);
        Ok(())
    }

    /// Adds the statistics that end a file, and gives everything to it.
    pub(crate) fn close(&mut self, statistics: &Statistics) -> io::Result<()> {
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
        self.block(INTERFACE_STATISTICS, body)?;
        self.flush()
    }

    /// Gives the buffer to the file.
    #[cold]
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        // Taken first: after an error the same bytes must not be written twice.
        let filled = core::mem::take(&mut self.filled);
        if filled == 0 {
            return Ok(());
        }
        self.flushed += filled as u64;
        self.writes += 1;
        self.out.write_all(&self.buffer[..filled])
    }

    fn begin(&mut self, interface: &Interface) -> io::Result<()> {
        let mut section = Body::default();
        section.put(&BYTE_ORDER.to_ne_bytes());
        section.put(&1u16.to_ne_bytes());
        section.put(&0u16.to_ne_bytes());
        section.put(&UNKNOWN_LENGTH.to_ne_bytes());
        section.option(SHB_OS, interface.system.as_bytes());
        section.option(SHB_USER_APPLICATION, APPLICATION.as_bytes());
        self.block(SECTION_HEADER, section)?;

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
        self.block(INTERFACE_DESCRIPTION, description)
    }

    /// Adds a block whose body ends with options.
    fn block(&mut self, kind: u32, mut body: Body) -> io::Result<()> {
        body.option(END_OF_OPTIONS, &[]);
        let total = body.0.len() + BLOCK_FRAME;
        let mut block = Cursor(self.room(total)?);
        block.put(&kind.to_ne_bytes());
        block.put(&(total as u32).to_ne_bytes());
        block.put(&body.0);
        block.put(&(total as u32).to_ne_bytes());
        Ok(())
    }

    /// The next `len` bytes of the buffer, written out first where it has no room for them.
    #[inline(always)]
    fn room(&mut self, len: usize) -> io::Result<&mut [u8]> {
        if len > self.buffer.len() - self.filled {
            self.flush()?;
        }
        let start = self.filled;
        let room = self
            .buffer
            .get_mut(start..start + len)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.filled += len;
        Ok(room)
    }
}

/// What is left of a block to be filled, from its front.
struct Cursor<'a>(&'a mut [u8]);

impl<'a> Cursor<'a> {
    /// Panics where the block was sized too small for its parts.
    #[inline]
    fn take(&mut self, len: usize) -> &'a mut [u8] {
        let (part, rest) = core::mem::take(&mut self.0).split_at_mut(len);
        self.0 = rest;
        part
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> &'a mut [u8; N] {
        let part = self.take(N).first_chunk_mut();
        part.expect("take returns N bytes")
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.take(bytes.len()).copy_from_slice(bytes);
    }

    /// Adds `bytes` and `padding` zeros, at most three.
    #[inline(always)]
    fn put_padded(&mut self, bytes: &[u8], padding: usize) {
        /// Up to here a loop is faster than a call of memcpy.
        const SMALL: usize = 256;
        let part = self.take(bytes.len() + padding);
        // Zeros first: the bytes go over all but the padding.
        if let Some(last) = part.last_chunk_mut::<4>() {
            *last = [0; 4];
        }
        let part = &mut part[..bytes.len()];
        if bytes.len() > SMALL {
            return part.copy_from_slice(bytes);
        }
        let (wide, rest) = bytes.as_chunks::<16>();
        let (wide_part, rest_part) = part.as_chunks_mut::<16>();
        for (to, from) in wide_part.iter_mut().zip(wide) {
            *to = *from;
        }
        for (to, from) in rest_part.iter_mut().zip(rest) {
            *to = *from;
        }
    }
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
