//! A receive ring and the mapping that it lies in.
//!
//! # Safety
//!
//! [`MappedRing`] makes one [`Ring`] of its [`Mapping`], of exactly the size that the kernel was asked
//! for. Both live and die together, so the slots are valid as long as the ring and whatever borrows
//! it. The other side of the ring is the kernel, which keeps to the protocol.

use core::num::NonZeroU32;

use rustix::fd::BorrowedFd;
#[cfg(feature = "alloc")]
use rustix::fd::{AsFd, OwnedFd};

use super::Mapping;
use crate::abi::packet::block;
use crate::error::{Error, Operation};
use crate::geometry::InvalidGeometry;
use crate::handoff::Ring;
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
    /// Maps the ring that the kernel has made for `fd`: `count` blocks of `block_size` bytes.
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        block_size: u32,
        count: NonZeroU32,
    ) -> Result<Self, Error> {
        let bytes = u64::from(block_size) * u64::from(count.get());
        let Ok(len) = usize::try_from(bytes) else {
            return Err(InvalidGeometry::RingTooLarge.into());
        };
        let mapping = Mapping::new(fd, len).map_err(Error::system(Operation::MapRing { bytes }))?;
        mapping
            .keep_from_children()
            .map_err(Error::system(Operation::KeepFromChildren))?;
        let layout = Layout {
            stride: block_size as usize,
            word: block::STATUS,
        };
        // SAFETY: the mapping has `count` blocks of `block_size` bytes, a multiple of the page size,
        // and the word at 8 is aligned; the kernel and the blocks made here are the only ones to
        // touch them.
        let memory = unsafe { Memory::new(mapping.base(), layout) };
        // SAFETY: `memory` has `count` slots, and `mapping` lives as long as the ring beside it; it is
        // the only ring of this mapping.
        let ring = unsafe { Ring::new(memory, count) };
        Ok(Self { ring, mapping })
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
