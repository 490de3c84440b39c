//! A frame borrows its transmitter, and that the socket: the socket unmaps the ring.

use packet_ring::Error;
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Socket, Transmitter, Tx, TxFrame};

fn the_socket_goes(mut socket: Socket<Bound<Tx>>) -> Result<u64, Error> {
    let mut transmitter = socket.transmitter();
    let frame = transmitter.reserve().expect("a frame");
    drop(socket); //~ [E0505]
    frame.send(60)
}

fn the_transmitter_goes(mut socket: Socket<Bound<Tx>>) -> Result<u64, Error> {
    let mut transmitter = socket.transmitter();
    let frame = transmitter.reserve().expect("a frame");
    drop(transmitter); //~ [E0505]
    frame.send(60)
}

fn returned(mut transmitter: Transmitter<'_>) -> Option<TxFrame<'_>> {
    transmitter.reserve() //~ [E0515]
}

fn its_bytes(transmitter: &mut Transmitter<'_>) -> Result<u8, Error> {
    let frame = transmitter.reserve().expect("a frame");
    let bytes = frame.data();
    frame.send(60)?; //~ [E0505]
    Ok(bytes[0])
}

fn main() {}
