use packet_ring::Error;
use packet_ring::packet::{FrameGeometry, Geometry, Interface, Rx, RxV2, Socket};

/// A ring of blocks hands out no frames, and one of frames no blocks.
fn main() -> Result<(), Error> {
    let eth0 = Interface::by_name("eth0")?;
    let rx = Rx::new(Geometry::DEFAULT);
    let rx_v2 = RxV2::new(FrameGeometry::DEFAULT);
    let mut blocks = Socket::configure(rx)?.map()?.bind(eth0)?;
    let mut frames = Socket::configure(rx_v2)?.map()?.bind(eth0)?;
    let _ = blocks.next_frame(); //~ [E0599]
    let _ = frames.next_block(); //~ [E0599]
    Ok(())
}
