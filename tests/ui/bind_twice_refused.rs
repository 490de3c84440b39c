//! `bind` takes the mapped socket: it is gone afterwards.

use packet_ring::packet::{Geometry, Interface, Rx, Socket};

fn main() -> Result<(), packet_ring::Error> {
    let interface = Interface::by_name("lo")?;
    let mapped = Socket::configure(Rx::new(Geometry::DEFAULT))?.map()?;
    let bound = mapped.bind(interface)?;
    let again = mapped.bind(interface)?; //~ [E0382]
    drop((bound, again));
    Ok(())
}
