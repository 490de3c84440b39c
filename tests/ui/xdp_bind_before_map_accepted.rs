//! Configured, mapped, bound and shared, in that order.

use core::time::Duration;

use packet_ring::Error;
use packet_ring::lifecycle::Configured;
use packet_ring::xdp::{Queue, RingSize, Rx, RxRing, Socket};

#[allow(dead_code)]
fn in_order(mut socket: Socket<Configured<Rx>>, queue: Queue) -> Result<RxRing, Error> {
    socket.busy_poll(Duration::from_micros(20), 64)?;
    let mut socket = socket.map()?;
    let _ = socket.rings();
    let socket = socket.bind(queue)?.share();
    socket.sibling_rx(RingSize::new_assert(64))
}

fn main() {}
