use packet_ring::Error;
use packet_ring::packet::{FrameGeometry, Geometry, Interface, Rx, RxV2, Socket};

/// Each kind of ring hands out what it has.
fn main() -> Result<(), Error> {
    let eth0 = Interface::by_name("eth0")?;
    let rx = Rx::new(Geometry::DEFAULT);
    let rx_v2 = RxV2::new(FrameGeometry::DEFAULT);
    let mut blocks = Socket::configure(rx)?.map()?.bind(eth0)?;
    let mut frames = Socket::configure(rx_v2)?.map()?.bind(eth0)?;
    let _ = blocks.next_block();
    let _ = frames.next_frame();
    Ok(())
}
