//! Which rings there are is the library's to say: a state holds what it itself made.

use packet_ring::lifecycle::{Bound, Configured, Rings};
use packet_ring::packet::{BoundRx, MappedRx, Socket};

struct Mine;

impl Rings for Mine { //~ [E0277]
    type Mapped = MappedRx;
    type Bound = BoundRx;
}

fn with_other_rings(socket: &mut Socket<Bound<Mine>>) {
    let _ = socket.next_block(); //~ [E0599]
}

fn with_anything(socket: Socket<Configured<u32>>) { //~ [E0277]
    let _ = socket.map(); //~ [E0599]
}

fn main() {
    let _ = Socket::configure(Mine); //~ [E0277]
}
