//! The library's AF_XDP, with its defaults: a UMEM in huge pages where there are some, 256 frames a kick.

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Pool, Queue, RingSize, Rx, RxRings, RxTx, Socket, Tx, Umem, UmemGeometry};
use packet_ring::{Deadline, OnSignal};
use rustix::fd::{AsFd, BorrowedFd};

use super::our_version;
use super::raw_xdp::{FEW, SLOTS, STOCKED};
use crate::by_hand::CHUNK;
use crate::peer::{
    Answer, BATCH, Converse, Family, Peer, Place, Receive, Ring, Seen, Transmit, write,
};

pub(crate) struct Ours;

fn size(slots: u32) -> Answer<RingSize> {
    Ok(RingSize::new(slots).ok_or("a ring has a power of two slots")?)
}

fn memory(chunks: u32) -> Answer<(Umem, Pool)> {
    Ok(Umem::new(UmemGeometry::new(CHUNK as u32, chunks)?)?)
}

impl Peer for Ours {
    fn name(&self) -> &'static str {
        "packet-ring"
    }

    fn version(&self) -> String {
        our_version()
    }

    fn family(&self) -> Family {
        Family::Xdp
    }

    fn receiver(&self, place: &Place, ring: &Ring) -> Answer<Box<dyn Receive>> {
        let (umem, mut pool) = memory(2 * ring.blocks)?;
        let rings = Rx::new(size(ring.blocks)?);
        let mut socket = Socket::configure(rings, &umem)?
            .map()
            .map_err(|failed| failed.error())?;
        socket
            .rings()
            .fill
            .stock(&mut pool, ring.blocks - ring.spare)?;
        let queue = Queue::new(place.interface(), 0);
        let socket = socket.bind(queue).map_err(|failed| failed.error())?;
        let map = place.map.as_ref().ok_or("the interface has no program")?;
        map.insert(0, &socket)?;
        Ok(Box::new(Receiver(Box::new(socket))))
    }

    fn sender(&self, place: &Place, template: &[u8]) -> Answer<Box<dyn Transmit>> {
        let (umem, pool) = memory(SLOTS)?;
        let rings = Tx::new(size(SLOTS)?);
        let socket = Socket::configure(rings, &umem)?
            .map()
            .map_err(|failed| failed.error())?;
        let queue = Queue::new(place.interface(), 0);
        let socket = socket.bind(queue).map_err(|failed| failed.error())?;
        Ok(Box::new(Sender {
            socket: Box::new(socket),
            pool,
            template: template.to_vec(),
        }))
    }

    fn end(&self, place: &Place) -> Answer<Box<dyn Converse>> {
        let (umem, mut pool) = memory(2 * FEW)?;
        let slots = size(FEW)?;
        let rings = RxTx::new(Rx::new(slots), Tx::new(slots));
        let mut socket = Socket::configure(rings, &umem)?
            .map()
            .map_err(|failed| failed.error())?;
        socket.rings().fill.stock(&mut pool, STOCKED)?;
        let queue = Queue::new(place.interface(), 0);
        let socket = socket.bind(queue).map_err(|failed| failed.error())?;
        let map = place.map.as_ref().ok_or("the interface has no program")?;
        map.insert(0, &socket)?;
        Ok(Box::new(End {
            socket: Box::new(socket),
            pool,
        }))
    }
}

struct Receiver(Box<Socket<Bound<Rx>>>);

#[inline(always)]
fn drain(rings: &mut RxRings, seen: &mut Seen) {
    loop {
        let before = seen.packets;
        let mut fill = rings.fill.batch(BATCH);
        for frame in rings.rx.batch(BATCH) {
            seen.packet(frame.bytes(), frame.bytes().len() as u32);
            fill.push(frame).expect("room for what came out");
        }
        if seen.packets == before {
            return;
        }
    }
}

impl Receive for Receiver {
    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        drain(self.0.rings(), seen);
    }

    fn receive(&mut self, seen: &mut Seen) {
        let woken = (self.0.rings().rx).wait(Deadline::NEVER, OnSignal::Continue);
        let _ = woken.expect("the link is up");
        self.drain(seen);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

struct Sender {
    socket: Box<Socket<Bound<Tx>>>,
    pool: Pool,
    template: Vec<u8>,
}

impl Transmit for Sender {
    fn send(&mut self, first: u64) -> Answer<()> {
        let (rings, pool) = (self.socket.rings(), &mut self.pool);
        rings.completion.reap(pool, SLOTS)?;
        while pool.len() < BATCH || rings.tx.room() < BATCH {
            rings.tx.flush()?;
            rings.completion.reap(pool, SLOTS)?;
        }
        let mut batch = rings.tx.batch(BATCH);
        for number in first..first + u64::from(BATCH) {
            let mut frame = pool.take().ok_or("the pool is empty")?;
            frame.write(&self.template)?;
            write(frame.bytes_mut(), &self.template, number);
            batch.push(frame).map_err(|_| "the ring is full")?;
        }
        drop(batch);
        rings.tx.flush()?;
        Ok(())
    }

    fn finish(&mut self) -> Answer<()> {
        let rings = self.socket.rings();
        while rings.tx.flush()? > 0 {
            rings.completion.reap(&mut self.pool, SLOTS)?;
        }
        Ok(())
    }
}

struct End {
    socket: Box<Socket<Bound<RxTx>>>,
    pool: Pool,
}

impl Converse for End {
    fn take(&mut self, sleeps: bool) -> u64 {
        let rings = self.socket.rings();
        loop {
            let frame = rings.rx.batch(1).next();
            if let Some(frame) = frame {
                let mut seen = Seen::default();
                seen.packet(frame.bytes(), frame.bytes().len() as u32);
                let pushed = rings.fill.batch(1).push(frame);
                pushed.expect("room for what came out");
                return seen.numbers;
            }
            if sleeps {
                let woken = rings.rx.wait(Deadline::NEVER, OnSignal::Continue);
                let _ = woken.expect("the link is up");
            } else {
                while !rings.rx.is_ready() {
                    core::hint::spin_loop();
                }
            }
        }
    }

    fn give(&mut self, bytes: &[u8]) -> Answer<()> {
        let (rings, pool) = (self.socket.rings(), &mut self.pool);
        let mut frame = pool.take().ok_or("the pool is empty")?;
        frame.write(bytes)?;
        let pushed = rings.tx.batch(1).push(frame);
        pushed.map_err(|_| "the ring is full")?;
        rings.tx.flush()?;
        rings.completion.reap(pool, FEW)?;
        Ok(())
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
