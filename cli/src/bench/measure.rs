//! The measurements: one figure of one way, on a pair of interfaces of its own.

use core::time::Duration;
use std::time::Instant;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{self, FrameGeometry, Geometry, RxV2};
use packet_ring::xdp::{Attachment, Pool, Rx, Socket, UmemGeometry};
use packet_ring::{Deadline, Error, OnSignal, Wake};
use packet_ring_lab::procfs::thread_cpu_time;
use packet_ring_lab::{Injector, VethOptions, VethPair, frame};

use super::report::median;
use crate::exit::Failure;
use crate::interfaces;
use crate::replay::{Outlet, Queued, Sending};
use crate::send::Flushed;
use crate::xdp::receive_at;

/// Bytes of a frame.
const FRAME: usize = 64;
/// Packets that a ring gets before they are taken out of it.
const FILLED: u64 = 4096;
/// Packets whose latency is measured, of a thousand.
const LATENCIES: u64 = 50;
/// When something is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// How packets come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Packet,
    Xdp,
}

fn pair() -> Result<VethPair, Failure> {
    VethPair::create(&VethOptions::default()).map_err(Failure::runtime)
}

/// Processor time of a packet sent.
pub(super) fn transmit(way: Way, count: u64) -> Result<f64, Failure> {
    let pair = pair()?;
    let sent = match way {
        Way::Packet => {
            let near = packet::Interface::by_name(pair.near.name()).map_err(Failure::runtime)?;
            let rings = packet::Tx::new(FrameGeometry::DEFAULT).vnet_headers();
            let open =
                || -> Result<_, Error> { Ok(packet::Socket::configure(rings)?.map()?.bind(near)?) };
            let mut socket = open().map_err(Failure::runtime)?;
            send(&mut socket.transmitter(), count)
        }
        Way::Xdp => {
            let near = interfaces::named(pair.near.name())?;
            let mut sending = Sending::open(&near, 0).map_err(Failure::runtime)?;
            send(&mut sending, count)
        }
    }?;
    let arrived = pair.far.counters().map_err(Failure::runtime)?.rx_packets;
    if arrived == count {
        Ok(sent)
    } else {
        Err(Failure::runtime(format_args!(
            "{arrived} of {count} packets arrived"
        )))
    }
}

fn send<O: Outlet>(outlet: &mut O, count: u64) -> Result<f64, Failure> {
    let packet = frame::numbered(0, FRAME);
    let before = thread_cpu_time();
    let mut queued = 0;
    while queued < count {
        let batch = u64::from(O::BATCH).min(count - queued);
        for _ in 0..batch {
            match outlet.queue(&packet) {
                Queued::Yes => queued += 1,
                _ => break,
            }
        }
        match outlet.flush(|| false).map_err(Failure::runtime)? {
            Flushed::All => {}
            other => return Err(Failure::runtime(format_args!("cannot send: {other:?}"))),
        }
        if queued < count {
            let _signal = outlet.wait_for_room(Duration::ZERO);
        }
    }
    Ok((thread_cpu_time() - before).as_nanos() as f64 / count as f64)
}

/// A socket at the far end of the wire, with the program that brings packets to it.
struct Receiving {
    socket: Socket<Bound<Rx>>,
    pool: Pool,
    _attachment: Attachment,
}

impl Receiving {
    fn open(pair: &VethPair) -> Result<Self, Error> {
        const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(2048, 2 * FILLED as u32);
        let far = packet_ring::xdp::Interface::by_name(pair.far.name())?;
        let (socket, pool, attachment) = receive_at(far, GEOMETRY)?;
        Ok(Self {
            socket,
            pool,
            _attachment: attachment,
        })
    }

    /// Takes what has arrived; returns how many packets.
    fn take(&mut self) -> Result<u64, Error> {
        let rings = self.socket.rings();
        let mut packets = 0;
        for frame in rings.rx.batch(64) {
            packets += u64::from(frame::number(frame.bytes()).is_some());
            let _ours = self.pool.give(frame);
        }
        let _as_many = rings.fill.stock(&mut self.pool, u32::MAX)?;
        Ok(packets)
    }
}

fn lost() -> Failure {
    Failure::runtime("packets were lost on a wire of the tool's own")
}

