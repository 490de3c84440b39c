//! Packets by epoll, as any event loop takes them that knows nothing of this library.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin epoll
//! sudo target/debug/epoll eth0 10    # 10 packets as they come, then the end
//! ```
//!
//! The socket is registered edge-triggered, and blocks are taken until there is none, before the first wait and
//! after each: level-triggered, epoll would return at once for as long as the newest block is held.

use core::error::Error;
use std::env;
use std::os::fd::AsFd;

use packet_ring::packet::{Geometry, Interface, Rx, Socket};
use rustix::event::epoll;

const RING: Geometry = Geometry::new_assert(1 << 18, 16); // 4 MiB

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let interface = arguments.next().ok_or("usage: epoll INTERFACE PACKETS")?;
    let mut wanted: usize = arguments.next().ok_or("how many packets?")?.parse()?;

    let interface = Interface::by_name(&interface)?;
    let mut socket = Socket::configure(Rx::new(RING))?.map()?.bind(interface)?;
    let reactor = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let events = epoll::EventFlags::IN | epoll::EventFlags::ERR | epoll::EventFlags::ET;
    epoll::add(
        &reactor,
        socket.as_fd(),
        epoll::EventData::new_u64(0),
        events,
    )?;
    println!("receiving");

    let mut ready = Vec::with_capacity(1);
    loop {
        while let Some(block) = socket.next_block() {
            for packet in block.packets().take(wanted) {
                println!("{:02x?}", packet.data());
                wanted -= 1;
            }
            if wanted == 0 {
                return Ok(());
            }
        }
        socket.take_error()?;
        ready.clear();
        epoll::wait(&reactor, rustix::buffer::spare_capacity(&mut ready), None)?;
    }
}
