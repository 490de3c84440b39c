//! Joining after `bind`.

use packet_ring::packet::{Fanout, FanoutMode, Geometry, Interface, Rx, Socket};

#[allow(dead_code)]
fn join(interface: Interface) -> Result<(), packet_ring::Error> {
    let fanout = Fanout::in_group(7, FanoutMode::Hash);
    let mapped = Socket::configure(Rx::new(Geometry::DEFAULT))?.map()?;
    let bound = mapped.bind(interface)?;
    let member = bound.join_fanout(&fanout)?;
    let _ = member.group().fanout()?;
    Ok(())
}

fn main() {}
