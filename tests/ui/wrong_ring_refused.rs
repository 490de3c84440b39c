//! What a socket has no ring for, it cannot be asked for; nor a half for what is the other's.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Halves, Interface, NoRing, Rx, RxTx, Socket, Tx};

fn transmits(mut socket: Socket<Bound<Tx>>) {
    let _ = socket.next_block(); //~ [E0599]
    let _ = socket.receiver(); //~ [E0599]
    let _ = socket.statistics(); //~ [E0599]
    let _ = socket.take_error(); //~ [E0599]
    let _ = socket.sender(); //~ [E0599]
}

fn receives(mut socket: Socket<Bound<Rx>>) {
    let _ = socket.transmitter(); //~ [E0599]
}

fn copies(mut socket: Socket<Bound<NoRing>>) {
    let _ = socket.transmitter(); //~ [E0599]
    let _ = socket.next_block(); //~ [E0599]
}

fn does_both(socket: Socket<Bound<RxTx>>) {
    let _ = socket.sender(); //~ [E0599]
}

fn halves((mut rx, mut tx): Halves, other: Interface) {
    let _ = rx.transmitter(); //~ [E0599]
    let _ = rx.sender(); //~ [E0599]
    let _ = tx.statistics(); //~ [E0599]
    let _ = tx.take_error(); //~ [E0599]
    let _ = tx.rebind(other); //~ [E0599]
    let _ = tx.interface(); //~ [E0599]
}

fn main() {}
