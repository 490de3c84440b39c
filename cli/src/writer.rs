//! Capture files, pcapng or classic pcap, gathered in one buffer that is reused.
//!
//! A packet costs one copy, no allocation and no system call: the buffer goes to the file when it is full.

mod buffer;
mod pcap;
mod pcapng;

use core::time::Duration;
use std::io::{self, Write};

use crate::frame::Frame;
use buffer::Buffer;

/// Which kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Says where packets come from, which way they went, and what was lost.
    Pcapng,
    /// What every reader knows: packets and nothing else.
    Pcap,
}

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

/// What a pcapng file ends with: totals since the capture began.
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

/// Files of one interface, one after the other.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    buffer: Buffer<W>,
    format: Format,
    snap_length: u32,
}

impl<W: Write> Writer<W> {
    /// Begins a file; nothing reaches `out` before the buffer is full or flushed.
    pub(crate) fn new(out: W, format: Format, interface: &Interface) -> io::Result<Self> {
        let mut writer = Self {
            buffer: Buffer::new(out),
            format,
            snap_length: interface.snap_length,
        };
        writer.begin(interface)?;
        Ok(writer)
    }

    /// Ends one file and begins another with the same buffer.
    pub(crate) fn restart(&mut self, out: W, interface: &Interface) -> io::Result<()> {
        self.buffer.restart(out)?;
        self.snap_length = interface.snap_length;
        self.begin(interface)
    }

    /// Bytes of this file, those in the buffer included.
    #[inline]
    pub(crate) fn len(&self) -> u64 {
        self.buffer.len()
    }

    /// How often something was written out, over all files.
    pub(crate) fn writes(&self) -> u64 {
        self.buffer.writes()
    }

    /// Adds a packet; `drops` is how many were lost since the packet before, where that is known and the file can say it.
    #[inline(always)]
    pub(crate) fn packet(&mut self, frame: &Frame<'_>, drops: Option<u64>) -> io::Result<()> {
        let wire = frame.on_wire(self.snap_length);
        match self.format {
            Format::Pcapng => pcapng::packet(&mut self.buffer, &wire, frame.time, frame.way, drops),
            Format::Pcap => pcap::packet(&mut self.buffer, &wire, frame.time),
        }
    }

    /// Adds the statistics where the file has a place for them, and gives everything to it.
    pub(crate) fn close(&mut self, statistics: &Statistics) -> io::Result<()> {
        if self.format == Format::Pcapng {
            pcapng::end(&mut self.buffer, statistics)?;
        }
        self.flush()
    }

    /// Gives the buffer to the file.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.buffer.flush()
    }

    fn begin(&mut self, interface: &Interface) -> io::Result<()> {
        match self.format {
            Format::Pcapng => pcapng::begin(&mut self.buffer, interface),
            Format::Pcap => pcap::begin(&mut self.buffer, interface),
        }
    }
}

#[cfg(test)]
mod tests;
