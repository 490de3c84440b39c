//! The kernel lets no socket into a group that is not bound: there is nothing to join with.

use packet_ring::packet::{Fanout, FanoutMode, Geometry, Rx, Socket};

fn main() -> Result<(), packet_ring::Error> {
    let fanout = Fanout::in_group(7, FanoutMode::Hash);
    let configured = Socket::configure(Rx::new(Geometry::DEFAULT))?;
    let _ = configured.join_fanout(&fanout); //~ [E0599]
    let mapped = Socket::configure(Rx::new(Geometry::DEFAULT))?.map()?;
    let _ = mapped.join_fanout(&fanout); //~ [E0599]
    Ok(())
}
