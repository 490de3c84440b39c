//! One frame after the other, and then a kick.

use packet_ring::Error;
use packet_ring::packet::Transmitter;

#[allow(dead_code)]
fn two_frames(transmitter: &mut Transmitter<'_>) -> Result<u32, Error> {
    let first = transmitter.reserve().expect("a frame");
    first.send(60)?;
    let second = transmitter.reserve().expect("a frame");
    second.send(60)?;
    transmitter.kick()
}

fn main() {}
