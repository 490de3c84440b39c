//! Blocks in tokio that outlive the wait: one task owns the ring, others own blocks of it.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin tokio_blocks
//! sudo target/debug/tokio_blocks eth0 10    # 10 packets, then the end
//! ```
//!
//! `into_shared` makes the blocks `'static`: each goes by value to a thread for blocking work, which is as slow as
//! it likes and gives the block back by dropping it. The kernel goes on with the next block meanwhile, and
//! drops packets once all are out: the ring itself bounds the queue. Nobody has to tell the ring's task of a
//! block that came back. Edge-triggered, it sleeps while the newest block is out.

use core::error::Error;
use std::env;
use std::io::{Write, stdout};

use packet_ring::handoff::Shared;
use packet_ring::packet::{Block, Geometry, Interface, Owner, Rx, Socket};
use tokio::io::{Interest, unix::AsyncFd};
use tokio::task::JoinSet;

const RING: Geometry = Geometry::new_assert(1 << 18, 16); // 4 MiB

/// Slow work: its output may not be read.
fn inspect(block: Block<Shared<Owner>>) -> std::io::Result<usize> {
    let mut output = stdout().lock();
    for packet in &block {
        writeln!(output, "{:02x?}", packet.data())?;
    }
    Ok(block.packet_count() as usize)
}

#[tokio::main(flavor = "current_thread")]
#[allow(deprecated, reason = "as in tokio.rs")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let interface = arguments
        .next()
        .ok_or("usage: tokio_blocks INTERFACE PACKETS")?;
    let mut left: usize = arguments.next().ok_or("how many packets?")?.parse()?;

    let interface = Interface::by_name(&interface)?;
    let socket = Socket::configure(Rx::new(RING))?.map()?.bind(interface)?;
    let events = Interest::READABLE | Interest::ERROR;
    let mut ring = AsyncFd::with_interest(socket.into_shared(), events)?;
    let mut workers = JoinSet::new();
    println!("receiving");

    while left > 0 {
        while let Some(block) = ring.get_mut().next_block() {
            workers.spawn_blocking(|| inspect(block));
        }
        ring.get_mut().take_error()?;
        tokio::select! {
            ready = ring.ready_mut(events) => ready?.clear_ready(),
            Some(inspected) = workers.join_next() => left = left.saturating_sub(inspected??),
        }
    }
    Ok(())
}
