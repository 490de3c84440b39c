//! `for_each` of a receiver gives blocks back between calls of its closure: no packet leaves it.

use core::ops::ControlFlow;

use packet_ring::packet::{Packet, Receiver};
use packet_ring::{Deadline, Error, OnSignal};

fn keep_packets(receiver: &mut Receiver<'_>) -> Result<usize, Error> {
    let mut kept: Vec<Packet<'_>> = Vec::new();
    let _ = receiver.for_each(Deadline::PASSED, OnSignal::Continue, |packet| {
        kept.push(packet); //~ [E0521]
        ControlFlow::Continue(())
    })?;
    Ok(kept.len())
}

fn keep_bytes(receiver: &mut Receiver<'_>) -> Result<usize, Error> {
    let mut kept: &[u8] = &[];
    let _ = receiver.for_each(Deadline::PASSED, OnSignal::Continue, |packet| {
        kept = packet.data(); //~ [E0521]
        ControlFlow::Continue(())
    })?;
    Ok(kept.len())
}

fn main() {}
