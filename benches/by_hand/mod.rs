//! AF_XDP by hand, over small pages: what a program that knows the kernel's interface writes, and what the
//! library is held against; and, in files of their own, what the benches of AF_XDP share beside it.
//!
//! # Safety
//!
//! 1. A [`Words`] points into a mapping that is never unmapped, at words and slots where the kernel says that
//!    they are; words are reached as atomics alone.
//! 2. The slots between the words are ours: a plain loop trusts the kernel, and itself, for what it puts in.
//! 3. Addresses in slots lie in the memory that was registered, which is never unmapped either.

#![allow(dead_code, unused_imports, reason = "each bench uses its own part")]

mod cable;
mod figures;

use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering};

use linux_raw_sys::xdp::{self as raw, xdp_desc, xdp_mmap_offsets, xdp_ring_offset, xdp_umem_reg};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socket_with};
use syscalls::{Sysno, syscall};

pub(crate) use self::cable::{End, cable, injector};
pub(crate) use self::figures::{Spread, counts, keeps, stay_on};

/// Bytes of a chunk.
pub(crate) const CHUNK: usize = 4096;

const SOL_XDP: u32 = 283;

/// One ring, as its one user sees it.
pub(crate) struct Words<T> {
    producer: NonNull<u32>,
    consumer: NonNull<u32>,
    slots: NonNull<T>,
    mask: u32,
    /// Our word, as far as we are.
    next: u32,
}

// SAFETY: addresses (1), used by one thread at a time.
unsafe impl<T> Send for Words<T> {}

impl<T> Words<T> {
    fn map(fd: &OwnedFd, page_offset: u64, offset: &xdp_ring_offset, slots: u32) -> Self {
        let len = offset.desc as usize + slots as usize * size_of::<T>();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap(null_mut(), len, access, flags, fd, page_offset) };
        let base = NonNull::new(base.expect("mmap").cast::<u8>()).expect("an address");
        // SAFETY: where the kernel says (1).
        let at = |offset: u64| unsafe { base.add(offset as usize) };
        Self {
            producer: at(offset.producer).cast(),
            consumer: at(offset.consumer).cast(),
            slots: at(offset.desc).cast(),
            mask: slots - 1,
            next: 0,
        }
    }

    #[inline(always)]
    fn word(word: NonNull<u32>) -> &'static AtomicU32 {
        // SAFETY: mapped for ever, and reached as an atomic alone (1).
        unsafe { AtomicU32::from_ptr(word.as_ptr()) }
    }

    /// How many slots the kernel has filled.
    #[inline(always)]
    pub(crate) fn filled(&self) -> u32 {
        Self::word(self.producer)
            .load(Ordering::Acquire)
            .wrapping_sub(self.next)
    }

    /// How many slots the kernel has not emptied.
    #[inline(always)]
    pub(crate) fn outstanding(&self) -> u32 {
        self.next
            .wrapping_sub(Self::word(self.consumer).load(Ordering::Acquire))
    }

    /// What the next slot holds.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> T {
        // SAFETY: inside the ring.
        let slot = unsafe { self.slots.add((self.next & self.mask) as usize) };
        self.next = self.next.wrapping_add(1);
        // SAFETY: filled by the kernel (2).
        unsafe { slot.read() }
    }

    /// Fills the next slot.
    #[inline(always)]
    pub(crate) fn put(&mut self, entry: T) {
        // SAFETY: inside the ring.
        let slot = unsafe { self.slots.add((self.next & self.mask) as usize) };
        self.next = self.next.wrapping_add(1);
        // SAFETY: emptied by the kernel (2).
        unsafe { slot.write(entry) };
    }

    /// Gives the slots back that were taken.
    #[inline(always)]
    pub(crate) fn give_back(&self) {
        Self::word(self.consumer).store(self.next, Ordering::Release);
    }

    /// Hands over the slots that were filled.
    #[inline(always)]
    pub(crate) fn publish(&self) {
        Self::word(self.producer).store(self.next, Ordering::Release);
    }
}

/// A socket with four rings of a size, a chunk for each slot of two of them.
pub(crate) struct ByHand {
    fd: OwnedFd,
    base: NonNull<u8>,
    pub(crate) rx: Words<xdp_desc>,
    pub(crate) fill: Words<u64>,
    pub(crate) tx: Words<xdp_desc>,
    pub(crate) completion: Words<u64>,
    /// Addresses of chunks that nobody uses.
    pub(crate) free: Vec<u64>,
}

// SAFETY: addresses (1, 3), used by one thread at a time.
unsafe impl Send for ByHand {}

fn set<T>(fd: &OwnedFd, name: u32, value: &T) {
    // SAFETY: the kernel reads `size_of::<T>()` bytes of `value`.
    let done = unsafe {
        syscall!(
            Sysno::setsockopt,
            fd.as_raw_fd(),
            SOL_XDP,
            name,
            core::ptr::from_ref(value),
            size_of::<T>()
        )
    };
    done.expect("setsockopt");
}

