//! Packets by io_uring: one POLL_ADD for as long as the program runs.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin io_uring
//! sudo target/debug/io_uring eth0 10    # 10 packets as they come, then the end
//! ```
//!
//! A multi-shot poll (Linux 5.13) is submitted once, and completes once for each event. Completions are consumed before
//! the blocks are taken: what comes later is a completion of its own.

use core::error::Error;
use std::env;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, cqueue, opcode, types};
use packet_ring::packet::{Geometry, Interface, Rx, Socket};
use rustix::event::PollFlags;

const RING: Geometry = Geometry::new_assert(1 << 18, 16); // 4 MiB

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let interface = arguments
        .next()
        .ok_or("usage: io_uring INTERFACE PACKETS")?;
    let mut wanted: usize = arguments.next().ok_or("how many packets?")?.parse()?;

    let interface = Interface::by_name(&interface)?;
    let mut socket = Socket::configure(Rx::new(RING))?.map()?.bind(interface)?;
    let mut uring = IoUring::new(8)?;
    let poll = opcode::PollAdd::new(types::Fd(socket.as_raw_fd()), PollFlags::IN.bits().into())
        .multi(true)
        .build();
    let mut polling = false;
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
        if !polling {
            // SAFETY: io-uring has no safe way to submit, for an entry can have pointers; this one has none.
            unsafe { uring.submission().push(&poll) }?;
        }
        uring.submit_and_wait(1)?;
        // The kernel says in each completion whether the poll goes on.
        polling = uring.completion().all(|done| cqueue::more(done.flags()));
    }
}
