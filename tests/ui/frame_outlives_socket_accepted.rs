//! A frame lives as long as its transmitter is borrowed, its bytes as long as the frame.

use packet_ring::Error;
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Socket, Tx};

#[allow(dead_code)]
fn in_order(mut socket: Socket<Bound<Tx>>) -> Result<u32, Error> {
    let mut transmitter = socket.transmitter();
    let mut frame = transmitter.reserve().expect("a frame");
    frame.data_mut()[0] = 1;
    frame.send(60)?;
    let taken = transmitter.kick();
    drop(socket);
    taken
}

fn main() {}
