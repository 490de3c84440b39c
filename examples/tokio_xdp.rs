//! AF_XDP in tokio: a task that owns the receive side of a queue, and hears of the link beside it.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin tokio_xdp
//! sudo target/debug/tokio_xdp eth0    # the packets of queue 0, until the interface is removed
//! ```
//!
//! An AF_XDP socket differs from a packet socket in three ways. It receives into frames that the program has put
//! into the fill ring: whatever is taken out of the one ring goes back into the other. Some drivers have to be
//! woken to see them, and say so. And the socket itself never tells that its interface went down or away:
//! `LinkWatch` does, which is a descriptor of its own.

use core::error::Error;
use core::time::Duration;
use std::env;
use std::io;

use packet_ring::Deadline;
use packet_ring::xdp::{
    AttachMode, Interface, LinkWatch, Pool, Queue, Redirect, RingSize, Rx, RxRings, Socket, Umem,
    UmemGeometry, Xskmap,
};
use tokio::io::{Interest, unix::AsyncFd};

const CHUNKS: UmemGeometry = UmemGeometry::new_assert(4096, 1024); // 4 MiB
const SLOTS: RingSize = RingSize::new_assert(512);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = env::args().nth(1).ok_or("usage: tokio_xdp INTERFACE")?;
    let interface = Interface::by_name(&name)?;
    let map = Xskmap::create(1)?;
    let program = Redirect::to(&map).load()?;
    let (umem, mut pool) = Umem::new(CHUNKS)?;
    // Of what a program had that has just ended, the kernel lets go a little later.
    let patience = Deadline::after(Duration::from_secs(1));
    let mut socket = Socket::configure(Rx::new(SLOTS), &umem)?.map_until(patience)?;
    socket.rings().fill.stock(&mut pool, SLOTS.get())?;
    let socket = socket.bind_until(Queue::new(interface, 0), patience)?;
    map.insert(0, &socket)?;
    let _attached = program.attach(interface, AttachMode::Either)?;
    let watch = LinkWatch::new(interface)?;
    let (rings, _joint) = socket.split();
    println!("receiving");
    Ok(tokio::spawn(receive(rings, pool, watch)).await??)
}

#[allow(deprecated, reason = "as in tokio.rs")]
async fn receive(rings: RxRings, mut pool: Pool, watch: LinkWatch) -> io::Result<()> {
    let RxRings { rx, mut fill } = rings;
    let mut rx = AsyncFd::with_interest(rx, Interest::READABLE)?;
    let mut watch = AsyncFd::with_interest(watch, Interest::READABLE)?;
    loop {
        while rx.get_ref().is_ready() {
            for frame in rx.get_mut().batch(64) {
                println!("{:02x?}", frame.bytes());
                let _ = pool.give(frame); // of this UMEM
            }
            fill.stock(&mut pool, SLOTS.get())?;
            if fill.needs_wakeup() {
                fill.wake()?;
            }
        }
        while let Some(state) = watch.get_mut().take()? {
            println!("link: {state:?}");
        }
        tokio::select! {
            ready = rx.readable_mut() => ready?.clear_ready(),
            ready = watch.readable_mut() => ready?.clear_ready(),
        }
    }
}
