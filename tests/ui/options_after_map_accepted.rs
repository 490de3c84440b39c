//! Options before the ring.

use packet_ring::bpf::Instruction;
use packet_ring::packet::{Geometry, Rx, Socket};

#[allow(dead_code)]
fn early() -> Result<(), packet_ring::Error> {
    let mut configured = Socket::configure(Rx::new(Geometry::DEFAULT))?;
    configured.attach_filter(&[Instruction::keep(64)])?;
    configured.ignore_outgoing()?;
    let _ = configured.map()?;
    Ok(())
}

fn main() {}
