//! `map` takes the configured socket: one socket has one ring.

use packet_ring::packet::{Geometry, Rx, Socket};

fn main() -> Result<(), packet_ring::Error> {
    let configured = Socket::configure(Rx::new(Geometry::DEFAULT))?;
    let mapped = configured.map()?;
    let again = configured.map()?; //~ [E0382]
    drop((mapped, again));
    Ok(())
}
