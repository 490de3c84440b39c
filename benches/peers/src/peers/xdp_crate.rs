//! The crate `xdp`.
//!
//! # Safety
//!
//! [`Sock`] owns the memory and the rings over it together, and drops the rings and the socket first. Packets go back
//! to the memory, or into a ring, before a method returns.

use xdp::nic::NicIndex;
use xdp::slab::{HeapSlab, Slab};
use xdp::socket::{PollTimeout, XdpSocket, XdpSocketBuilder};
use xdp::umem::UmemCfgBuilder;
use xdp::{RingConfigBuilder, Umem, WakableRings};

use rustix::fd::{AsRawFd, BorrowedFd};

use super::raw_xdp::{FEW, SLOTS, STOCKED};
use crate::peer::{
    Answer, BATCH, Converse, Family, NUMBER, Peer, Place, Receive, Ring, Seen, Transmit,
};

pub(crate) struct Xdp;

impl Peer for Xdp {
    fn name(&self) -> &'static str {
        "xdp"
    }

    fn version(&self) -> String {
        "0.8.0".into()
    }

    fn family(&self) -> Family {
        Family::Xdp
    }

    fn receiver(&self, place: &Place, ring: &Ring) -> Answer<Box<dyn Receive>> {
        Ok(Box::new(Sock::new(
            place,
            [ring.blocks, 0],
            2 * ring.blocks,
            ring.blocks - ring.spare,
            &[],
        )?))
    }

    fn sender(&self, place: &Place, template: &[u8]) -> Answer<Box<dyn Transmit>> {
        Ok(Box::new(Sock::new(place, [0, SLOTS], SLOTS, 0, template)?))
    }

    fn end(&self, place: &Place) -> Answer<Box<dyn Converse>> {
        Ok(Box::new(Sock::new(
            place,
            [FEW, FEW],
            2 * FEW,
            STOCKED,
            &[],
        )?))
    }
}

struct Sock {
    rings: WakableRings,
    socket: XdpSocket,
    slab: HeapSlab,
    umem: Umem,
    template: Vec<u8>,
}

// SAFETY: the rings lie in mappings of the value's own, and packets in its memory; one thread at a time has it.
unsafe impl Send for Sock {}

impl Sock {
    fn new(
        place: &Place,
        [rx, tx]: [u32; 2],
        chunks: u32,
        stocked: u32,
        template: &[u8],
    ) -> Answer<Self> {
        let memory = UmemCfgBuilder {
            frame_count: chunks,
            ..UmemCfgBuilder::default()
        };
        let mut umem = Umem::map(memory.build()?)?;
        let largest = rx.max(tx);
        let sizes = RingConfigBuilder {
            rx_count: rx,
            tx_count: tx,
            fill_count: largest,
            completion_count: largest,
        };
        let mut builder = XdpSocketBuilder::new()?;
        let (mut rings, flags) = builder.build_wakable_rings(&umem, sizes.build()?)?;
        if stocked > 0 {
            // SAFETY: the memory outlives the socket.
            unsafe { rings.fill_ring.enqueue(&mut umem, stocked as usize, false) }?;
        }
        let socket = builder.bind(NicIndex::new(place.index()), 0, flags)?;
        let sock = Self {
            rings,
            socket,
            slab: HeapSlab::with_capacity(BATCH as usize),
            umem,
            template: template.to_vec(),
        };
        if let Some(map) = &place.map {
            map.insert(0, sock.borrowed())?;
        }
        Ok(sock)
    }

    fn borrowed(&self) -> BorrowedFd<'_> {
        // SAFETY: open as long as the socket.
        unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) }
    }

    /// Takes a batch; how many packets it had.
    #[inline(always)]
    fn batch(&mut self, seen: &mut Seen) -> usize {
        let rx = self.rings.rx_ring.as_mut().expect("a ring to receive");
        // SAFETY: all packets go back to the memory below.
        let came = unsafe { rx.recv(&self.umem, &mut self.slab) };
        if came == 0 {
            return 0;
        }
        while let Some(packet) = self.slab.pop_back() {
            seen.packet(&packet, packet.len() as u32);
            self.umem.free_packet(packet);
        }
        // SAFETY: the memory outlives the socket.
        let stocked = unsafe { self.rings.fill_ring.enqueue(&mut self.umem, came, false) };
        assert_eq!(stocked.expect("no system call"), came);
        came
    }

    fn reap(&mut self) {
        (self.rings.completion_ring).dequeue(&mut self.umem, SLOTS as usize);
    }

    /// Sends what is in the slab; with nothing in it, only wakes the kernel.
    fn push(&mut self) -> Answer<()> {
        let tx = self.rings.tx_ring.as_mut().expect("a ring to send");
        while !self.slab.is_empty() {
            // SAFETY: the memory outlives the socket.
            let sent = unsafe { tx.send(&mut self.slab, true) };
            match sent {
                Ok(_) => {}
                Err(error) if is_busy(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Its ring wakes the kernel where it is given packets alone.
    fn kick(&self) {
        let none = rustix::net::SendFlags::DONTWAIT;
        let _ = rustix::net::send(self.borrowed(), &[], none);
    }
}

fn is_busy(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::AGAIN | Errno::BUSY | Errno::NOBUFS))
}

impl Receive for Sock {
    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        while self.batch(seen) > 0 {}
    }

    fn receive(&mut self, seen: &mut Seen) {
        let woken = self.socket.poll_read(PollTimeout::new(None));
        let _ = woken.expect("the link is up");
        self.drain(seen);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.borrowed()
    }
}

impl Transmit for Sock {
    fn send(&mut self, first: u64) -> Answer<()> {
        self.reap();
        while self.umem.allocatable() < BATCH as usize {
            self.kick();
            self.reap();
        }
        for number in first..first + u64::from(BATCH) {
            // SAFETY: it goes into the ring below.
            let mut packet = unsafe { self.umem.alloc() }.ok_or("no memory")?;
            packet.append(&self.template)?;
            packet[NUMBER..][..8].copy_from_slice(&number.to_be_bytes());
            assert!(self.slab.push_front(packet).is_none(), "a batch");
        }
        self.push()
    }

    fn finish(&mut self) -> Answer<()> {
        while self.umem.allocatable() < SLOTS as usize {
            self.kick();
            self.reap();
        }
        Ok(())
    }
}

impl Converse for Sock {
    fn take(&mut self, sleeps: bool) -> u64 {
        let mut seen = Seen::default();
        while self.batch(&mut seen) == 0 {
            if sleeps {
                let woken = self.socket.poll_read(PollTimeout::new(None));
                let _ = woken.expect("the link is up");
            } else {
                core::hint::spin_loop();
            }
        }
        seen.numbers
    }

    fn give(&mut self, frame: &[u8]) -> Answer<()> {
        // SAFETY: it goes into the ring below.
        let mut packet = unsafe { self.umem.alloc() }.ok_or("no memory")?;
        packet.append(frame)?;
        assert!(self.slab.push_front(packet).is_none(), "one packet");
        self.push()?;
        self.reap();
        Ok(())
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.borrowed()
    }
}
