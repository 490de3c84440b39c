//! The memory that packets lie in.
//!
//! # Safety
//!
//! 1. A [`Memory`] describes chunks that lie within one allocation, initialised, valid for reads and writes
//!    until it is dropped: its own pages, or what the caller of [`Umem::from_raw`] vouched for.
//! 2. The bytes of a chunk belong to whoever [`chunks`](crate::chunks) says: the one `Chunk` of it, or the
//!    kernel. The kernel keeps to that.
//! 3. `Memory` is the owner in a table of chunks, and holds the pages of that table too: both go when the
//!    table's last handle and chunk have gone.

use core::ptr::NonNull;

use rustix::param::page_size;

use super::member::Rings;
use super::{Pool, UmemGeometry};
use crate::chunks::{Census, Chunks};
use crate::error::{Error, Operation};
use crate::geometry::InvalidGeometry;
use crate::sync::Table;
use crate::sys::{PageKind, Pages, UmemRegistration};

/// Which pages a UMEM lies in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HugePages {
    /// Pages of 2 MiB where the kernel has them to give, else small ones. `madvise(MADV_HUGEPAGE)`.
    ///
    /// A receive loop takes some 0.55 to 0.75 of the time that it takes over small pages.
    #[default]
    WherePossible,
    /// Small pages alone. `madvise(MADV_NOHUGEPAGE)`.
    None,
    /// Pages of 2 MiB, out of those that `vm.nr_hugepages` sets aside. `MAP_HUGETLB`.
    Reserved2M,
    /// Pages of 1 GiB, out of those that are set aside. `MAP_HUGETLB`.
    Reserved1G,
}

/// Whether a UMEM is locked into memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locking {
    /// It is not locked. While a socket has it registered the kernel keeps its pages anyway.
    #[default]
    None,
    /// It is locked if RLIMIT_MEMLOCK allows it: [`Umem::is_locked`] tells.
    WherePossible,
    /// It is locked, or not made.
    Required,
}

/// The memory that packets lie in, shared with the kernel: a handle to it.
///
/// A clone is another handle. The memory is there as long as a handle, a [`Pool`], a ring or a
/// [`Frame`](super::Frame) is.
#[derive(Clone, Debug)]
pub struct Umem(Chunks<Memory>);

impl Umem {
    /// Maps memory and divides it into chunks, all of which the pool has.
    ///
    /// `mmap`, `madvise` with MADV_HUGEPAGE, MADV_DONTFORK (a child made by `fork` does not get it) and
    /// MADV_POPULATE_WRITE, which gives every page its memory now. Registering it with a socket is left to
    /// [`Socket::map`](super::Socket::map).
    ///
    /// # Errors
    ///
    /// [`Error::Geometry`] where a chunk is larger than this machine's pages. [`Error::System`]: ENOMEM.
    pub fn new(geometry: UmemGeometry) -> Result<(Self, Pool), Error> {
        Self::with_pages(geometry, HugePages::default(), Locking::default())
    }

    /// The same, in pages of the caller's choice, locked if wanted (`mlock2`).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); ENOMEM too where fewer huge pages are set aside, and where RLIMIT_MEMLOCK does
    /// not allow to lock.
    #[doc(alias = "MAP_HUGETLB")]
    #[doc(alias = "mlock")]
    pub fn with_pages(
        geometry: UmemGeometry,
        pages: HugePages,
        locking: Locking,
    ) -> Result<(Self, Pool), Error> {
        fits_page(geometry)?;
        let kind = match pages {
            HugePages::WherePossible => PageKind::HugeWherePossible,
            HugePages::None => PageKind::Small,
            HugePages::Reserved2M => PageKind::HugeTlb(2 << 20),
            HugePages::Reserved1G => PageKind::HugeTlb(1 << 30),
        };
        // The geometry lets no size beyond the address space pass.
        let pages = Pages::new(geometry.bytes() as usize, kind)?;
        let locked = match locking {
            Locking::None => false,
            Locking::WherePossible => pages.lock().is_ok(),
            Locking::Required => {
                pages.lock().map_err(Error::system(Operation::LockMemory))?;
                true
            }
        };
        let base = pages.base();
        // SAFETY: the pages hold at least the geometry's bytes, zeros, and live in the `Memory`.
        unsafe { Self::of(base, geometry, Some(pages), locked) }
    }

