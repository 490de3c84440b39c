//! A socket at the far end of a cable, with the program that brings packets to it.

#![allow(dead_code, reason = "each test file uses its own part")]

use core::time::Duration;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{
    AttachMode, Attachment, FillRing, Interface, Pool, Program, Queue, Redirect, RingSize, Rx,
    RxRing, RxTx, Socket, Tx, Umem, UmemGeometry, Xskmap,
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

    /// A socket at the far end that the map leads to, its fill ring stocked with as much as it takes.
    pub(crate) fn socket(
        &self,
        geometry: UmemGeometry,
    ) -> Result<(Socket<Bound<RxTx>>, Umem, Pool), Stopped> {
        let (umem, mut pool) = Umem::new(geometry)?;
        let mut socket = Socket::configure(RINGS, &umem)?.map()?;
        socket.rings().fill.stock(&mut pool, SLOTS.get())?;
        let socket = socket.bind(Queue::new(self.interface, 0))?;
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
