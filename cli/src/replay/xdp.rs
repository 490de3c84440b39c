//! `replay --xdp`: packets out through an AF_XDP socket, past the interface's queueing discipline.

use core::time::Duration;
use std::time::Instant;

use packet_ring::Error;
use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Fragments, Frame, Interface, Pool, Queue, Socket, Tx, Umem, UmemGeometry};
use rustix::io::Errno;

use super::outlet::{LAST_FRAMES, Outlet, Queued};
use super::report::Report;
use crate::interfaces;
use crate::send::{ETHERNET_HEADER, Flushed, Nap, PATIENCE, VLAN_TAG};
use crate::xdp::{CHUNK, counters, released, slots};

/// Bytes of the memory: half of what an ordinary user may have registered.
const MEMORY: u32 = 4 << 20;
/// Bytes of a small chunk.
const SMALL: u32 = 2048;

/// A socket that sends.
pub(crate) struct Sending {
    socket: Socket<Bound<Tx>>,
    pool: Pool,
    /// Packets of a frame each that the ring does not have yet.
    pending: Vec<Frame>,
    /// Bytes of a frame.
    chunk: usize,
    /// Frames that the ring was given, by the packets that they are of: one each as a rule.
    given: u64,
    /// Frames of large packets beyond the first.
    continued: u64,
    completed: u64,
    /// Frames that the kernel is not asked to take any more.
    given_up: u32,
}

impl Sending {
    pub(crate) fn open(on: &interfaces::Interface, queue: u32) -> Result<Self, Error> {
        let interface = Interface::by_index(on.index).ok_or(Error::NoSuchInterface)?;
        let chunk = if on.mtu + ETHERNET_HEADER + VLAN_TAG <= SMALL {
            SMALL
        } else {
            CHUNK
        };
        let geometry = UmemGeometry::new(chunk, MEMORY / chunk)?;
        let (umem, pool) = Umem::new(geometry)?;
        let rings = Tx::new(slots(geometry.count()));
        let socket = Socket::configure(rings, &umem)?.map_until(released())?;
        let mut socket = socket.bind_until(Queue::new(interface, queue), released())?;
        // Before Linux 6.17 a kick takes 32: then it is kicked more often.
        let _fewer = socket.rings().tx.set_budget(Self::BATCH);
        Ok(Self {
            socket,
            pool,
            pending: Vec::with_capacity(Self::BATCH as usize),
            chunk: chunk as usize,
            given: 0,
            continued: 0,
            completed: 0,
            given_up: 0,
        })
    }

    /// Takes frames back that were sent.
    fn reap(&mut self) {
        let completion = &mut self.socket.rings().completion;
        // The pool is of the same memory.
        let reaped = completion.reap(&mut self.pool, u32::MAX).unwrap_or(0);
        self.completed += u64::from(reaped);
    }

    /// Gives the ring what is pending. The ring has a slot for each frame that there is.
    fn hand_over(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let mut batch = self.socket.rings().tx.batch(self.pending.len() as u32);
        for frame in self.pending.drain(..) {
            if let Err(refused) = batch.push(frame) {
                let _ours = self.pool.give(refused.into_frame());
            } else {
                self.given += 1;
            }
        }
    }

    /// Queues a packet that fits no single frame.
    fn queue_large(&mut self, packet: &[u8]) -> Queued {
        let count = packet.len().div_ceil(self.chunk);
        if count > Fragments::MOST {
            return Queued::TooLong;
        }
        if (self.pool.len() as usize) < count {
            return Queued::Full;
        }
        self.hand_over();
        let mut fragments = Fragments::new();
        for piece in packet.chunks(self.chunk) {
            let Some(mut frame) = self.pool.take() else {
                break;
            };
            let _fits = frame.write(piece);
            let _fewer = fragments.push(frame);
        }
        let mut batch = self.socket.rings().tx.batch(count as u32);
        if let Err(back) = batch.push_packet(fragments) {
            for frame in back {
                let _ours = self.pool.give(frame);
            }
            return Queued::TooLong;
        }
        self.given += count as u64;
        self.continued += count as u64 - 1;
        Queued::Yes
    }

    fn in_flight(&self) -> u64 {
        self.given - self.completed - u64::from(self.given_up)
    }
}

impl Outlet for Sending {
    /// As many as a kick takes.
    const BATCH: u32 = 256;

    #[inline]
    fn queue(&mut self, packet: &[u8]) -> Queued {
        if packet.len() < ETHERNET_HEADER as usize {
            return Queued::TooShort;
        }
        if self.pool.is_empty() {
            self.reap();
        }
        if packet.len() > self.chunk {
            return self.queue_large(packet);
        }
        let Some(mut frame) = self.pool.take() else {
            return Queued::Full;
        };
        if frame.write(packet).is_err() {
            let _ours = self.pool.give(frame);
            return Queued::TooLong;
        }
        self.pending.push(frame);
        Queued::Yes
    }

    fn flush(&mut self, is_over: impl Fn() -> bool) -> Result<Flushed, Error> {
        self.hand_over();
        let mut nap = Nap::default();
        let mut stuck: Option<Instant> = None;
        let mut left = self.socket.rings().tx.outstanding();
        loop {
            let before = left;
            match self.socket.rings().tx.flush() {
                Ok(0) => {
                    // The frames that come back now are taken next: the cache still has them.
                    self.reap();
                    return Ok(Flushed::All);
                }
                Ok(now) => left = now,
                Err(Error::LinkDown) => return Ok(Flushed::Down),
                Err(error) if error.errno() == Some(Errno::NOBUFS) => {}
                Err(error) => return Err(error),
            }
            self.reap();
            if left < before {
                nap = Nap::default();
                stuck = None;
                continue;
            }
            if is_over() {
                return Ok(Flushed::Over);
            }
            if stuck.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Ok(Flushed::NoRoom);
            }
            nap.sleep();
        }
    }

    /// What is in the ring stays there: the kernel takes it when it is asked to, and it is asked no more.
    fn recall(&mut self) -> u32 {
        let pending = self.pending.len() as u32;
        for frame in self.pending.drain(..) {
            let _ours = self.pool.give(frame);
        }
        let left = self.socket.rings().tx.outstanding();
        let given_up = left - self.given_up;
        self.given_up = left;
        pending + given_up
    }

    fn wait_for_room(&mut self, longest: Duration) -> Result<(), Error> {
        let began = Instant::now();
        let mut nap = Nap::default();
        while !self.socket.rings().completion.is_ready() && began.elapsed() < longest {
            nap.sleep();
        }
        self.reap();
        Ok(())
    }

    fn finish(&mut self, report: &mut Report) {
        let began = Instant::now();
        let mut nap = Nap::default();
        report.recalled = self.recall().into();
        self.reap();
        while self.in_flight() > 0 && began.elapsed() < LAST_FRAMES {
            nap.sleep();
            self.reap();
        }
        report.never_back = self.in_flight();
        report.sent = self.completed.saturating_sub(self.continued);
        if let Ok(statistics) = self.socket.rings().tx.statistics() {
            eprintln!("AF_XDP: {}", counters(&statistics));
        }
    }
}
