//! Prints the packets of one interface for two seconds.

use core::{ops::ControlFlow, time::Duration};
use packet_ring::packet::{Geometry, Interface, Rx, Socket};
use packet_ring::{Deadline, Error, OnSignal};

const RING: Geometry = Geometry::new_assert(1 << 20, 64); // 64 blocks of 1 MiB; a wrong size fails the build

fn main() -> Result<(), Error> {
    let eth0 = Interface::by_name(&std::env::args().nth(1).unwrap())?;
    let mut socket = Socket::configure(Rx::new(RING))?.map()?.bind(eth0)?;
    let end = Deadline::after(Duration::from_secs(2));
    socket.for_each(end, OnSignal::Continue, |packet| {
        let time = packet.timestamp();
        println!(
            "{}.{:09} {} bytes",
            time.seconds,
            time.nanoseconds,
            packet.len()
        );
        ControlFlow::Continue(())
    })?;
    let seen = socket.statistics()?;
    println!("{} packets, {} dropped", seen.packets, seen.drops);
    Ok(())
}
