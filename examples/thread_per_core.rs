//! A thread a processor, each with a ring of its own: the kernel deals the flows out.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin thread_per_core
//! sudo target/debug/thread_per_core eth0 10    # 10 packets, then the end
//! ```
//!
//! The sockets are members of one fanout group, which hashes flows: all packets of a connection, in both
//! directions, come to one worker. A thread keeps to the processor of the one that started it, and a ring lies in
//! memory near the one that opened it: so the main thread goes from processor to processor first.

use core::error::Error as AnyError;
use std::env;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Fanout, FanoutMode, Geometry, Interface, Member, Rx, Socket};
use packet_ring::{Deadline, Error, OnSignal, Wake};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const RING: Geometry = Geometry::new_assert(1 << 18, 16); // 4 MiB for each

fn main() -> Result<(), Box<dyn AnyError>> {
    let mut arguments = env::args().skip(1);
    let interface = arguments
        .next()
        .ok_or("usage: thread_per_core INTERFACE PACKETS")?;
    let wanted: u32 = arguments.next().ok_or("how many packets?")?.parse()?;

    let interface = Interface::by_name(&interface)?;
    let allowed = sched_getaffinity(None)?;
    let mut fanout = Fanout::in_new_group(FanoutMode::Hash);
    let (sender, counts) = channel();
    for processor in (0..CpuSet::MAX_CPU).filter(|&processor| allowed.is_set(processor)) {
        let mut alone = CpuSet::new();
        alone.set(processor);
        sched_setaffinity(None, &alone)?;
        let socket = Socket::configure(Rx::new(RING))?.map()?.bind(interface)?;
        let socket = socket.join_fanout(&fanout)?;
        fanout = socket.group().fanout()?; // the others join the group that the first has made
        let sender = sender.clone();
        thread::Builder::new()
            .name(format!("worker {processor}"))
            .spawn(move || sender.send(work(processor, socket, &sender)))?;
    }
    sched_setaffinity(None, &allowed)?;
    println!("receiving");

    let mut seen = 0;
    while seen < wanted {
        seen += counts.recv()??;
    }
    Ok(())
}

/// Takes packets and says how many, for as long as somebody wants to know.
fn work(
    processor: usize,
    mut socket: Socket<Bound<Rx, Member>>,
    counts: &Sender<Result<u32, Error>>,
) -> Result<u32, Error> {
    while socket.wait(Deadline::NEVER, OnSignal::Continue)? == Wake::Ready {
        while let Some(block) = socket.next_block() {
            for packet in &block {
                println!("{processor}: {:02x?}", packet.data());
            }
            if counts.send(Ok(block.packet_count())).is_err() {
                return Ok(0);
            }
        }
    }
    Ok(0)
}
