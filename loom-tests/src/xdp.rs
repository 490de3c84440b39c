//! `xsk_rcv` and `xsk_generic_xmit`, over the rings of one AF_XDP socket.

use std::collections::VecDeque;

use packet_ring::ring::{Consumer, Descriptor, Producer, RingSize};

use crate::indices::Pages;
use crate::xsk_queue::{KernelConsumer, KernelProducer};

/// Bytes of a modelled chunk, only the first of its packet real.
pub const CHUNK_SIZE: u64 = 4096;

/// Where in a chunk the kernel puts a received packet. `XDP_PACKET_HEADROOM`.
pub const HEADROOM: u64 = 256;

/// Which chunk an address lies in.
#[must_use]
pub fn chunk_of(address: u64) -> u32 {
    u32::try_from(address / CHUNK_SIZE).expect("few chunks")
}

/// Where a chunk begins.
#[must_use]
pub fn address_of(chunk: u32) -> u64 {
    u64::from(chunk) * CHUNK_SIZE
}

/// What became of a packet that arrived at an AF_XDP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arrival {
    /// It lies in chunks.
    Stored,
    /// It was dropped: the fill ring is empty. `rx_fill_ring_empty_descs`.
    NoChunk,
    /// It was dropped: the receive ring is full. `rx_ring_full`.
    RingFull,
}

/// The kernel's receiving side of one socket: its fill ring and its receive ring.
#[derive(Debug)]
pub struct XdpRxKernel {
    pages: Pages,
    fill: KernelConsumer<u64>,
    rx: KernelProducer<Descriptor>,
    /// Chunks that came to hold no packet: the pool's free list.
    free: VecDeque<u64>,
}

impl XdpRxKernel {
    /// Makes the rings, with words that stand at `start`, and the program's sides of them.
    #[must_use]
    pub fn with_rings(
        pages: &Pages,
        fill: RingSize,
        rx: RingSize,
        start: u32,
    ) -> (Self, Producer<u64>, Consumer<Descriptor>) {
        let (fill, producer) = KernelConsumer::with_producer(fill, start);
        let (rx, consumer) = KernelProducer::with_consumer(rx, start);
        let kernel = Self {
            pages: pages.clone(),
            fill,
            rx,
            free: VecDeque::new(),
        };
        (kernel, producer, consumer)
    }

    /// A packet arrives, as many fragments as it has bytes: `xsk_rcv`. It is stored whole or not at all, and
    /// published by the next [`flush`](Self::flush).
    pub fn receive(&mut self, packet: &[u8]) -> Arrival {
        let count = u32::try_from(packet.len()).expect("few fragments");
        while self.free.len() < packet.len() {
            let Some(address) = self.fill.take() else {
                return Arrival::NoChunk;
            };
            self.free.push_back(address);
        }
        if !self.rx.has_free(count) {
            return Arrival::RingFull;
        }
        for (&byte, left) in packet.iter().zip((0..count).rev()) {
            let address = self.free.pop_front().expect("as many as were asked for");
            self.pages.write(chunk_of(address), byte);
            let stored = self.rx.reserve(Descriptor {
                address: address + HEADROOM,
                len: 1,
                options: if left == 0 { 0 } else { Descriptor::CONTINUES },
            });
            assert!(stored, "as many slots as were asked for");
        }
        Arrival::Stored
    }

    /// The end of a batch: publishes what was received, and gives back the slots of the fill ring.
    /// `xsk_flush`.
    pub fn flush(&mut self) {
        self.rx.submit();
        self.fill.release();
    }
}

/// The kernel's transmitting side of one socket: its transmit ring and its completion ring.
#[derive(Debug)]
pub struct XdpTxKernel {
    pages: Pages,
    tx: KernelConsumer<Descriptor>,
    completion: KernelProducer<u64>,
    /// The fragments of a packet that has not ended. `xs->skb`.
    begun: Vec<u8>,
}

impl XdpTxKernel {
    /// Makes the rings, with words that stand at `start`, and the program's sides of them.
    #[must_use]
    pub fn with_rings(
        pages: &Pages,
        tx: RingSize,
        completion: RingSize,
        start: u32,
    ) -> (Self, Producer<Descriptor>, Consumer<u64>) {
        let (tx, producer) = KernelConsumer::with_producer(tx, start);
        let (completion, consumer) = KernelProducer::with_consumer(completion, start);
        let kernel = Self {
            pages: pages.clone(),
            tx,
            completion,
            begun: Vec::new(),
        };
        (kernel, producer, consumer)
    }

    /// Sends the next packet, and returns it, a byte of each fragment: `xsk_generic_xmit`. `None` where the
    /// transmit ring holds no whole packet, or the completion ring is full.
    pub fn send(&mut self) -> Option<Vec<u8>> {
        loop {
            let descriptor = self.tx.peek()?;
            if !self.completion.reserve(descriptor.address) {
                return None;
            }
            let byte = self.pages.read(chunk_of(descriptor.address));
            self.begun.push(byte);
            let _ = self.tx.take();
            if descriptor.options & Descriptor::CONTINUES == 0 {
                return Some(core::mem::take(&mut self.begun));
            }
        }
    }

    /// Whether fragments of a packet were taken whose end was not published yet.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// The interface is done with all that was sent: its chunks are completed. `xsk_destruct_skb`. Those of
    /// a packet that has not ended are completed with its end.
    pub fn complete(&mut self) {
        if self.begun.is_empty() {
            self.completion.submit();
        }
    }

    /// The end of a system call: gives back the slots of the transmit ring.
    pub fn release(&mut self) {
        self.tx.release();
    }
}
