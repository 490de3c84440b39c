//! A capture file without a copy: the kernel writes packets into the ring, and out of the ring into the file.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin capture_to_disk
//! sudo target/debug/capture_to_disk eth0 1000 /tmp/eth0.pcap    # 1,000 packets or a few more, then the end
//! ```
//!
//! One thread takes blocks, another writes them with `writev`: a header of our own, the packet where it lies, the
//! next header. While the disk is slow, blocks wait in the channel, up to the whole ring, and the kernel fills
//! the others; a block that was written goes back to the kernel by being dropped.
//!
//! A VLAN tag, which the kernel keeps beside the packet, is left out here: it would be a piece more.

use core::error::Error;
use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use packet_ring::handoff::Shared;
use packet_ring::packet::{Block, Geometry, Interface, Owner, Packet, Rx, Socket};
use packet_ring::{Deadline, OnSignal, Wake};

const RING: Geometry = Geometry::new_assert(1 << 18, 64); // 16 MiB

/// pcap with nanoseconds: the magic number, version 2.4, two fields of zero, the longest packet, Ethernet.
const FILE_HEADER: [u32; 6] = [0xa1b2_3c4d, 4 << 16 | 2, 0, 0, 0x4_0000, 1];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let usage = "usage: capture_to_disk INTERFACE PACKETS FILE";
    let interface = Interface::by_name(&arguments.next().ok_or(usage)?)?;
    let mut wanted: usize = arguments.next().ok_or(usage)?.parse()?;
    let file = File::create(arguments.next().ok_or(usage)?)?;

    let socket = Socket::configure(Rx::new(RING))?.map()?.bind(interface)?;
    let mut ring = socket.into_shared();
    let (sender, blocks) = channel();
    let writer = thread::spawn(|| write(file, blocks));
    println!("receiving");
    while wanted > 0 && ring.wait(Deadline::NEVER, OnSignal::Continue)? == Wake::Ready {
        while let Some(block) = ring.next_block() {
            wanted = wanted.saturating_sub(block.packet_count() as usize);
            if sender.send(block).is_err() {
                wanted = 0; // the writer has failed, and says why
            }
        }
    }
    drop(sender);
    let seen = ring.statistics()?;
    println!("{} packets, {} dropped", seen.packets, seen.drops);
    Ok(writer.join().map_err(|_| "the writer panicked")??)
}

fn write(mut file: File, blocks: Receiver<Block<Shared<Owner>>>) -> io::Result<()> {
    file.write_all(FILE_HEADER.map(u32::to_ne_bytes).as_flattened())?;
    for block in blocks {
        let headers: Vec<[u8; 16]> = block.packets().map(header).collect();
        let mut pieces: Vec<IoSlice<'_>> = headers
            .iter()
            .zip(&block)
            .flat_map(|(header, packet)| [IoSlice::new(header), IoSlice::new(packet.data())])
            .collect();
        let mut pieces = &mut pieces[..];
        while !pieces.is_empty() {
            match file.write_vectored(pieces) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut pieces, written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Seconds, nanoseconds, captured bytes, bytes on the wire.
fn header(packet: Packet<'_>) -> [u8; 16] {
    let time = packet.timestamp();
    let words = [
        time.seconds,
        time.nanoseconds,
        packet.captured_len(),
        packet.len(),
    ];
    let mut header = [0; 16];
    header
        .as_chunks_mut()
        .0
        .iter_mut()
        .zip(words)
        .for_each(|(bytes, word)| *bytes = word.to_ne_bytes());
    header
}
