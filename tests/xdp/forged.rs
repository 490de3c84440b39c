//! A ring mapped a second time, to put into it what neither the library nor the kernel does.
//!
//! # Safety
//!
//! The mapping lies in the kernel's ring, which lives as long as it; nobody changes slots meanwhile but the
//! test, which reads and writes them on the thread that hands frames over. Words are atomics on both sides, and
//! the library believes none of them.

#![allow(dead_code, reason = "each test file uses its own part")]

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use packet_ring::Deadline;
use packet_ring::ring::Descriptor;
use packet_ring::xdp::{CompletionRing, FillRing, RxRing, TxRing};
use packet_ring_lab::kernel;
use packet_ring_lab::suite::Stopped;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::net::sockopt::xdp_mmap_offsets;
use rustix::net::xdp::XdpRingOffset;

/// `XDP_PGOFF_RX_RING`, `XDP_PGOFF_TX_RING`, `XDP_UMEM_PGOFF_FILL_RING` and `XDP_UMEM_PGOFF_COMPLETION_RING`.
const RX_RING: u64 = 0;
const TX_RING: u64 = 0x8000_0000;
const FILL_RING: u64 = 0x1_0000_0000;
const COMPLETION_RING: u64 = 0x1_8000_0000;

/// The ring's word of flags: `XDP_RING_NEED_WAKEUP`.
pub(crate) const NEED_WAKEUP: u32 = 1;

pub(crate) struct ForgedRing {
    base: NonNull<u8>,
    len: usize,
    slots: u32,
    producer: usize,
    consumer: usize,
    flags: Option<usize>,
    descriptors: usize,
}

impl ForgedRing {
    pub(crate) fn of(ring: &TxRing) -> Result<Self, Stopped> {
        let offsets = xdp_mmap_offsets(ring)?.tx;
        Self::map(ring.as_fd(), TX_RING, &offsets, ring.size().get())
    }

    pub(crate) fn of_rx(ring: &RxRing) -> Result<Self, Stopped> {
        let offsets = xdp_mmap_offsets(ring)?.rx;
        Self::map(ring.as_fd(), RX_RING, &offsets, ring.size().get())
    }

    /// The fill ring of the socket that has this receive ring too. Its words alone are to be forged.
    pub(crate) fn of_fill(ring: &FillRing, rx: &RxRing) -> Result<Self, Stopped> {
        let offsets = xdp_mmap_offsets(rx)?.fr;
        // Of 8 bytes, its slots take half of what others' do.
        Self::map(rx.as_fd(), FILL_RING, &offsets, ring.size().get() / 2)
    }

    /// The completion ring of the socket that has this transmit ring too.
    pub(crate) fn of_completion(ring: &CompletionRing, tx: &TxRing) -> Result<Self, Stopped> {
        let offsets = xdp_mmap_offsets(tx)?.cr;
        Self::map(tx.as_fd(), COMPLETION_RING, &offsets, ring.size().get() / 2)
    }

    fn map(
        ring: BorrowedFd<'_>,
        which: u64,
        offsets: &XdpRingOffset,
        slots: u32,
    ) -> Result<Self, Stopped> {
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
                which,
            )
        };
        if base == Err(Errno::BUSY) && !kernel::is_since(6, 4) {
            let needs = "a ring of a bound socket is mapped a second time, which needs Linux 6.4";
            return Err(Stopped::Skipped(needs.into()));
        }
        let base = base?;
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or("mapped at null")?,
            len,
            slots,
            producer: offsets.producer as usize,
            consumer: offsets.consumer as usize,
            flags: offsets.flags.map(|flags| flags as usize),
            descriptors,
        })
    }

    /// How far the ring was filled.
    pub(crate) fn producer(&self) -> &AtomicU32 {
        self.word(self.producer)
    }

    /// How far it was emptied.
    pub(crate) fn consumer(&self) -> &AtomicU32 {
        self.word(self.consumer)
    }

    pub(crate) fn flags(&self) -> Result<&AtomicU32, Stopped> {
        Ok(self.word(self.flags.ok_or("a kernel without flags")?))
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: in the mapping, where the kernel says that the word lies.
        let word = unsafe { self.base.add(offset) }.cast::<u32>();
        // SAFETY: in the mapping, aligned, and only ever accessed atomically.
        unsafe { AtomicU32::from_ptr(word.as_ptr()) }
    }

    /// Waits until so many entries were put into the ring since it was made.
    pub(crate) fn until_filled(&self, entries: u32) -> Result<(), Stopped> {
        let deadline = Deadline::after(Duration::from_secs(10));
        while self.producer().load(Ordering::Acquire) != entries {
            if deadline.has_passed() {
                return Err("they did not come".into());
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Changes the address that was completed last but `back`, of a completion ring.
    pub(crate) fn complete_instead(&self, back: u32, address: u64) {
        let last = self.producer().load(Ordering::Acquire).wrapping_sub(1);
        let slot = (last.wrapping_sub(back) & (2 * self.slots - 1)) as usize;
        let offset = self.descriptors + slot * size_of::<u64>();
        // SAFETY: in the mapping, one of the slots.
        let slot = unsafe { self.base.add(offset) }.cast::<u64>();
        // SAFETY: aligned, and completed: the kernel writes it again when it was taken.
        unsafe { slot.write_volatile(address) };
    }

    /// Changes the descriptor that was handed over last but `back`.
    pub(crate) fn change(&self, back: u32, change: impl FnOnce(&mut Descriptor)) {
        let last = self.producer().load(Ordering::Acquire).wrapping_sub(1);
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
