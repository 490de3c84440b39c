//! A transmit ring mapped a second time, to put into it what the library does not.
//!
//! # Safety
//!
//! The mapping lies in the kernel's ring, which lives as long as it; nobody changes slots meanwhile but the
//! test, which reads and writes them on the thread that hands frames over.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, Ordering};

use packet_ring::ring::Descriptor;
use packet_ring::xdp::TxRing;
use packet_ring_lab::suite::Stopped;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::net::sockopt::xdp_mmap_offsets;

/// `XDP_PGOFF_TX_RING`.
const TX_RING: u64 = 0x8000_0000;

pub(crate) struct ForgedRing {
    base: NonNull<u8>,
    len: usize,
    slots: u32,
    producer: usize,
    descriptors: usize,
}

impl ForgedRing {
    pub(crate) fn of(ring: &TxRing) -> Result<Self, Stopped> {
        let offsets = xdp_mmap_offsets(ring)?.tx;
        let slots = ring.size().get();
        let descriptors = offsets.desc as usize;
        let len = descriptors + slots as usize * size_of::<Descriptor>();
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at a place of the kernel's choice.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                len,
                protection,
                MapFlags::SHARED,
                ring,
                TX_RING,
            )
        }?;
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or("mapped at null")?,
            len,
            slots,
            producer: offsets.producer as usize,
            descriptors,
        })
    }

    /// Changes the descriptor that was handed over last but `back`.
    pub(crate) fn change(&self, back: u32, change: impl FnOnce(&mut Descriptor)) {
        // SAFETY: in the mapping, where the kernel says that the word lies.
        let producer = unsafe { self.base.add(self.producer) }.cast::<u32>();
        // SAFETY: in the mapping, aligned, and only ever accessed atomically.
        let producer = unsafe { AtomicU32::from_ptr(producer.as_ptr()) };
        let last = producer.load(Ordering::Acquire).wrapping_sub(1);
        let slot = (last.wrapping_sub(back) & (self.slots - 1)) as usize;
        let offset = self.descriptors + slot * size_of::<Descriptor>();
        // SAFETY: in the mapping, one of the slots.
        let slot = unsafe { self.base.add(offset) }.cast::<Descriptor>();
        // SAFETY: aligned, and not sent yet: the kernel only reads it, and when it is kicked.
        let mut descriptor = unsafe { slot.read_volatile() };
        change(&mut descriptor);
        // SAFETY: as above.
        unsafe { slot.write_volatile(descriptor) };
    }
}

impl Drop for ForgedRing {
    fn drop(&mut self) {
        // SAFETY: mapped by `of`, and used by nobody else.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        unmapped.expect("our own mapping");
    }
}
