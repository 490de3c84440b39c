//! No packet can arrive before `bind`: there is nothing to ask for one.

use packet_ring::packet::{Geometry, Rx, Socket};

fn main() -> Result<(), packet_ring::Error> {
    let mut socket = Socket::configure(Rx::new(Geometry::DEFAULT))?.map()?;
    let _ = socket.next_block(); //~ [E0599]
    let _ = socket.receiver(); //~ [E0599]
    Ok(())
}
