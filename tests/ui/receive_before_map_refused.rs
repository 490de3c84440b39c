//! A socket without a receive ring has no block to hand out.

use packet_ring::packet::{Geometry, Rx, Socket};

fn main() -> Result<(), packet_ring::Error> {
    let mut socket = Socket::configure(Rx::new(Geometry::DEFAULT))?;
    let _ = socket.next_block(); //~ [E0599]
    Ok(())
}
