//! A socket has the rings that it was made for, and no others.

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Rx, Socket, Tx};

fn receive_from_a_transmitter(socket: &mut Socket<Bound<Tx>>) {
    let _ = socket.rings().rx.batch(32); //~ [E0609]
}

fn stock_a_transmitter(socket: &mut Socket<Bound<Tx>>) {
    let _ = socket.rings().fill.batch(32); //~ [E0609]
}

fn send_by_a_receiver(socket: &mut Socket<Bound<Rx>>) {
    let _ = socket.rings().tx.batch(32); //~ [E0609]
}

fn main() {}
