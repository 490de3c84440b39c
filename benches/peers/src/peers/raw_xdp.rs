//! AF_XDP by hand, over small pages.

use linux_raw_sys::xdp::xdp_desc;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd};

use super::no_version;
use crate::by_hand::{self, CHUNK};
use crate::peer::{
    Answer, BATCH, Converse, Family, NUMBER, Peer, Place, Receive, Ring, Seen, Transmit, write,
};

/// Slots of each ring of who sends.
pub(crate) const SLOTS: u32 = 2048;

/// Slots of each ring of who answers, and chunks in its fill ring: fewer, since the kernel gives a slot back after it has
/// let the packet be seen.
pub(crate) const FEW: u32 = 64;
pub(crate) const STOCKED: u32 = FEW / 2;

pub(crate) struct ByHand;

impl Peer for ByHand {
    fn name(&self) -> &'static str {
        "by hand, AF_XDP"
    }

    fn version(&self) -> String {
        no_version()
    }

    fn family(&self) -> Family {
        Family::Xdp
    }

    fn receiver(&self, place: &Place, ring: &Ring) -> Answer<Box<dyn Receive>> {
        Ok(Box::new(Socket::new(
            place,
            ring.blocks,
            ring.blocks - ring.spare,
        )?))
    }

    fn sender(&self, place: &Place, template: &[u8]) -> Answer<Box<dyn Transmit>> {
        let socket = by_hand::ByHand::new(place.index(), SLOTS, 0);
        Ok(Box::new(Sender(Box::new(socket), template.to_vec())))
    }

    fn end(&self, place: &Place) -> Answer<Box<dyn Converse>> {
        Ok(Box::new(Socket::new(place, FEW, STOCKED)?))
    }
}

struct Socket(Box<by_hand::ByHand>);

impl Socket {
    fn new(place: &Place, slots: u32, stocked: u32) -> Answer<Self> {
        let socket = by_hand::ByHand::new(place.index(), slots, stocked);
        let map = place.map.as_ref().ok_or("the interface has no program")?;
        map.insert(0, &socket)?;
        Ok(Self(Box::new(socket)))
    }

    fn sleep(&self) {
        let _ = poll(&mut [PollFd::new(&*self.0, PollFlags::IN)], None);
    }
}

/// Looks at a packet as C would.
#[inline(always)]
fn note(by_hand: &by_hand::ByHand, descriptor: &xdp_desc, seen: &mut Seen) {
    let packet = by_hand.at(descriptor.addr);
    // SAFETY: in the packet, which is ours and has 60 bytes and more.
    let header = unsafe { packet.cast::<u64>().read_unaligned() };
    let number = packet.wrapping_add(NUMBER).cast::<u64>();
    // SAFETY: as above.
    let number = unsafe { number.read_unaligned() };
    seen.note(header, number, descriptor.len);
}

impl Receive for Socket {
    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        let by_hand = &mut *self.0;
        loop {
            let filled = by_hand.rx.filled().min(BATCH);
            if filled == 0 {
                return;
            }
            for _ in 0..filled {
                let descriptor = by_hand.rx.take();
                note(by_hand, &descriptor, seen);
                by_hand.fill.put(descriptor.addr & !(CHUNK as u64 - 1));
            }
            by_hand.fill.publish();
            by_hand.rx.give_back();
        }
    }

    fn receive(&mut self, seen: &mut Seen) {
        self.sleep();
        self.drain(seen);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Converse for Socket {
    fn take(&mut self, sleeps: bool) -> u64 {
        while self.0.rx.filled() == 0 {
            if sleeps {
                self.sleep();
            } else {
                core::hint::spin_loop();
            }
        }
        let mut seen = Seen::default();
        let by_hand = &mut *self.0;
        let descriptor = by_hand.rx.take();
        note(by_hand, &descriptor, &mut seen);
        by_hand.fill.put(descriptor.addr & !(CHUNK as u64 - 1));
        by_hand.fill.publish();
        by_hand.rx.give_back();
        seen.numbers
    }

    fn give(&mut self, frame: &[u8]) -> Answer<()> {
        let by_hand = &mut *self.0;
        let address = by_hand.free.pop().ok_or("it has no free chunk")?;
        by_hand.bytes(address, frame.len()).copy_from_slice(frame);
        put(by_hand, address, frame.len());
        by_hand.tx.publish();
        by_hand.kick();
        by_hand.reap();
        Ok(())
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[inline(always)]
fn put(by_hand: &mut by_hand::ByHand, address: u64, len: usize) {
    by_hand.tx.put(xdp_desc {
        addr: address,
        len: len as u32,
        options: 0,
    });
}

struct Sender(Box<by_hand::ByHand>, Vec<u8>);

impl Transmit for Sender {
    fn send(&mut self, first: u64) -> Answer<()> {
        let (by_hand, template) = (&mut *self.0, &self.1);
        by_hand.reap();
        while by_hand.free.len() < BATCH as usize || by_hand.tx.outstanding() > SLOTS - BATCH {
            by_hand.kick();
            by_hand.reap();
        }
        for number in first..first + u64::from(BATCH) {
            let address = by_hand.free.pop().expect("enough of them");
            write(by_hand.bytes(address, template.len()), template, number);
            put(by_hand, address, template.len());
        }
        by_hand.tx.publish();
        by_hand.kick();
        Ok(())
    }

    fn finish(&mut self) -> Answer<()> {
        while self.0.tx.outstanding() > 0 {
            self.0.kick();
            self.0.reap();
        }
        Ok(())
    }
}
