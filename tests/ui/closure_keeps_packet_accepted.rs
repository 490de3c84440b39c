//! What a closure keeps of a packet is a copy.

use core::ops::ControlFlow;

use packet_ring::packet::Receiver;
use packet_ring::{Deadline, OnSignal};

#[allow(dead_code)]
fn keep(receiver: &mut Receiver<'_>) -> Result<(), packet_ring::Error> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let _ = receiver.for_each(Deadline::PASSED, OnSignal::Continue, |packet| {
        kept.push(packet.data().to_vec());
        ControlFlow::Continue(())
    })?;
    println!("{}", kept.len());
    Ok(())
}

fn main() {}
