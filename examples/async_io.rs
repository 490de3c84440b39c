//! A recorder in async-io, the reactor of smol: keeps the last packets, and prints them when it matters.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin async_io
//! sudo target/debug/async_io eth0    # until a packet of ethertype 0x88b5 (local experiments), and what was before it
//! ```
//!
//! What is kept lies in the ring: the program holds its last blocks, the newest among them, while it waits.
//! async-io asks the socket itself at each wait, and as long as the newest block is held the answer is yes:
//! waiting for it would spin. `EdgeTriggered` is readable once for each event. The event is taken before the blocks
//! are: what comes later makes it readable again. Who never holds a block over a wait can wait for the socket
//! itself (`Async::new_nonblocking(ring.fd())`).

use core::error::Error;
use std::collections::VecDeque;
use std::env;

use async_io::Async;
use packet_ring::packet::{EdgeTriggered, Geometry, Interface, Rx, Socket};

const RING: Geometry = Geometry::new_assert(1 << 18, 16); // 4 MiB
const KEPT: usize = 12; // blocks: the kernel has four to fill
const ALARM: u16 = 0x88b5;

fn main() -> Result<(), Box<dyn Error>> {
    async_io::block_on(record())
}

async fn record() -> Result<(), Box<dyn Error>> {
    let name = env::args().nth(1).ok_or("usage: async_io INTERFACE")?;
    let interface = Interface::by_name(&name)?;
    let mut socket = Socket::configure(Rx::new(RING))?.map()?.bind(interface)?;
    let mut ring = socket.receiver();
    let events = Async::new_nonblocking(EdgeTriggered::new(ring.fd())?)?;
    let mut past = VecDeque::with_capacity(KEPT);
    println!("receiving");
    loop {
        while let Some(block) = ring.next_block() {
            let alarm = block.packets().any(|packet| packet.protocol() == ALARM);
            if past.len() == KEPT {
                past.pop_front(); // back to the kernel
            }
            past.push_back(block);
            if alarm {
                for packet in past.iter().flatten() {
                    println!("{:02x?}", packet.data());
                }
                return Ok(());
            }
            println!("{} kept", past.len());
        }
        ring.take_error()?;
        events.readable().await?;
        events.get_ref().take()?;
    }
}
