//! Packets that another loader's program chose: aya has the program and the map, this library the socket.
//!
//! The program is C here (`aya.bpf.c`); one that is written in Rust with aya-ebpf comes in the same way, as an
//! object with a map called `sockets` and an XDP program called `steer`.
//!
//! ```sh
//! clang -O2 -g -target bpf -c examples/aya.bpf.c -o aya.bpf.o
//! cargo build -p packet-ring-examples --bin aya
//! sudo target/debug/aya aya.bpf.o eth0 10    # 10 UDP packets of queue 0, then the end
//! ```
//!
//! The program detaches when aya's `Ebpf` is dropped. Until then the UDP packets of queue 0 come here and to
//! nobody else; the network stack gets all others.

use core::error::Error;
use std::env;
use std::os::fd::AsFd;

use aya::Ebpf;
use aya::maps::Map;
use aya::programs::Xdp;
use aya::programs::xdp::XdpMode;
use packet_ring::xdp::{
    Interface, Queue, RingSize, Rx, RxRings, Socket, Umem, UmemGeometry, Xskmap,
};
use packet_ring::{Deadline, OnSignal};

/// 4 MiB: half of what RLIMIT_MEMLOCK often allows.
const CHUNKS: UmemGeometry = UmemGeometry::new_assert(4096, 1024);
const SLOTS: RingSize = RingSize::new_assert(512);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [object, interface, packets] = &arguments[..] else {
        return Err("usage: aya OBJECT INTERFACE PACKETS".into());
    };
    let mut wanted: u32 = packets.parse()?;

    let mut ebpf = Ebpf::load_file(object)?;
    let Some(Map::XskMap(sockets)) = ebpf.map("sockets") else {
        return Err("no XSKMAP called sockets".into());
    };
    let sockets = Xskmap::from_fd(sockets.fd().as_fd().try_clone_to_owned()?)?;

    let (umem, mut pool) = Umem::new(CHUNKS)?;
    let mut socket = Socket::configure(Rx::new(SLOTS), &umem)?.map()?;
    socket.rings().fill.stock(&mut pool, SLOTS.get())?;
    let mut socket = socket.bind(Queue::new(Interface::by_name(interface)?, 0))?;
    sockets.insert(0, &socket)?;

    let steer = ebpf.program_mut("steer").ok_or("no program called steer")?;
    let steer: &mut Xdp = steer.try_into()?;
    steer.load()?;
    steer.attach(interface, XdpMode::default())?;
    println!("receiving");

    let RxRings { rx, fill } = socket.rings();
    while wanted > 0 {
        let _ = rx.wait(Deadline::NEVER, OnSignal::Continue)?;
        for frame in rx.batch(wanted) {
            println!("{:02x?}", frame.bytes());
            wanted -= 1;
            pool.give(frame).map_err(|_| "a frame of another UMEM")?;
        }
        fill.stock(&mut pool, SLOTS.get())?;
    }
    Ok(())
}
