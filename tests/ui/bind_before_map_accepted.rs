//! First the ring, then the interface.

use packet_ring::packet::{Geometry, Interface, Rx, Socket};

#[allow(dead_code)]
fn bind(interface: Interface) -> Result<(), packet_ring::Error> {
    let _ = Socket::configure(Rx::new(Geometry::DEFAULT))?
        .map()?
        .bind(interface)?;
    Ok(())
}

fn main() {}
