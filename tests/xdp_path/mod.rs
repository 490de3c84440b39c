//! A socket at the far end of a cable, with the program that brings packets to it.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod older;

use core::time::Duration;
use std::collections::BTreeSet;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{
    AttachMode, Attachment, CompletionRing, FillRing, Frame, Interface, Pool, Program, Queue,
    Redirect, RingSize, Rx, RxRing, RxTx, Socket, Tx, TxRing, Umem, UmemGeometry, Xskmap,
};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::Stopped;
use packet_ring_lab::{Injector, VethOptions, VethPair, frame};

/// When a test stops hoping: far beyond what a loaded machine takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Slots of each ring.
pub(crate) const SLOTS: RingSize = RingSize::new_assert(64);

/// 4,096 bytes a chunk, four a slot.
pub(crate) const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(4096, 256);

/// The rings of most tests.
pub(crate) const RINGS: RxTx = RxTx::new(Rx::new(SLOTS), Tx::new(SLOTS));

/// The modes that veth can do.
pub(crate) const MODES: [AttachMode; 2] = [AttachMode::Native, AttachMode::Generic];

/// Chunk sizes, in bytes.
pub(crate) const CHUNKS: [u32; 2] = [2048, 4096];

/// Whether the kernel polls the driver when a socket sleeps or kicks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polling {
    Interrupts,
    Busy,
}

/// What the behaviour of a socket must not depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    pub(crate) mode: AttachMode,
    pub(crate) chunk: u32,
    pub(crate) polling: Polling,
}

/// Every mode with every chunk size and both ways of polling.
pub(crate) fn variants() -> impl Iterator<Item = Variant> {
    MODES.into_iter().flat_map(|mode| {
        CHUNKS.into_iter().flat_map(move |chunk| {
            [Polling::Interrupts, Polling::Busy].map(|polling| Variant {
                mode,
                chunk,
                polling,
            })
        })
    })
}

/// A cable with a program at its far end that redirects to a map.
pub(crate) struct Wired {
    pub(crate) pair: VethPair,
    pub(crate) injector: Injector,
    pub(crate) map: Xskmap,
    pub(crate) program: Program,
    pub(crate) attachment: Attachment,
    /// The far end.
    pub(crate) interface: Interface,
}

impl Wired {
    pub(crate) fn new(map: Xskmap, mode: AttachMode) -> Result<Self, Stopped> {
        Self::with(map, mode, &VethOptions::default())
    }

    /// With a program for packets in several pieces.
    pub(crate) fn with(
        map: Xskmap,
        mode: AttachMode,
        options: &VethOptions<'_>,
    ) -> Result<Self, Stopped> {
        let pair = VethPair::create(options)?;
        let interface = Interface::by_index(pair.far.index()?).ok_or("no interface")?;
        let program = Redirect::to(&map).fragments().load()?;
        let attachment = program.attach(interface, mode)?;
        // In the native mode veth takes a program up by going down and up.
        pair.wait_for_carrier()?;
        Ok(Self {
            injector: Injector::on(&pair.near)?,
            pair,
            map,
            program,
            attachment,
            interface,
        })
    }

    /// The far end's queue.
    pub(crate) fn queue(&self) -> Queue {
        Queue::new(self.interface, 0)
    }

    /// A socket at the far end that the map leads to, its fill ring stocked with as much as it takes.
    pub(crate) fn socket(
        &self,
        geometry: UmemGeometry,
    ) -> Result<(Socket<Bound<RxTx>>, Umem, Pool), Stopped> {
        self.open(RINGS, geometry, Polling::Interrupts, self.queue())
    }

    /// The same, of this variant.
    pub(crate) fn variant(
        &self,
        variant: Variant,
    ) -> Result<(Socket<Bound<RxTx>>, Umem, Pool), Stopped> {
        let geometry = UmemGeometry::new(variant.chunk, 256)?;
        self.open(RINGS, geometry, variant.polling, self.queue())
    }