    /// Divides the caller's memory into chunks.
    ///
    /// Children made by `fork` get it too, unless the caller sees to it (`MADV_DONTFORK`).
    ///
    /// # Safety
    ///
    /// `base` is valid for reads and writes of [`geometry.bytes()`](UmemGeometry::bytes), initialised, and
    /// used by nobody else until every handle, pool, ring and frame of it has gone, and the kernel has let
    /// go of every socket that it was registered with.
    ///
    /// # Errors
    ///
    /// [`Error::Geometry`] where `base` is not at a page, or a chunk larger than a page. [`Error::System`]:
    /// ENOMEM where there is no memory for the table of chunks.
    pub unsafe fn from_raw(
        base: NonNull<u8>,
        geometry: UmemGeometry,
    ) -> Result<(Self, Pool), Error> {
        fits_page(geometry)?;
        if !base.as_ptr().addr().is_multiple_of(page_size()) {
            return Err(InvalidGeometry::UmemNotAtPage.into());
        }
        // SAFETY: the caller's promise.
        unsafe { Self::of(base, geometry, None, false) }
    }

    /// Makes the table of chunks.
    ///
    /// # Safety
    ///
    /// As for [`from_raw`](Self::from_raw); `pages` may be what `base` lies in.
    unsafe fn of(
        base: NonNull<u8>,
        geometry: UmemGeometry,
        pages: Option<Pages>,
        locked: bool,
    ) -> Result<(Self, Pool), Error> {
        let count = geometry.count();
        let layout = Table::<Memory>::layout(count);
        let table = Pages::new(layout.size(), PageKind::Small)?;
        let start = table.base();
        assert!(
            start.as_ptr().addr().is_multiple_of(layout.align()),
            "pages are aligned for words"
        );
        let memory = Memory {
            base,
            geometry,
            shift: geometry.chunk_size().trailing_zeros(),
            locked,
            rings: Rings::new(),
            pages,
            _table: table,
        };
        // SAFETY: the pages have the layout's size and alignment, hold zeros, and are unmapped by the owner's
        // drop (invariant 3).
        let table = unsafe { Table::new(start, count, memory) };
        // SAFETY: the table was just made; the geometry limits its count.
        let (chunks, list) = unsafe { Chunks::new(table) };
        Ok((Self(chunks), Pool::new(list)))
    }

    pub(super) fn chunks(&self) -> &Chunks<Memory> {
        &self.0
    }

    pub(super) fn from_chunks(chunks: Chunks<Memory>) -> Self {
        Self(chunks)
    }

    /// A pool without frames.
    #[must_use]
    pub fn empty_pool(&self) -> Pool {
        Pool::empty(self.0.clone())
    }

    /// The sizes.
    #[must_use]
    pub fn geometry(&self) -> UmemGeometry {
        self.0.owner().geometry
    }

    /// Whether the memory was locked, as asked for with [`Locking`].
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.0.owner().locked
    }

    /// How many bytes of the memory lie in huge pages now, 0 where it is the caller's. Reads `/proc/self/smaps`, in which
    /// the kernel may tell of neighbouring memory too: then it is at most so many.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: ENOENT where `/proc` is not mounted.
    #[doc(alias = "AnonHugePages")]
    pub fn huge_page_bytes(&self) -> Result<u64, Error> {
        let Some(pages) = &self.0.owner().pages else {
            return Ok(0);
        };
        pages
            .huge_bytes()
            .map_err(Error::system(Operation::ReadMappings))
    }

    /// Where all chunks are. Exact while no other thread moves any, else a snapshot of moments. Looks at
    /// every chunk.
    #[must_use]
    pub fn census(&self) -> Census {
        self.0.census()
    }

    /// How often the kernel handed back what a socket had not given it: addresses that name no chunk, or one
    /// that was not there. They were passed over.
    #[must_use]
    pub fn spurious(&self) -> u32 {
        self.0.spurious()
    }
}

/// Whether both are handles to one memory.
#[inline(always)]
pub(super) fn same(one: &Chunks<Memory>, two: &Chunks<Memory>) -> bool {
    core::ptr::eq(one.owner(), two.owner())
}

/// The kernel lets a chunk be no larger than a page.
fn fits_page(geometry: UmemGeometry) -> Result<(), Error> {
    if geometry.chunk_size() as usize > page_size() {
        return Err(InvalidGeometry::ChunkLargerThanPage.into());
    }
    Ok(())
}

/// What a table of chunks keeps alive: the memory of the chunks, and of the table.
#[derive(Debug)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    geometry: UmemGeometry,
    /// The logarithm of the chunk size, where that is a power of two.
    shift: u32,
    locked: bool,
    rings: Rings,
    pages: Option<Pages>,
    _table: Pages,
}

// SAFETY: an address and sizes; what is reached through them is owned chunk by chunk (invariant 2).
unsafe impl Send for Memory {}
// SAFETY: as for `Send`.
unsafe impl Sync for Memory {}

/// Where in which chunk an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u32,
    pub(super) offset: u16,
}

/// Where the offset lies in an address of unaligned chunks. `XSK_UNALIGNED_BUF_OFFSET_SHIFT`.
const OFFSET_SHIFT: u32 = linux_raw_sys::xdp::XSK_UNALIGNED_BUF_OFFSET_SHIFT;

