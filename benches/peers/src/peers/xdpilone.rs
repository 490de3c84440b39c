//! xdpilone, and what it leaves to its caller: the memory, in small pages as the loop by hand has it, and who owns which
//! chunk.
//!
//! # Safety
//!
//! 1. The memory is never unmapped, and bytes of it are borrowed for one packet at a time.
//! 2. A chunk is the kernel's from the commit of its address on, and ours again once its address comes out of
//!    the receive ring or the completion ring; bytes are asked for of chunks that are ours.

use core::num::NonZeroU32;
use core::ptr::NonNull;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use xdpilone::xdp::XdpDesc;
use xdpilone::{
    BufIdx, DeviceQueue, IfInfo, RingRx, RingTx, Socket, SocketConfig, Umem, UmemConfig,
};

use super::raw_xdp::{FEW, SLOTS, STOCKED};
use crate::by_hand::{CHUNK, small_pages};
use crate::peer::{
    Answer, BATCH, Cannot, Converse, Family, Peer, Place, Receive, Ring, Seen, Transmit, write,
};

pub(crate) struct Xdpilone;

impl Peer for Xdpilone {
    fn name(&self) -> &'static str {
        "xdpilone"
    }

    fn version(&self) -> String {
        "1.3.0".into()
    }

    fn family(&self) -> Family {
        Family::Xdp
    }

    fn receiver(&self, place: &Place, ring: &Ring) -> Answer<Box<dyn Receive>> {
        Ok(Box::new(Sock::new(
            place,
            [ring.blocks, 0],
            ring.blocks,
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
    umem: Umem,
    device: DeviceQueue,
    rx: Option<RingRx>,
    tx: Option<RingTx>,
    /// Addresses of chunks that nobody uses.
    free: Vec<u64>,
    /// Of those, the ones that belong into the fill ring and found no room: its view of the room lags behind.
    late: Vec<u64>,
    template: Vec<u8>,
}

// SAFETY: addresses of memory that is never unmapped (1); one thread at a time has the value.
unsafe impl Send for Sock {}

fn errno(what: &str) -> impl Fn(xdpilone::Errno) -> Cannot {
    move |errno| Cannot(format!("{what}: {errno}"))
}

impl Sock {
    fn new(
        place: &Place,
        [rx, tx]: [u32; 2],
        chunks: u32,
        stocked: u32,
        template: &[u8],
    ) -> Answer<Self> {
        let len = chunks as usize * CHUNK;
        let memory = NonNull::slice_from_raw_parts(small_pages(len), len);
        let sizes = UmemConfig {
            fill_size: rx.max(tx),
            complete_size: rx.max(tx),
            ..UmemConfig::default()
        };
        assert_eq!(sizes.frame_size as usize, CHUNK);
        // SAFETY: whole pages that stay mapped (1).
        let umem = unsafe { Umem::new(sizes, memory) }.map_err(errno("memory"))?;
        let mut interface = IfInfo::invalid();
        (interface.from_ifindex(place.index())).map_err(errno("the interface"))?;
        let socket = Socket::with_shared(&interface, &umem).map_err(errno("a socket"))?;
        let mut device = umem.fq_cq(&socket).map_err(errno("rings"))?;
        let rings = SocketConfig {
            rx_size: NonZeroU32::new(rx),
            tx_size: NonZeroU32::new(tx),
            bind_flags: SocketConfig::XDP_BIND_NEED_WAKEUP,
        };
        let user = umem.rx_tx(&socket, &rings).map_err(errno("rings"))?;
        let rx = (rx > 0).then(|| user.map_rx()).transpose();
        let tx = (tx > 0).then(|| user.map_tx()).transpose();
        umem.bind(&user).map_err(errno("bind"))?;
        let mut addresses = (0..u64::from(chunks)).map(|chunk| chunk * CHUNK as u64);
        if stocked > 0 {
            let mut fill = device.fill(stocked);
            let put = fill.insert(addresses.by_ref().take(stocked as usize));
            assert_eq!(put, stocked);
            fill.commit();
        }
        let sock = Self {
            umem,
            device,
            rx: rx.map_err(errno("a receive ring"))?,
            tx: tx.map_err(errno("a transmit ring"))?,
            free: addresses.collect(),
            late: Vec::with_capacity(chunks as usize),
            template: template.to_vec(),
        };
        if let Some(map) = &place.map {
            map.insert(0, sock.borrowed())?;
        }
        Ok(sock)
    }

    fn borrowed(&self) -> BorrowedFd<'_> {
        // SAFETY: open as long as `device`.
        unsafe { BorrowedFd::borrow_raw(self.device.as_raw_fd()) }
    }

    fn sleep(&self) {
        let _ = poll(&mut [PollFd::new(&self.borrowed(), PollFlags::IN)], None);
    }

    /// Takes a batch; how many packets it had.
    #[inline(always)]
    fn batch(&mut self, seen: &mut Seen) -> u32 {
        let rx = self.rx.as_mut().expect("a ring to receive");
        let mut packets = rx.receive(BATCH);
        let came = packets.capacity();
        if came == 0 {
            return 0;
        }
        let mut fill = self.device.fill(came + self.late.len() as u32);
        fill.insert(
            self.late
                .drain(..(fill.capacity() as usize).min(self.late.len())),
        );
        while let Some(descriptor) = packets.read() {
            let len = descriptor.len as usize;
            seen.packet(bytes(&mut self.umem, descriptor.addr, len), descriptor.len);
            if !fill.insert_once(descriptor.addr) {
                self.late.push(descriptor.addr);
            }
        }
        fill.commit();
        packets.release();
        came
    }

    /// Has the kernel send. At most one system call.
    fn kick(&self) {
        let tx = self.tx.as_ref().expect("a ring to send");
        if tx.needs_wakeup() {
            tx.wake();
        }
    }

    /// Takes the frames that were sent.
    fn reap(&mut self) {
        let mut sent = self.device.complete(SLOTS);
        self.free.extend(sent.by_ref());
        sent.release();
    }

    /// Queues as many frames as `numbers` has, each written by the caller.
    #[inline(always)]
    fn queue(
        &mut self,
        mut numbers: core::ops::Range<u64>,
        fill: impl Fn(&mut [u8], u64),
        len: usize,
    ) {
        let tx = self.tx.as_mut().expect("a ring to send");
        while !numbers.is_empty() {
            // It may have less room at first than there is.
            let mut batch = tx.transmit((numbers.end - numbers.start) as u32);
            for number in numbers.by_ref().take(batch.capacity() as usize) {
                let address = self.free.pop().expect("enough of them");
                fill(bytes(&mut self.umem, address, len), number);
                assert!(batch.insert_once(XdpDesc {
                    addr: address,
                    len: len as u32,
                    options: 0,
                }));
            }
            batch.commit();
        }
    }
}

/// So many bytes from an address on, in a chunk that is ours (2).
#[inline(always)]
fn bytes(umem: &mut Umem, address: u64, len: usize) -> &mut [u8] {
    let (chunk, offset) = (address / CHUNK as u64, address % CHUNK as u64);
    let chunk = umem.frame(BufIdx(chunk as u32)).expect("a chunk").addr;
    // SAFETY: mapped, initialised, and ours until the borrow of the memory ends (1, 2).
    let chunk = unsafe { &mut *chunk.as_ptr() };
    &mut chunk[offset as usize..][..len]
}

impl Receive for Sock {
    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        while self.batch(seen) > 0 {}
    }

    fn receive(&mut self, seen: &mut Seen) {
        self.sleep();
        self.drain(seen);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.borrowed()
    }
}

impl Transmit for Sock {
    fn send(&mut self, first: u64) -> Answer<()> {
        self.reap();
        // As many chunks as slots: where chunks are free, so are slots.
        while self.free.len() < BATCH as usize {
            self.kick();
            self.reap();
        }
        let template = core::mem::take(&mut self.template);
        let fill = |bytes: &mut [u8], number| write(bytes, &template, number);
        self.queue(first..first + u64::from(BATCH), fill, template.len());
        self.template = template;
        self.kick();
        Ok(())
    }

    fn finish(&mut self) -> Answer<()> {
        while self.tx.as_ref().is_some_and(|tx| tx.pending() > 0) {
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
                self.sleep();
            } else {
                core::hint::spin_loop();
            }
        }
        seen.numbers
    }

    fn give(&mut self, frame: &[u8]) -> Answer<()> {
        self.queue(0..1, |bytes, _| bytes.copy_from_slice(frame), frame.len());
        self.kick();
        self.reap();
        Ok(())
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.borrowed()
    }
}
