//! A function that receives says in its type that the socket is bound and has a receive ring.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Rx, Socket};

#[allow(dead_code)]
fn receive(socket: &mut Socket<Bound<Rx>>) {
    let _ = socket.next_block();
}

fn main() {}
