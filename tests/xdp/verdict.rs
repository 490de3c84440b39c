//! What programs say of packets: the library's interpreter, and the kernel running the translation.

#![allow(dead_code, reason = "each test file uses its own part")]

use packet_ring::bpf::{Context, Program as Filter};
use packet_ring::xdp::{Program, Redirect, Rejected, Xskmap};
use packet_ring_lab::run_xdp;
use packet_ring_lab::suite::Stopped;

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// The shortest packet that the kernel runs a program over, in bytes: an Ethernet header.
pub(crate) const SHORTEST: usize = 14;

/// Where a packet is cut in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// Nowhere, and the program knows of one piece only.
    Unknown,
    /// Where the kernel likes, which is nowhere below 3,500 bytes.
    Kernels,
    /// Behind so many bytes.
    Behind(u32),
}

/// The filter, translated for packets in one piece and in several. Accepted packets pass, for their queue
/// has no socket, and rejected ones are dropped.
pub(crate) struct Translated {
    one_piece: Program,
    several: Program,
}

impl Translated {
    pub(crate) fn load(map: &Xskmap, filter: &Filter<'_>) -> Result<Self, Stopped> {
        let redirect = Redirect::to(map).filter(filter).rejected(Rejected::Drop);
        Ok(Self {
            one_piece: redirect.load()?,
            several: redirect.fragments().load()?,
        })
    }

    /// Whether the kernel's run accepts the packet.
    pub(crate) fn accepts(&self, packet: &[u8], pieces: Pieces) -> Result<bool, Stopped> {
        let verdict = match pieces {
            Pieces::Unknown => run_xdp(&self.one_piece, packet, None)?,
            Pieces::Kernels => run_xdp(&self.several, packet, None)?,
            Pieces::Behind(bytes) => run_xdp(&self.several, packet, Some(bytes))?,
        };
        match verdict {
            XDP_PASS => Ok(true),
            XDP_DROP => Ok(false),
            other => Err(format!("the verdict is {other}").into()),
        }
    }
}

/// What is known of a packet that comes by queue 0 of `lo`, where the kernel runs programs for tests.
pub(crate) fn context(packet: &[u8]) -> Context<'_> {
    Context {
        protocol: protocol(packet),
        interface_index: 1,
        queue: 1,
        ..Context::new(packet)
    }
}

/// What `eth_type_trans` makes of the two bytes at 12: a type, or the kind of frame that has a length there.
fn protocol(packet: &[u8]) -> u16 {
    let at = |offset| u16::from_be_bytes([packet[offset], packet[offset + 1]]);
    match at(12) {
        ether_type @ 0x600.. => ether_type,
        _ if packet.len() >= 16 && at(14) == 0xffff => 1,
        _ => 4,
    }
}
