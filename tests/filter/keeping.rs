//! Filters that tell two kinds of frames apart, and a bench that has one of them.

#![allow(dead_code, reason = "each test file uses its own part")]

use packet_ring::Deadline;
use packet_ring::bpf::{Instruction, Size, Source, Statement, assemble};
use packet_ring::packet::{Geometry, Rx, Socket};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame};

use crate::data_path::{Bench, FRAME, PATIENCE, interface};

pub(crate) const IPV4: u16 = 0x0800;

/// Keeps `bytes` of the packets of one EtherType and drops all others.
pub(crate) const fn only(ether_type: u16, bytes: u32) -> [Instruction; 4] {
    assemble([
        Statement::LdAbs(Size::H, 12),
        Statement::Jeq(Source::K(ether_type as u32), 0, 1),
        Statement::RetK(bytes),
        Statement::RetK(0),
    ])
}

/// Keeps the frames of [`frame::numbered`].
pub(crate) const BARE: [Instruction; 4] = only(frame::ETHERTYPE, 262_144);
/// Keeps those of [`frame::numbered_udp`].
pub(crate) const UDP: [Instruction; 4] = only(IPV4, 262_144);

pub(crate) fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

/// A bench whose socket keeps UDP alone.
pub(crate) fn keeping_udp(geometry: Geometry) -> Result<Bench, Stopped> {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = Socket::configure(Rx::new(geometry))?;
    socket.attach_filter(&UDP)?;
    Ok(Bench {
        injector: Injector::on(&pair.near)?,
        socket: socket.map()?.bind(interface(&pair.far)?)?,
        pair,
    })
}

/// Sends UDP frames with these numbers.
pub(crate) fn send_udp(injector: &Injector, numbers: core::ops::Range<u64>) -> TestResult {
    let frames: Vec<_> = numbers.map(|n| frame::numbered_udp(n, FRAME)).collect();
    Ok(injector.send_batch(&frames)?)
}
