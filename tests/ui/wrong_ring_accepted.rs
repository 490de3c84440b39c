//! Each kind of rings has its own direction, and halves share what the whole had.

use packet_ring::Error;
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Interface, NoRing, Rx, RxTx, Socket, Tx};

#[allow(dead_code)]
fn transmits(mut socket: Socket<Bound<Tx>>, other: Interface) -> Result<(), Error> {
    let _ = socket.transmitter().reserve();
    socket.rebind(other)
}

#[allow(dead_code)]
fn receives(mut socket: Socket<Bound<Rx>>) -> Result<usize, Error> {
    let _ = socket.next_block();
    let _ = socket.statistics();
    socket.sender().send(&[[0; 60]])
}

#[allow(dead_code)]
fn copies(socket: Socket<Bound<NoRing>>) -> Result<usize, Error> {
    socket.sender().send(&[[0; 60]])
}

#[allow(dead_code)]
fn does_both(mut socket: Socket<Bound<RxTx>>, other: Interface) -> Result<(), Error> {
    let _ = socket.next_block();
    let _ = socket.transmitter().reserve();
    let (mut rx, mut tx) = socket.into_split()?;
    let _ = rx.next_block();
    let _ = rx.statistics();
    let _ = tx.transmitter().reserve();
    rx.rebind(other)
}

fn main() {}
