//! The program that netring 0.11.0 accepts, written against this library.
//!
//! There the iterator of a batch hands out packets that borrow the capture and not the batch: this
//! program then reads, through a live `&[u8]`, a block that the kernel has got back and is writing
//! to. Here packets borrow the block.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Packet, Rx, Socket};

fn main() -> Result<(), packet_ring::Error> {
    read(&mut bound()?);
    Ok(())
}

fn read(capture: &mut Socket<Bound<Rx>>) {
    let Some(batch) = capture.next_block() else {
        return;
    };
    let packets: Vec<Packet<'_>> = batch.packets().collect();
    drop(batch); // back to the kernel, which fills it anew //~ [E0505]
    for packet in &packets {
        println!("{:02x?}", packet.data());
    }
}

fn bound() -> Result<Socket<Bound<Rx>>, packet_ring::Error> {
    use packet_ring::packet::{Geometry, Interface};
    let socket = Socket::configure(Rx::new(Geometry::DEFAULT))?.map()?;
    Ok(socket.bind(Interface::by_name("lo")?)?)
}
