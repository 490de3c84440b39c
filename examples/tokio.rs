//! Packets in tokio, from a task that owns the ring. The README shows this program.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin tokio
//! sudo target/debug/tokio eth0    # until the link goes down
//! ```
//!
//! tokio registers the socket edge-triggered: so blocks are taken until there is none, before the first wait and
//! after each. What `clear_ready` forgets was seen before the blocks were taken, and what comes later is an
//! event of its own. Without `Interest::ERROR` tokio would not wake the task when the link goes down.
//!
//! `with_interest` is deprecated since tokio 1.53.2, because it also takes bare numbers of descriptors, which somebody
//! else may close. A socket keeps its own open. What is to be used in its place is `unsafe`.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Geometry, Interface, Rx, Socket};
use tokio::io::{Interest, unix::AsyncFd};

const RING: Geometry = Geometry::new_assert(1 << 18, 16); // 16 blocks of 256 KiB

#[allow(deprecated)] // its successor is `unsafe`, for descriptors that may be closed meanwhile: not this one
async fn receive(socket: Socket<Bound<Rx>>) -> std::io::Result<()> {
    let events = Interest::READABLE | Interest::ERROR; // packets, and the link going down
    let mut ring = AsyncFd::with_interest(socket, events)?;
    loop {
        while let Some(block) = ring.get_mut().next_block() {
            for packet in &block {
                println!("{:02x?}", packet.data());
            }
        }
        ring.get_mut().take_error()?;
        ring.ready_mut(events).await?.clear_ready();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn core::error::Error>> {
    let name = std::env::args().nth(1).ok_or("which interface?")?;
    let interface = Interface::by_name(&name)?;
    let socket = Socket::configure(Rx::new(RING))?.map()?.bind(interface)?;
    println!("receiving");
    Ok(tokio::spawn(receive(socket)).await??)
}
