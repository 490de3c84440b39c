//! An echo in tokio: each packet goes back to where it came from, copied once, from ring to ring.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin tokio_echo
//! sudo target/debug/tokio_echo eth0    # until the link goes down
//! ```
//!
//! The two halves of one socket live together: a received packet and the frame to answer in at once. The executor
//! watches the receive half's descriptor, whose life is that of the socket's borrow. Where the kernel has all
//! frames the task sleeps a millisecond: readiness to write says nothing about free frames.

use core::error::Error;
use core::time::Duration;
use std::env;

use packet_ring::packet::{FrameGeometry, Geometry, Interface, Rx, RxTx, Socket, Tx};
use tokio::io::{Interest, unix::AsyncFd};
use tokio::time::sleep;

const RX: Geometry = Geometry::new_assert(1 << 18, 16); // 4 MiB
const TX: FrameGeometry = FrameGeometry::DEFAULT; // 512 frames of 2,048 bytes

#[tokio::main(flavor = "current_thread")]
#[allow(deprecated, reason = "as in tokio.rs")]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = env::args().nth(1).ok_or("usage: tokio_echo INTERFACE")?;
    let interface = Interface::by_name(&name)?;
    let rings = RxTx::new(Rx::new(RX), Tx::new(TX));
    let mut socket = Socket::configure(rings)?;
    socket.ignore_outgoing()?; // neither ours nor others' packets are echoed on their way out
    let mut socket = socket.map()?.bind(interface)?;
    let longest = TX.capacity().min(interface.mtu(&socket)? + 14); // with the Ethernet header
    let (mut receiver, mut transmitter) = socket.split();
    let events = Interest::READABLE | Interest::ERROR;
    let ready = AsyncFd::with_interest(receiver.fd(), events)?;
    println!("receiving");

    loop {
        while let Some(block) = receiver.next_block() {
            for packet in &block {
                if packet.captured_len() > longest {
                    continue; // several, which the kernel has put together
                }
                let mut frame = loop {
                    if let Some(frame) = transmitter.reserve() {
                        break frame;
                    }
                    transmitter.kick()?;
                    sleep(Duration::from_millis(1)).await;
                };
                let bytes = packet.data();
                let echo = &mut frame.data_mut()[..bytes.len()];
                echo.copy_from_slice(bytes);
                echo[..6].copy_from_slice(&bytes[6..12]); // to the sender
                echo[6..12].copy_from_slice(&bytes[..6]);
                frame.send(bytes.len())?;
            }
            transmitter.kick()?;
        }
        receiver.take_error()?;
        ready.ready(events).await?.clear_ready();
    }
}
