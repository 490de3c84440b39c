//! A socket of xdpilone, and what it leaves to its caller: the memory, and who owns which chunk.
//!
//! # Safety
//!
//! 1. The memory is never unmapped, and bytes of it are borrowed for one packet at a time.
//! 2. A chunk is the kernel's from the commit of its address on, and ours again once its address comes out of
//!    the receive ring or the completion ring; bytes are asked for of chunks that are ours.

use core::num::NonZeroU32;
use core::ptr::NonNull;

use packet_ring_lab::Link;
use rustix::fd::{AsFd, BorrowedFd};
use xdpilone::{
    BufIdx, DeviceQueue, IfInfo, RingRx, RingTx, Socket, SocketConfig, Umem, UmemConfig, User,
};

use crate::by_hand::{CHUNK, small_pages};

/// A socket at queue 0 with one ring of packets, and a chunk for each of its slots.
pub(crate) struct WithXdpilone<R> {
    pub(crate) umem: Umem,
    pub(crate) device: DeviceQueue,
    pub(crate) ring: R,
}

impl WithXdpilone<RingRx> {
    /// One that receives; its fill ring has every chunk.
    pub(crate) fn receiver(link: &Link, slots: u32) -> Self {
        let rings = SocketConfig {
            rx_size: NonZeroU32::new(slots),
            ..SocketConfig::default()
        };
        let mut receiver = Self::bound(link, slots, rings, |user| {
            user.map_rx().expect("a receive ring")
        });
        let chunks = receiver.chunks();
        let mut fill = receiver.device.fill(slots);
        assert_eq!(fill.insert(chunks), slots);
        fill.commit();
        drop(fill);
        receiver
    }
}

impl WithXdpilone<RingTx> {
    /// One that sends.
    pub(crate) fn sender(link: &Link, slots: u32) -> Self {
        let rings = SocketConfig {
            tx_size: NonZeroU32::new(slots),
            ..SocketConfig::default()
        };
        Self::bound(link, slots, rings, |user| {
            user.map_tx().expect("a transmit ring")
        })
    }
}

impl<R> WithXdpilone<R> {
    fn bound(link: &Link, slots: u32, rings: SocketConfig, map: impl FnOnce(&User) -> R) -> Self {
        let len = slots as usize * CHUNK;
        let memory = NonNull::slice_from_raw_parts(small_pages(len), len);
        let sizes = UmemConfig {
            fill_size: slots,
            complete_size: slots,
            ..UmemConfig::default()
        };
        assert_eq!(sizes.frame_size as usize, CHUNK);
        // SAFETY: whole pages that stay mapped (1).
        let umem = unsafe { Umem::new(sizes, memory) }.expect("memory");
        let mut interface = IfInfo::invalid();
        let index = link.index().expect("the link is there");
        interface.from_ifindex(index).expect("an interface");
        let socket = Socket::with_shared(&interface, &umem).expect("a socket");
        let device = umem.fq_cq(&socket).expect("fill and completion rings");
        let rings = SocketConfig {
            bind_flags: SocketConfig::XDP_BIND_NEED_WAKEUP,
            ..rings
        };
        let user = umem.rx_tx(&socket, &rings).expect("rings");
        let ring = map(&user);
        umem.bind(&user).expect("bound");
        Self { umem, device, ring }
    }

    /// The addresses of all chunks.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = u64> + use<R> {
        (0..u64::from(self.umem.len_frames())).map(|chunk| chunk * CHUNK as u64)
    }
}

/// So many bytes from an address on, in a chunk that is ours (2).
#[inline(always)]
pub(crate) fn bytes(umem: &mut Umem, address: u64, len: usize) -> &mut [u8] {
    let (chunk, offset) = (address / CHUNK as u64, address % CHUNK as u64);
    let chunk = umem.frame(BufIdx(chunk as u32)).expect("a chunk").addr;
    // SAFETY: mapped, initialised, and ours until the borrow of the memory ends (1, 2).
    let chunk = unsafe { &mut *chunk.as_ptr() };
    &mut chunk[offset as usize..][..len]
}

impl<R> AsFd for WithXdpilone<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open as long as `device`.
        unsafe { BorrowedFd::borrow_raw(self.device.as_raw_fd()) }
    }
}