impl Memory {
    #[inline(always)]
    pub(super) fn geometry(&self) -> UmemGeometry {
        self.geometry
    }

    /// How many rings the sockets of this memory have.
    pub(super) fn rings(&self) -> &Rings {
        &self.rings
    }

    /// What the kernel is told of the memory.
    pub(super) fn registration(&self) -> UmemRegistration {
        use linux_raw_sys::xdp::{
            XDP_UMEM_TX_METADATA_LEN, XDP_UMEM_TX_SW_CSUM, XDP_UMEM_UNALIGNED_CHUNK_FLAG,
        };
        let geometry = self.geometry;
        let tx_metadata_len = geometry.tx_metadata_bytes();
        let mut flags = 0;
        if geometry.is_unaligned() {
            flags |= XDP_UMEM_UNALIGNED_CHUNK_FLAG;
        }
        if tx_metadata_len != 0 {
            flags |= XDP_UMEM_TX_METADATA_LEN;
        }
        if geometry.has_software_checksums() {
            flags |= XDP_UMEM_TX_SW_CSUM;
        }
        UmemRegistration {
            addr: self.base.as_ptr().expose_provenance() as u64,
            len: geometry.bytes(),
            chunk_size: geometry.chunk_size(),
            headroom: geometry.headroom_bytes(),
            flags,
            tx_metadata_len,
        }
    }

    /// Where a chunk begins, as fill rings take it.
    #[inline(always)]
    pub(super) fn address(&self, number: u32) -> u64 {
        u64::from(number) * u64::from(self.geometry.chunk_size())
    }

    /// The address of a packet, as transmit rings take it.
    #[inline(always)]
    pub(super) fn packet_address(&self, number: u32, offset: u16) -> u64 {
        let (base, offset) = (self.address(number), u64::from(offset));
        if self.geometry.is_unaligned() {
            // In copy mode Linux 6.18 hands an address back without its lowest bit. That of an odd chunk would
            // name the chunk before it, so the bit goes to the offset.
            let odd = base & 1;
            (base - odd) | (offset + odd) << OFFSET_SHIFT
        } else {
            base + offset
        }
    }

    /// The place that an address names; `None` where it names none. What the kernel wrote is not trusted.
    #[inline(always)]
    pub(super) fn place(&self, address: u64) -> Option<Place> {
        let size = u64::from(self.geometry.chunk_size());
        let (number, offset) = if self.geometry.is_unaligned() {
            let base = address & ((1 << OFFSET_SHIFT) - 1);
            let address = base + (address >> OFFSET_SHIFT);
            (address / size, address % size)
        } else {
            (address >> self.shift, address & (size - 1))
        };
        if number >= u64::from(self.geometry.count()) {
            return None;
        }
        // A geometry has fewer than 2^30 chunks of fewer than 2^16 bytes.
        Some(Place {
            number: number as u32,
            offset: offset as u16,
        })
    }

    /// The memory at a place, to be prefetched.
    #[inline(always)]
    pub(super) fn prefetch(&self, address: u64) {
        if let Some(Place { number, offset }) = self.place(address) {
            let start = self.start(number).as_ptr().wrapping_add(offset.into());
            crate::sync::prefetch_at(start);
        }
    }

    /// Where a chunk begins.
    ///
    /// # Panics
    ///
    /// Where there is no such chunk.
    #[inline(always)]
    fn start(&self, number: u32) -> NonNull<u8> {
        assert!(number < self.geometry.count(), "a chunk of this UMEM");
        let start = number as usize * self.geometry.chunk_size() as usize;
        // SAFETY: inside the allocation (invariant 1).
        unsafe { self.base.add(start) }
    }

    /// Bytes of a chunk.
    ///
    /// # Safety
    ///
    /// The caller owns the chunk, and lends it to no writer as long as the result is used; the bytes lie
    /// within it.
    #[inline(always)]
    pub(super) unsafe fn bytes<'a>(&self, number: u32, offset: u16, len: u16) -> &'a [u8] {
        // SAFETY: inside the chunk (the caller's promise).
        let start = unsafe { self.start(number).add(offset.into()) };
        // SAFETY: valid and initialised (invariant 1), and owned by the caller: nobody writes them now.
        unsafe { core::slice::from_raw_parts(start.as_ptr(), len.into()) }
    }

    /// Bytes of a chunk, for writing.
    ///
    /// # Safety
    ///
    /// As for [`bytes`](Self::bytes), and the caller lends the chunk to nobody else meanwhile.
    #[inline(always)]
    pub(super) unsafe fn bytes_mut<'a>(&self, number: u32, offset: u16, len: u16) -> &'a mut [u8] {
        // SAFETY: inside the chunk (the caller's promise).
        let start = unsafe { self.start(number).add(offset.into()) };
        // SAFETY: valid and initialised (invariant 1), and owned by the caller alone.
        unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), len.into()) }
    }
}
