//! A connection through smoltcp uses no heap, however many packets it has: a global allocator counts.

mod common;
#[path = "../../tests/counting/mod.rs"]
mod counting;
mod wired;

use core::net::Ipv4Addr;
use core::time::Duration;
use std::thread;

use common::stack::{CAN_GET_FULL, Stack};
use common::tcp::{self, PORT, PROGRAM};
use counting::ALLOCATIONS;
use packet_ring::device::{Device, Kicks, Rings};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite;
use packet_ring_lab::suite::{Stopped, TestResult};
use wired::{PATIENCE, Wire};

/// Bytes each way: thousands of packets.
const BYTES: u64 = 8 << 20;

/// Echoes until the other side has closed, and says how often this thread has asked for memory after the handshake.
fn echo<R: Rings>(device: &mut Device<R>) -> Result<u64, Stopped> {
    let address = Ipv4Addr::from(PROGRAM);
    let hardware = device.ethernet_address();
    let mut stack = Stack::listen(device, hardware, address, PORT, CAN_GET_FULL);
    let mut bytes = vec![0; 1 << 16];
    let (mut before, mut over) = (None, false);
    while !over {
        let delay = stack.poll(device, |socket| {
            if socket.may_recv() && before.is_none() {
                before = Some(ALLOCATIONS.get());
            }
            while socket.can_recv() && socket.can_send() {
                let room = socket.send_capacity() - socket.send_queue();
                let len = room.min(bytes.len());
                let len = socket.recv_slice(&mut bytes[..len]).unwrap_or(0);
                let _ = socket.send_slice(&bytes[..len]);
            }
            if socket.may_send() && !socket.may_recv() && !socket.can_recv() {
                socket.close();
            }
            over = before.is_some() && !socket.is_active();
        });
        let delay = if over { Some(Duration::ZERO) } else { delay };
        let deadline = Deadline::after(delay.unwrap_or(PATIENCE));
        let woken = device.wait(deadline, OnSignal::Continue)?;
        if woken == Wake::TimedOut && delay.is_none() {
            return Err("the client has gone silent".into());
        }
    }
    device.take_error()?;
    let _ = device.link_state()?;
    let count = ALLOCATIONS.get() - before.ok_or("no connection")?;
    Ok(count)
}

fn no_heap_is_used_a_packet() -> TestResult {
    fn test<R: Rings>(device: &mut Device<R>, wire: &Wire) -> TestResult {
        let (served, client) = thread::scope(|scope| {
            let client = scope.spawn(|| tcp::echo(&tcp::connect()?, BYTES));
            (echo(device), client.join())
        });
        assert_eq!(served?, 0);
        client.map_err(|_| "the client panicked")??;
        let counters = wire.pair.far.counters()?;
        assert!(counters.rx_packets > 5000 && counters.tx_packets > 5000);
        // The next cable has the same addresses.
        wire.pair.near.set_down()?;
        Ok(())
    }
    for kicks in [Kicks::EachFrame, Kicks::OnFlush] {
        let wire = Wire::over(tcp::cable()?)?;
        wire.with_packet(|device| test(&mut device.kicks(kicks), &wire))?;
    }
    let wire = Wire::over(tcp::cable()?)?;
    wire.with_xdp(|device| test(device, &wire))
}

suite![no_heap_is_used_a_packet];
