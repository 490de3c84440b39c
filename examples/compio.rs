//! Packets in compio, a runtime that has io_uring wait.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin compio
//! sudo target/debug/compio eth0 10    # 10 packets as they come, then the end
//! ```
//!
//! compio owns what it waits for, while the ring is taken from, and asks anew at each wait. `EdgeTriggered` suits both:
//! it is a descriptor of its own, which is readable once for each event, whether blocks are held meanwhile or
//! not. The event is taken before the blocks are: what comes later makes it readable again.

use core::error::Error;
use std::env;

use compio::runtime::Runtime;
use compio::runtime::fd::PollFd;
use packet_ring::packet::{EdgeTriggered, Geometry, Interface, Rx, Socket};

const RING: Geometry = Geometry::new_assert(1 << 18, 16); // 4 MiB

fn main() -> Result<(), Box<dyn Error>> {
    Runtime::new()?.block_on(receive())
}

async fn receive() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let interface = arguments.next().ok_or("usage: compio INTERFACE PACKETS")?;
    let mut wanted: usize = arguments.next().ok_or("how many packets?")?.parse()?;

    let interface = Interface::by_name(&interface)?;
    let mut socket = Socket::configure(Rx::new(RING))?.map()?.bind(interface)?;
    let events = PollFd::new(EdgeTriggered::new(&socket)?)?;
    println!("receiving");
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
        events.read_ready().await?;
        events.take()?;
    }
}
