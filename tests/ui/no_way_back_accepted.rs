//! A bound socket changes its interface and keeps its ring.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Interface, Rx, Socket};

#[allow(dead_code)]
fn rebind(bound: &mut Socket<Bound<Rx>>, interface: Interface) -> Result<(), packet_ring::Error> {
    bound.rebind(interface)
}

fn main() {}