/// Processor time of a packet taken out.
pub(super) fn receive(way: Way, count: u64) -> Result<f64, Failure> {
    let pair = pair()?;
    let rounds = count.div_ceil(FILLED);
    match way {
        Way::Packet => {
            let far = packet::Interface::by_name(pair.far.name()).map_err(Failure::runtime)?;
            let open = || -> Result<_, Error> {
                let rings = packet::Rx::new(Geometry::new(1 << 18, 16)?);
                let mut socket = packet::Socket::configure(rings)?;
                socket.ignore_outgoing()?;
                Ok(socket.map()?.bind(far)?)
            };
            let mut socket = open().map_err(Failure::runtime)?;
            let mut receiver = socket.receiver();
            drain(&pair, rounds, |deadline| {
                let mut packets = 0;
                if receiver.wait(deadline, OnSignal::Continue)? != Wake::Ready {
                    return Ok(0);
                }
                while let Some(block) = receiver.next_block() {
                    let _all = block.for_each(|packet| {
                        packets += u64::from(frame::number(packet.data()).is_some());
                        core::ops::ControlFlow::Continue(())
                    });
                }
                Ok(packets)
            })
        }
        Way::Xdp => {
            let mut receiving = Receiving::open(&pair).map_err(Failure::runtime)?;
            pair.wait_for_carrier().map_err(Failure::runtime)?;
            drain(&pair, rounds, |deadline| {
                let rx = &mut receiving.socket.rings().rx;
                if rx.wait(deadline, OnSignal::Continue)? != Wake::Ready {
                    return Ok(0);
                }
                receiving.take()
            })
        }
    }
}

/// Fills the ring and takes it empty, again and again.
fn drain(
    pair: &VethPair,
    rounds: u64,
    mut take: impl FnMut(Deadline) -> Result<u64, Error>,
) -> Result<f64, Failure> {
    let injector = Injector::on(&pair.near).map_err(Failure::runtime)?;
    let template = frame::numbered(0, FRAME);
    let mut time = Duration::ZERO;
    for _ in 0..rounds {
        injector.flood(&template, 0..FILLED);
        let before = thread_cpu_time();
        let mut packets = 0;
        while packets < FILLED {
            match take(Deadline::after(PATIENCE)).map_err(Failure::runtime)? {
                0 => return Err(lost()),
                some => packets += some,
            }
        }
        time += thread_cpu_time() - before;
    }
    Ok(time.as_nanos() as f64 / (rounds * FILLED) as f64)
}

/// The median time from sending a packet to having it.
pub(super) fn latency(way: Way, count: u64) -> Result<f64, Failure> {
    let pair = pair()?;
    let packets = count * LATENCIES / 1000;
    match way {
        Way::Packet => {
            const FRAMES: FrameGeometry = FrameGeometry::new_assert(2048, 1 << 16, 2);
            let far = packet::Interface::by_name(pair.far.name()).map_err(Failure::runtime)?;
            let open = || -> Result<_, Error> {
                let mut socket = packet::Socket::configure(RxV2::new(FRAMES))?;
                socket.ignore_outgoing()?;
                Ok(socket.map()?.bind(far)?)
            };
            let mut socket = open().map_err(Failure::runtime)?;
            let mut receiver = socket.receiver();
            one_by_one(&pair, packets, || {
                Ok(receiver.next_frame().map_or(0, |_frame| 1))
            })
        }
        Way::Xdp => {
            let mut receiving = Receiving::open(&pair).map_err(Failure::runtime)?;
            pair.wait_for_carrier().map_err(Failure::runtime)?;
            one_by_one(&pair, packets, || receiving.take())
        }
    }
}

fn one_by_one(
    pair: &VethPair,
    packets: u64,
    mut take: impl FnMut() -> Result<u64, Error>,
) -> Result<f64, Failure> {
    let injector = Injector::on(&pair.near).map_err(Failure::runtime)?;
    let mut times = Vec::with_capacity(packets as usize);
    let packet = frame::numbered(0, FRAME);
    for _ in 0..packets {
        let sent = Instant::now();
        injector.send(&packet).map_err(Failure::runtime)?;
        while take().map_err(Failure::runtime)? == 0 {
            if sent.elapsed() > PATIENCE {
                return Err(lost());
            }
        }
        times.push(sent.elapsed().as_nanos() as f64);
    }
    median(&times).ok_or_else(lost)
}
