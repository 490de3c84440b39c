//! A map that failed gives the socket back, to be mapped later.

use packet_ring::lifecycle::{Configured, Mapped};
use packet_ring::packet::{Rx, Socket};

#[allow(dead_code)]
fn map(configured: Socket<Configured<Rx>>) -> Result<Socket<Mapped<Rx>>, packet_ring::Error> {
    match configured.map() {
        Ok(mapped) => Ok(mapped),
        Err(failed) => Ok(failed.into_socket().map()?),
    }
}

fn main() {}
