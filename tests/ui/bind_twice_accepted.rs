//! A bind that failed gives the socket back, to be bound again.

use packet_ring::lifecycle::{Bound, Mapped};
use packet_ring::packet::{Interface, Rx, Socket};

#[allow(dead_code)]
fn bind(
    mapped: Socket<Mapped<Rx>>,
    first: Interface,
    second: Interface,
) -> Result<Socket<Bound<Rx>>, packet_ring::Error> {
    match mapped.bind(first) {
        Ok(bound) => Ok(bound),
        Err(failed) => Ok(failed.into_socket().bind(second)?),
    }
}

fn main() {}
