//! What is measured, a file each.

mod ended;
mod flood;
mod growth;
mod ping_pong;
mod replay;
mod transmit;
mod walk;

use crate::peer::{Family, Peer};
use crate::report::line::Run;

/// How much of everything.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    quick: bool,
}

impl Scale {
    pub(crate) fn new(quick: bool) -> Self {
        Self { quick }
    }

    /// Turns, of which a try has two.
    fn turns(self, turns: usize) -> usize {
        if self.quick { 2 } else { turns }
    }

    /// Packets of a go, of which a try has a tenth.
    fn packets(self, packets: u64) -> u64 {
        if self.quick { packets / 10 } else { packets }
    }
}

/// The name of the loop by hand of a family: what ratios are to.
fn by_hand(family: Family) -> &'static str {
    match family {
        Family::Packet => "by hand",
        Family::Xdp => "by hand, AF_XDP",
    }
}

/// A measure: its name, and what takes it.
type Named = (&'static str, fn(&mut Run, Scale, &[&'static dyn Peer]));

/// All of them, in the order of the document.
pub(crate) const ALL: [Named; 11] = [
    ("walk", walk::again),
    ("drain", walk::cold),
    ("flood", flood::flood),
    ("paced", flood::paced),
    ("transmit", transmit::transmit),
    ("xdp_drain", walk::xdp_cold),
    ("xdp_flood", flood::xdp),
    ("xdp_transmit", transmit::xdp),
    ("ping_pong", ping_pong::measure),
    ("ring_size", growth::ring_size),
    ("held_and_workers", growth::held_and_workers),
];
