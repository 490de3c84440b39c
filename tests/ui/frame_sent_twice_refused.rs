//! A frame is handed over once, and nothing is kicked, recalled or reserved while one is being filled.

use packet_ring::Error;
use packet_ring::packet::Transmitter;

fn twice(transmitter: &mut Transmitter<'_>) -> Result<u64, Error> {
    let frame = transmitter.reserve().expect("a frame");
    frame.send(60)?;
    frame.send(60) //~ [E0382]
}

fn two_at_once(transmitter: &mut Transmitter<'_>) -> Result<u64, Error> {
    let first = transmitter.reserve().expect("a frame");
    let second = transmitter.reserve().expect("a frame"); //~ [E0499]
    first.send(60)?;
    second.send(60)
}

fn kicked(transmitter: &mut Transmitter<'_>) -> Result<u64, Error> {
    let frame = transmitter.reserve().expect("a frame");
    transmitter.kick()?; //~ [E0499]
    frame.send(60)
}

fn recalled(transmitter: &mut Transmitter<'_>) -> Result<u64, Error> {
    let frame = transmitter.refused().expect("a refused frame");
    transmitter.recall(); //~ [E0499]
    frame.send(60)
}

fn main() {}
