//! Receiving after `bind`.

use packet_ring::packet::{Geometry, Interface, Rx, Socket};

#[allow(dead_code)]
fn receive(interface: Interface) -> Result<(), packet_ring::Error> {
    let mut socket = Socket::configure(Rx::new(Geometry::DEFAULT))?
        .map()?
        .bind(interface)?;
    let _ = socket.next_block();
    let _ = socket.receiver();
    Ok(())
}

fn main() {}
