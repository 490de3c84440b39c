//! A ring that is made after packets can arrive would miss some: `bind` comes last.

use packet_ring::packet::{Geometry, Interface, Rx, Socket};

fn main() -> Result<(), packet_ring::Error> {
    let interface = Interface::by_name("lo")?;
    let _ = Socket::configure(Rx::new(Geometry::DEFAULT))?.bind(interface); //~ [E0599]
    Ok(())
}
