//! Rings and the mappings that they lie in.
//!
//! # Safety
//!
//! [`MappedRing`] and [`MappedTxRing`] make one ring of their [`Mapping`], which has the size that the
//! kernel was asked for. Both live and die together, so the slots are valid as long as the ring and
//! whatever borrows it. The other side of the ring is the kernel, which keeps to the protocol.

use core::num::NonZeroU32;

#[cfg(feature = "alloc")]
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Mapping;
use crate::abi::packet::{block, frame, frame_v2};
use crate::handoff::{Ring, TxRing};
use crate::sync::{Layout, Memory};

/// A receive ring in the mapping of its socket.
#[derive(Debug)]
pub(crate) struct MappedRing {
    ring: Ring,
    #[cfg_attr(
        not(feature = "alloc"),
        expect(dead_code, reason = "owns the memory of the ring")
    )]
    mapping: Mapping,
}

impl MappedRing {
    /// The ring of `count` blocks of `block_size` bytes that the kernel has made in `mapping`.
    ///
    /// # Panics
    ///
    /// Where the mapping has not that size.
    pub(crate) fn of_blocks(mapping: Mapping, block_size: u32, count: NonZeroU32) -> Self {
        let bytes = u64::from(block_size) * u64::from(count.get());
        assert_eq!(mapping.len() as u64, bytes, "the size of the ring");
        let layout = Layout::new(block_size as usize, block::STATUS);
        // SAFETY: the mapping has `count` blocks of `block_size` bytes, a multiple of the page size,
        // and the word at 8 is aligned; the kernel and the blocks made here are the only ones to
        // touch them.
        let memory = unsafe { Memory::new(mapping.base(), layout) };
        // SAFETY: `memory` has `count` slots, and `mapping` lives as long as the ring beside it; it is
        // the only ring of this mapping.
        let ring = unsafe { Ring::new(memory, count) };
        Self { ring, mapping }
    }

    /// The ring of TPACKET_V2 frames that the kernel has made in `mapping`: as many as fit whole into
    /// blocks of `block_size` bytes.
    ///
    /// # Panics
    ///
    /// Where the mapping holds no block, or a block no frame.
    pub(crate) fn of_frames(mapping: Mapping, frame_size: u32, block_size: u32) -> Self {
        let (frames, count) = frames(&mapping, frame_size, block_size);
        let layout = Layout::new(frames.size, frame_v2::STATUS).in_blocks(frames.block);
        // SAFETY: `count` frames lie in the mapping, at multiples of 16 in blocks that begin at pages,
        // and the word at 0 is aligned; the kernel and the frames made here are the only ones to touch
        // them.
        let memory = unsafe { Memory::new(mapping.base(), layout) };
        // SAFETY: `memory` has `count` slots, and `mapping` lives as long as the ring beside it; it is
        // the only ring of this mapping.
        let ring = unsafe { Ring::new(memory, count) };
        Self { ring, mapping }
    }

    pub(crate) fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// Shares the ring with blocks that outlive every borrow; `fd` is closed after the last of them.
    #[cfg(feature = "alloc")]
    pub(crate) fn into_shared(self, fd: OwnedFd) -> crate::handoff::SharedReceiver<Owner> {
        let owner = Owner {
            mapping: self.mapping,
            fd,
        };
        // SAFETY: the memory of the ring is the mapping, which now lives in the owner.
        unsafe { self.ring.into_shared(owner) }
    }
}

/// Sizes of frames and of the blocks that they lie in, in bytes.
struct Frames {
    size: usize,
    block: usize,
}

/// The sizes, and how many frames fit into the mapping, whole and without crossing a block.
fn frames(mapping: &Mapping, size: u32, block: u32) -> (Frames, NonZeroU32) {
    let [size, block] = [size, block].map(|size| size as usize);
    let count = mapping.len() / block * (block / size);
    let count = u32::try_from(count).ok().and_then(NonZeroU32::new);
    let count = count.expect("a ring of 1 to 4,294,967,295 frames");
    (Frames { size, block }, count)
}

/// A transmit ring in the mapping of its socket.
#[derive(Debug)]
pub(crate) struct MappedTxRing {
    ring: TxRing,
    #[expect(dead_code, reason = "owns the memory of the ring")]
    mapping: Mapping,
}

impl MappedTxRing {
    /// The ring of frames that the kernel has made in `mapping`, untouched so far: as many as fit
    /// whole into blocks of `block_size` bytes.
    ///
    /// # Panics
    ///
    /// Where the mapping holds no block, or a block no frame.
    pub(crate) fn new(mapping: Mapping, frame_size: u32, block_size: u32) -> Self {
        let (frames, count) = frames(&mapping, frame_size, block_size);
        let layout = Layout::new(frames.size, frame::STATUS)
            .in_blocks(frames.block)
            .lending_from(frame::DATA.into());
        // SAFETY: so many frames lie in the mapping, at multiples of 16 in blocks that begin at pages;
        // the word at 20 is aligned; the kernel and the ring made here are the only ones to touch them.
        let memory = unsafe { Memory::new(mapping.base(), layout) };
        // SAFETY: the mapping lives as long as the ring beside it; the header lies before what is lent,
        // and the word is none of its fields. The kernel made the memory of zeros, and sends inside a
        // system call. It is the only ring of this mapping.
        let ring = unsafe { TxRing::new(memory, frame::HEADER, frame::DATA, count) };
        Self { ring, mapping }
    }

    pub(crate) fn ring(&mut self) -> &mut TxRing {
        &mut self.ring
    }
}

/// What the blocks of a shared ring keep alive: its memory, and the socket.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct Owner {
    /// Before the descriptor: the memory is unmapped first.
    #[expect(dead_code, reason = "owns the memory of the ring")]
    mapping: Mapping,
    fd: OwnedFd,
}

#[cfg(feature = "alloc")]
impl AsFd for Owner {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
