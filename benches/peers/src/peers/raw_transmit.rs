//! A transmit ring of TPACKET_V2 by hand.
//!
//! # Safety
//!
//! [`V2Ring`] owns a mapping of [`FRAMES`] frames of [`FRAME`] bytes, which the kernel and nobody else shares. A frame is
//! ours while its status word says [`AVAILABLE`]; the words are reached as atomics alone.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_raw_sys::if_packet as abi;
use rustix::fd::OwnedFd;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::net::{SendFlags, send};

use super::messages::{bind, open, set};
use crate::peer::{Answer, BATCH, Place, Transmit, write};

/// Bytes of a frame.
pub(crate) const FRAME: usize = 2048;
pub(crate) const FRAMES: usize = 512;
const BLOCK: usize = 1 << 16;

/// Where a packet begins: `TPACKET2_HDRLEN - sizeof(struct sockaddr_ll)`.
const DATA: usize = 32;

const AVAILABLE: u32 = 0;
const SEND_REQUEST: u32 = 1;

pub(crate) struct V2Ring {
    fd: OwnedFd,
    base: *mut u8,
    next: usize,
    template: Vec<u8>,
}

impl V2Ring {
    pub(crate) fn new(place: &Place, template: &[u8]) -> Answer<Self> {
        assert!(template.len() <= FRAME - DATA);
        let fd = open();
        set(
            &fd,
            abi::PACKET_VERSION,
            &(abi::tpacket_versions::TPACKET_V2 as u32),
        )?;
        let request = abi::tpacket_req {
            tp_block_size: BLOCK as u32,
            tp_block_nr: (FRAME * FRAMES / BLOCK) as u32,
            tp_frame_size: FRAME as u32,
            tp_frame_nr: FRAMES as u32,
        };
        set(&fd, abi::PACKET_TX_RING, &request)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap(null_mut(), FRAME * FRAMES, access, flags, &fd, 0) };
        bind(&fd, place.index(), 0);
        Ok(Self {
            fd,
            base: base?.cast(),
            next: 0,
            template: template.to_vec(),
        })
    }

    fn frame(&self, index: usize) -> *mut u8 {
        // SAFETY: below the number of frames, of which the mapping has so many.
        unsafe { self.base.add(index * FRAME) }
    }

    fn status(&self, index: usize) -> &AtomicU32 {
        // SAFETY: `tp_status` is the frame's first word, aligned, and all accesses to it are atomic.
        unsafe { AtomicU32::from_ptr(self.frame(index).cast()) }
    }

    fn kick(&self) {
        send(&self.fd, &[], SendFlags::DONTWAIT).expect("sent");
    }
}

impl Transmit for V2Ring {
    fn send(&mut self, first: u64) -> Answer<()> {
        for number in first..first + u64::from(BATCH) {
            while self.status(self.next).load(Ordering::Acquire) != AVAILABLE {
                self.kick();
            }
            let frame = self.frame(self.next);
            let len = self.template.len();
            // SAFETY: the packet's room lies inside the frame.
            let data = unsafe { frame.add(DATA) };
            // SAFETY: the frame is ours, and long enough.
            let bytes = unsafe { core::slice::from_raw_parts_mut(data, len) };
            write(bytes, &self.template, number);
            // SAFETY: `tp_len` is the frame's second word.
            let length = unsafe { frame.cast::<u32>().add(1) };
            // SAFETY: inside the frame, which is ours, and aligned.
            unsafe { length.write(len as u32) };
            self.status(self.next)
                .store(SEND_REQUEST, Ordering::Release);
            self.next = (self.next + 1) % FRAMES;
        }
        self.kick();
        Ok(())
    }

    fn finish(&mut self) -> Answer<()> {
        for index in 0..FRAMES {
            while self.status(index).load(Ordering::Acquire) != AVAILABLE {
                self.kick();
            }
        }
        Ok(())
    }
}

impl Drop for V2Ring {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, unmapped once; nothing borrows it.
        let _ = unsafe { munmap(self.base.cast(), FRAME * FRAMES) };
    }
}