    /// The same, with all that there is to choose.
    pub(crate) fn open(
        &self,
        rings: RxTx,
        geometry: UmemGeometry,
        polling: Polling,
        queue: Queue,
    ) -> Result<(Socket<Bound<RxTx>>, Umem, Pool), Stopped> {
        let (umem, mut pool) = Umem::new(geometry)?;
        let mut socket = Socket::configure(rings, &umem)?;
        if polling == Polling::Busy {
            socket.busy_poll(Duration::from_micros(20), 64)?;
        }
        let mut socket = socket.map()?;
        socket.rings().fill.stock(&mut pool, SLOTS.get())?;
        let socket = socket.bind(queue)?;
        self.map.insert(0, &socket)?;
        Ok((socket, umem, pool))
    }
}

/// Receives until so many frames have come; hands each to `f` and its chunk back to the fill ring.
pub(crate) fn receive(
    rx: &mut RxRing,
    fill: &mut FillRing,
    pool: &mut Pool,
    count: usize,
    mut f: impl FnMut(&[u8]),
) -> Result<(), Stopped> {
    let deadline = Deadline::after(PATIENCE);
    let mut received = 0;
    while received < count {
        if rx.wait(deadline, OnSignal::Continue)? != Wake::Ready {
            return Err(format!("{received} of {count} frames came").into());
        }
        for frame in rx.batch(32) {
            f(frame.bytes());
            received += 1;
            pool.give(frame).map_err(|_| "a foreign frame")?;
        }
        fill.stock(pool, SLOTS.get())?;
        if fill.needs_wakeup() {
            fill.wake()?;
        }
    }
    Ok(())
}

/// The numbers of the next frames, all intact.
pub(crate) fn receive_numbers(
    rx: &mut RxRing,
    fill: &mut FillRing,
    pool: &mut Pool,
    count: usize,
) -> Result<Vec<u64>, Stopped> {
    let mut numbers = Vec::new();
    receive(rx, fill, pool, count, |bytes| {
        assert!(frame::is_intact(bytes), "a frame was damaged");
        numbers.extend(frame::number(bytes));
    })?;
    Ok(numbers)
}

/// Hands packets over and has them sent.
pub(crate) fn send(
    tx: &mut TxRing,
    pool: &mut Pool,
    packets: &[impl AsRef<[u8]>],
) -> Result<(), Stopped> {
    let mut batch = tx.batch(packets.len() as u32);
    for packet in packets {
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(packet.as_ref())?;
        batch.push(frame)?;
    }
    drop(batch);
    match tx.flush()? {
        0 => Ok(()),
        left => Err(format!("{left} frames were not taken").into()),
    }
}

/// Takes so many sent frames back.
pub(crate) fn reap(
    completion: &mut CompletionRing,
    pool: &mut Pool,
    count: u32,
) -> Result<(), Stopped> {
    let deadline = Deadline::after(PATIENCE);
    let mut left = count;
    while left > 0 {
        left -= completion.reap(pool, left)?;
        if deadline.has_passed() {
            return Err(format!("{left} of {count} frames were not completed").into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Closes the socket; then the pool has every frame of the memory, once.
pub(crate) fn assert_all_come_back(
    socket: Socket<Bound<RxTx>>,
    pool: &mut Pool,
) -> Result<(), Stopped> {
    socket.close()?.reclaim(Deadline::after(PATIENCE))?;
    pool.take_back();
    let count = pool.umem().geometry().count();
    let frames: Vec<_> = core::iter::from_fn(|| pool.take()).collect();
    let numbers: BTreeSet<_> = frames.iter().map(Frame::number).collect();
    assert_eq!(frames.len() as u32, count);
    assert_eq!(numbers, (0..count).collect());
    for frame in frames {
        pool.give(frame).map_err(|_| "a foreign frame")?;
    }
    Ok(())
}
