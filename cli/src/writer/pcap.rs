//! Classic pcap with times in nanoseconds, in this machine's byte order.
//!
//! A packet costs its bytes plus 16.

use core::time::Duration;
use std::io::{self, Write};

use super::Interface;
use super::buffer::Buffer;
use crate::frame::Wire;

/// "Times are in nanoseconds", and in which byte order the file is.
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const VERSION: [u16; 2] = [2, 4];

const FILE_HEAD: usize = 24;
/// Seconds, nanoseconds, captured length, length.
const PACKET_HEAD: usize = 16;

pub(super) fn begin<W: Write>(buffer: &mut Buffer<W>, interface: &Interface) -> io::Result<()> {
    let head: &mut [u8; FILE_HEAD] = buffer.room(FILE_HEAD)?.array();
    let [major, minor] = VERSION.map(u16::to_ne_bytes);
    head[0..4].copy_from_slice(&NANOSECONDS.to_ne_bytes());
    head[4..6].copy_from_slice(&major);
    head[6..8].copy_from_slice(&minor);
    // Time zone and accuracy, which nobody fills in.
    head[8..16].fill(0);
    head[16..20].copy_from_slice(&interface.snap_length.to_ne_bytes());
    head[20..24].copy_from_slice(&u32::from(interface.link_type).to_ne_bytes());
    Ok(())
}

#[inline(always)]
pub(super) fn packet<W: Write>(
    buffer: &mut Buffer<W>,
    wire: &Wire<'_>,
    time: Duration,
) -> io::Result<()> {
    let captured = wire.len();
    let mut room = buffer.room(PACKET_HEAD + captured)?;
    let head: &mut [u8; PACKET_HEAD] = room.array();
    // The format has 32 bits for seconds: they end in the year 2106.
    head[0..4].copy_from_slice(&(time.as_secs() as u32).to_ne_bytes());
    head[4..8].copy_from_slice(&time.subsec_nanos().to_ne_bytes());
    // The room is smaller than the buffer, so the length fits 32 bits.
    head[8..12].copy_from_slice(&(captured as u32).to_ne_bytes());
    head[12..16].copy_from_slice(&wire.wire_len.to_ne_bytes());
    if let Some(tag) = wire.tag {
        room.put(wire.addresses);
        room.put(&tag);
    }
    room.put_packet(wire.rest);
    Ok(())
}
