//! The rings go their own way, come back, and the socket is closed with them.

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Rx, Socket};
use packet_ring::{Deadline, Error};

#[allow(dead_code)]
fn split_and_closed(mut socket: Socket<Bound<Rx>>) -> Result<u32, Error> {
    let _ = socket.rings().rx.batch(32);
    let (mut rings, joint) = socket.split();
    let _ = rings.rx.batch(32);
    Ok(joint.close(rings)?.reclaim(Deadline::PASSED)?)
}

fn main() {}
