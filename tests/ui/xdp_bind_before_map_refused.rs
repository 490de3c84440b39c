//! A socket is mapped before it is bound, configured before it is mapped, and each of it once.

use core::time::Duration;

use packet_ring::lifecycle::{Bound, Configured, Mapped};
use packet_ring::xdp::{Queue, Rx, Socket};

fn bound_unmapped(socket: Socket<Configured<Rx>>, queue: Queue) {
    let _ = socket.bind(queue); //~ [E0599]
}

fn rings_unmapped(socket: &mut Socket<Configured<Rx>>) {
    let _ = socket.rings(); //~ [E0599]
}

fn mapped_twice(socket: Socket<Mapped<Rx>>) {
    let _ = socket.map(); //~ [E0599]
}

fn options_when_mapped(socket: &mut Socket<Mapped<Rx>>) {
    let _ = socket.busy_poll(Duration::from_micros(20), 64); //~ [E0599]
}

fn bound_twice(socket: Socket<Bound<Rx>>, queue: Queue) {
    let _ = socket.bind(queue); //~ [E0599]
}

fn sibling_of_one_alone(socket: &Socket<Bound<Rx>>) {
    let _ = socket.sibling_rx(packet_ring::xdp::RingSize::new_assert(64)); //~ [E0599]
}

fn main() {}
