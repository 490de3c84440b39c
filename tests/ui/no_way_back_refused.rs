//! Each state has the transition to the next, and none that it has behind it.

use packet_ring::lifecycle::{Bound, Mapped};
use packet_ring::packet::{Interface, Rx, Socket};

fn back(mapped: Socket<Mapped<Rx>>, bound: Socket<Bound<Rx>>, interface: Interface) {
    let _ = Socket::<Bound<Rx>>::bind(bound, interface); //~ [E0599]
    let _ = Socket::<Bound<Rx>>::map(bound); //~ [E0599]
    let _ = Socket::<Mapped<Rx>>::map(mapped); //~ [E0599]
}

fn main() {}
