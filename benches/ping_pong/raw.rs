//! A TPACKET_V2 ring read by hand: what the library is held against.
//!
//! # Safety
//!
//! 1. [`RawRing`] maps the ring of its socket for itself, of the length that it was made with, for as
//!    long as it lives. The socket's own ring is not used meanwhile.
//! 2. Status words are reached as atomics alone; a frame's other bytes are read between `USER` and the
//!    zero that is stored behind them.
//! 3. What lies in the frames, the kernel wrote: a plain loop trusts it, which is what it is here for.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{FrameGeometry, RxV2, Socket};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// `tp_mac` of `struct tpacket2_hdr`.
const MAC: usize = 12;

pub(crate) struct RawRing {
    socket: Socket<Bound<RxV2>>,
    base: NonNull<u8>,
    len: usize,
    frame_size: usize,
    frames: usize,
    next: usize,
}

impl RawRing {
    /// The ring of this socket, whose frames leave no gap in their blocks.
    pub(crate) fn over(socket: Socket<Bound<RxV2>>, ring: &FrameGeometry) -> Self {
        assert!(ring.block_size().is_multiple_of(ring.frame_size()));
        let len = ring.bytes() as usize;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let base = unsafe {
            mmap(
                core::ptr::null_mut(),
                len,
                access,
                MapFlags::SHARED | MapFlags::POPULATE,
                &socket,
                0,
            )
        };
        let base = base.expect("the ring can be mapped twice");
        Self {
            socket,
            base: NonNull::new(base.cast()).expect("an address"),
            len,
            frame_size: ring.frame_size() as usize,
            frames: ring.frame_count().get() as usize,
            next: 0,
        }
    }

    /// Spins until a packet has come, and returns its byte at `at`.
    #[inline]
    pub(crate) fn receive(&mut self, at: usize) -> u8 {
        // SAFETY: `next` is below the number of frames (1).
        let frame = unsafe { self.base.as_ptr().add(self.next * self.frame_size) };
        // SAFETY: aligned, mapped (1), and reached as an atomic alone (2).
        let status = unsafe { AtomicU32::from_ptr(frame.cast()) };
        while status.load(Ordering::Acquire) & 1 == 0 {
            core::hint::spin_loop();
        }
        // SAFETY: inside the frame.
        let mac = unsafe { frame.add(MAC) };
        // SAFETY: the frame is ours until the word is zero (2).
        let mac = unsafe { mac.cast::<u16>().read() };
        // SAFETY: where the kernel says that the packet begins (3).
        let byte = unsafe { frame.add(usize::from(mac) + at) };
        // SAFETY: as above.
        let byte = unsafe { byte.read() };
        status.store(0, Ordering::Release);
        self.next += 1;
        if self.next == self.frames {
            self.next = 0;
        }
        byte
    }
}

impl AsFd for RawRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for RawRing {
    fn drop(&mut self) {
        // SAFETY: mapped by `over`, unmapped once; nothing borrows it.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

// SAFETY: the mapping belongs to the value, and is reached through `&mut self` alone.
unsafe impl Send for RawRing {}