fn offsets(fd: &OwnedFd) -> xdp_mmap_offsets {
    let none = xdp_ring_offset {
        producer: 0,
        consumer: 0,
        desc: 0,
        flags: 0,
    };
    let mut offsets = xdp_mmap_offsets {
        rx: none,
        tx: none,
        fr: none,
        cr: none,
    };
    let mut len = size_of::<xdp_mmap_offsets>() as u32;
    // SAFETY: the kernel writes at most `len` bytes of `offsets`, and `len`.
    let done = unsafe {
        syscall!(
            Sysno::getsockopt,
            fd.as_raw_fd(),
            SOL_XDP,
            raw::XDP_MMAP_OFFSETS,
            &raw mut offsets,
            &raw mut len
        )
    };
    done.expect("getsockopt");
    offsets
}

/// Zeros, in small pages, for ever.
pub(crate) fn small_pages(len: usize) -> NonNull<u8> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let base = unsafe { mmap_anonymous(null_mut(), len, access, MapFlags::PRIVATE) };
    let base = base.expect("memory");
    for advice in [Advice::LinuxNoHugepage, Advice::LinuxPopulateWrite] {
        // SAFETY: neither takes anything from these bytes.
        let done = unsafe { madvise(base, len, advice) };
        done.expect("madvise");
    }
    NonNull::new(base.cast()).expect("an address")
}

impl ByHand {
    /// A socket at queue 0 of the interface, its fill ring stocked with so many chunks; `slots` are free.
    pub(crate) fn new(interface: u32, slots: u32, stocked: u32) -> Self {
        let fd = socket_with(
            AddressFamily::XDP,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        );
        let fd = fd.expect("a socket");
        let chunks = 2 * u64::from(slots);
        let len = chunks * CHUNK as u64;
        let base = small_pages(len as usize);
        let umem = xdp_umem_reg {
            addr: base.as_ptr().expose_provenance() as u64,
            len,
            chunk_size: CHUNK as u32,
            headroom: 0,
            flags: 0,
            tx_metadata_len: 0,
        };
        set(&fd, raw::XDP_UMEM_REG, &umem);
        for ring in [
            raw::XDP_UMEM_FILL_RING,
            raw::XDP_UMEM_COMPLETION_RING,
            raw::XDP_RX_RING,
            raw::XDP_TX_RING,
        ] {
            set(&fd, ring, &slots);
        }
        let at = offsets(&fd);
        let mut by_hand = Self {
            rx: Words::map(&fd, raw::XDP_PGOFF_RX_RING.into(), &at.rx, slots),
            fill: Words::map(&fd, raw::XDP_UMEM_PGOFF_FILL_RING, &at.fr, slots),
            tx: Words::map(&fd, raw::XDP_PGOFF_TX_RING.into(), &at.tx, slots),
            completion: Words::map(&fd, raw::XDP_UMEM_PGOFF_COMPLETION_RING, &at.cr, slots),
            fd,
            base,
            free: (u64::from(slots)..chunks)
                .map(|chunk| chunk * CHUNK as u64)
                .collect(),
        };
        for chunk in 0..u64::from(stocked) {
            by_hand.fill.put(chunk * CHUNK as u64);
        }
        by_hand.fill.publish();
        let address = raw::sockaddr_xdp {
            sxdp_family: AddressFamily::XDP.as_raw(),
            sxdp_flags: raw::XDP_USE_NEED_WAKEUP as u16,
            sxdp_ifindex: interface,
            sxdp_queue_id: 0,
            sxdp_shared_umem_fd: 0,
        };
        // SAFETY: the kernel reads the 16 bytes of `address`.
        let done = unsafe {
            syscall!(
                Sysno::bind,
                by_hand.fd.as_raw_fd(),
                &raw const address,
                size_of::<raw::sockaddr_xdp>()
            )
        };
        done.expect("bind");
        by_hand
    }

    /// `XDP_MAX_TX_SKB_BUDGET`.
    pub(crate) fn set_budget(&self, frames: u32) {
        set(&self.fd, raw::XDP_MAX_TX_SKB_BUDGET, &frames);
    }

    /// The byte at an address.
    #[inline(always)]
    pub(crate) fn at(&self, address: u64) -> *mut u8 {
        // SAFETY: inside the memory (3).
        unsafe { self.base.add(address as usize) }.as_ptr()
    }

    /// So many bytes at an address.
    #[inline(always)]
    pub(crate) fn bytes(&mut self, address: u64, len: usize) -> &mut [u8] {
        let at = self.at(address);
        // SAFETY: inside the memory, and ours now (3).
        unsafe { core::slice::from_raw_parts_mut(at, len) }
    }

    /// Has the kernel send. One system call; whether it has taken all that it could.
    pub(crate) fn kick(&self) -> bool {
        match send(&self.fd, &[], SendFlags::DONTWAIT) {
            Ok(_) => true,
            Err(Errno::AGAIN | Errno::BUSY | Errno::NOBUFS) => false,
            Err(errno) => panic!("a kick: {errno}"),
        }
    }

    /// Takes the frames that were sent.
    #[inline(always)]
    pub(crate) fn reap(&mut self) {
        let sent = self.completion.filled();
        for _ in 0..sent {
            let address = self.completion.take();
            self.free.push(address & !(CHUNK as u64 - 1));
        }
        if sent > 0 {
            self.completion.give_back();
        }
    }
}

impl AsFd for ByHand {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
