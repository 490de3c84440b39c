//! The pages that a UMEM lies in: what was asked for, and what the kernel has given.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use core::ptr::{self, NonNull};

use packet_ring::xdp::{AttachMode, HugePages, Locking, RxTxRings, Socket, Umem, UmemGeometry};
use packet_ring::{Deadline, Error, InvalidGeometry, OnSignal, Operation, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Sees, Witness, frame, suite};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use rustix::param::page_size;
use xdp::rights::map;
use xdp_path::{PATIENCE, RINGS, SLOTS, Wired, reap};

/// 8 MiB.
const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(4096, 2048);

/// The mappings of this process for which huge pages were asked.
fn advised() -> Result<usize, std::io::Error> {
    let smaps = std::fs::read_to_string("/proc/self/smaps")?;
    let flags = smaps.lines().filter(|line| line.starts_with("VmFlags:"));
    Ok(flags
        .filter(|line| line.split_whitespace().any(|flag| flag == "hg"))
        .count())
}

fn huge_pages_are_asked_for_and_what_was_given_is_told() -> TestResult {
    let before = advised()?;
    let (small, _) = Umem::with_pages(GEOMETRY, HugePages::None, Locking::None)?;
    assert_eq!((small.huge_page_bytes()?, advised()?), (0, before));
    let (huge, _) = Umem::new(GEOMETRY)?;
    assert_eq!(advised()?, before + 1);
    // How many there are, the machine's memory decides; but they are whole.
    let given = huge.huge_page_bytes()?;
    println!("{given} of {} bytes in huge pages", GEOMETRY.bytes());
    assert!(
        given <= GEOMETRY.bytes() && given.is_multiple_of(2 << 20),
        "{given}"
    );
    let setting = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")?;
    assert!(given == 0 || !setting.contains("[never]"), "{given}");
    Ok(())
}

fn pages_that_nobody_set_aside_are_an_error() -> TestResult {
    let set_aside = std::fs::read_to_string("/proc/sys/vm/nr_hugepages")?;
    let made = Umem::with_pages(GEOMETRY, HugePages::Reserved1G, Locking::None);
    if set_aside.trim() == "0" {
        let operation = Operation::MapMemory {
            bytes: GEOMETRY.bytes(),
        };
        let refused = made.unwrap_err();
        assert_eq!(
            refused,
            Error::System {
                operation,
                errno: refused.errno().ok_or("no errno")?
            }
        );
        // EINVAL where the kernel has no pages of this size at all.
        assert!(matches!(refused.errno(), Some(Errno::NOMEM | Errno::INVAL)));
    }
    Ok(())
}

/// Memory of the caller's, which the library neither maps nor unmaps.
struct Own {
    base: NonNull<u8>,
    len: usize,
}

impl Own {
    fn new(len: usize) -> Result<Self, Stopped> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at a place of the kernel's choice.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), len, protection, MapFlags::PRIVATE) }?;
        let base = NonNull::new(base.cast()).ok_or("mapped at null")?;
        Ok(Self { base, len })
    }

    /// What lies there now.
    fn copy(&self, offset: usize, len: usize) -> Vec<u8> {
        assert!(offset + len <= self.len);
        let mut bytes = vec![0; len];
        // SAFETY: in the mapping; the test reads when nobody writes.
        let from = unsafe { self.base.add(offset) };
        // SAFETY: as above, and the bytes are ours.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), bytes.as_mut_ptr(), len) };
        bytes
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; every handle has gone before.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        unmapped.expect("our own mapping");
    }
}

fn packets_lie_in_the_callers_memory() -> TestResult {
    const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(2048, 64);
    let Some(map) = map()? else {
        return Ok(());
    };
    let own = Own::new(GEOMETRY.bytes() as usize)?;
    let wired = Wired::new(map, AttachMode::Native)?;
    let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
    // SAFETY: the memory outlives all that is made of it, and nobody else writes there.
    let (umem, mut pool) = unsafe { Umem::from_raw(own.base, GEOMETRY) }?;
    assert_eq!((umem.huge_page_bytes()?, umem.is_locked()), (0, false));
    let mut socket = Socket::configure(RINGS, &umem)?.map()?;
    socket.rings().fill.stock(&mut pool, SLOTS.get() / 2)?;
    let mut socket = socket.bind(wired.queue())?;
    wired.map.insert(0, &socket)?;
    let RxTxRings {
        rx, tx, completion, ..
    } = socket.rings();
    for number in 0..8 {
        let packet = frame::numbered(number, 60);
        wired.injector.send(&packet)?;
        let wake = rx.wait(Deadline::after(PATIENCE), OnSignal::Continue)?;
        assert_eq!(wake, Wake::Ready);
        let frame = rx.batch(1).next().ok_or("no frame")?;
        assert_eq!(frame.bytes(), packet);
        // The kernel's 256 bytes lie before it.
        let offset = frame.number() as usize * 2048 + 256;
        assert_eq!(own.copy(offset, 60), packet);
        tx.batch(1).push(frame)?;
        assert_eq!(tx.flush()?, 0);
        let seen = witness.receive(PATIENCE)?.ok_or("it was not sent")?;
        assert_eq!(seen.bytes, packet);
        reap(completion, &mut pool, 1)?;
    }
    assert_eq!(umem.spurious(), 0);
    socket.close()?.reclaim(Deadline::after(PATIENCE))?;
    drop((umem, pool));
    // It is still the caller's.
    own.copy(0, own.len);
    Ok(())
}

fn chunks_that_no_page_holds_are_refused() -> TestResult {
    let geometry = UmemGeometry::new(page_size() as u32 * 2, 4)?;
    let own = Own::new(geometry.bytes() as usize + page_size())?;
    let larger = Error::Geometry(InvalidGeometry::ChunkLargerThanPage);
    assert_eq!(Umem::new(geometry).err(), Some(larger));
    // SAFETY: nothing is made of the memory.
    let refused = unsafe { Umem::from_raw(own.base, geometry) };
    assert_eq!(refused.err(), Some(larger));
    let unaligned = UmemGeometry::unaligned(page_size() as u32 + 1, 4)?;
    assert_eq!(Umem::new(unaligned).err(), Some(larger));
    Ok(())
}

fn memory_that_begins_within_a_page_is_refused() -> TestResult {
    let geometry = UmemGeometry::new(2048, 4)?;
    let own = Own::new(geometry.bytes() as usize + page_size())?;
    for offset in [1, 8, 2048, page_size() - 1] {
        // SAFETY: in the mapping.
        let base = unsafe { own.base.add(offset) };
        // SAFETY: nothing is made of the memory.
        let refused = unsafe { Umem::from_raw(base, geometry) };
        let why = Error::Geometry(InvalidGeometry::UmemNotAtPage);
        assert_eq!(refused.err(), Some(why), "{offset}");
    }
    Ok(())
}

fn sizes_are_refused_at_their_edges_with_the_reason() -> TestResult {
    use InvalidGeometry::{
        ChunkSizeNotPowerOfTwo, ChunkSizeOutOfRange, HeadroomTooLarge, NoChunks, TooManyChunks,
    };
    let most = (1 << 30) - 1;
    for (chunk, count, why) in [
        (2048, 0, Some(NoChunks)),
        (2048, 1, None),
        (2048, most, None),
        (2048, most + 1, Some(TooManyChunks)),
        (1024, 4, Some(ChunkSizeOutOfRange)),
        (2047, 4, Some(ChunkSizeOutOfRange)),
        (2049, 4, Some(ChunkSizeNotPowerOfTwo)),
        (1 << 15, 4, None),
        (1 << 16, 4, Some(ChunkSizeOutOfRange)),
    ] {
        assert_eq!(UmemGeometry::new(chunk, count).err(), why, "{chunk}");
        // Of any size, where they need not be aligned.
        let why = why.filter(|&why| why != ChunkSizeNotPowerOfTwo);
        assert_eq!(UmemGeometry::unaligned(chunk, count).err(), why, "{chunk}");
    }
    let geometry = UmemGeometry::new(2048, 4)?;
    let largest = geometry.headroom(2048 - 256 - 1)?;
    assert_eq!(largest.receive_capacity(), 1);
    for bytes in [2048 - 256, 2048, u32::MAX] {
        assert_eq!(geometry.headroom(bytes), Err(HeadroomTooLarge), "{bytes}");
    }
    // The smallest and the largest chunks are the kernel's too.
    let page = page_size() as u32;
    for geometry in [
        geometry,
        UmemGeometry::new(page, 4)?,
        UmemGeometry::unaligned(2048, 4)?,
        UmemGeometry::unaligned(page - 1, 4)?,
    ] {
        let (umem, _pool) = Umem::new(geometry)?;
        Socket::configure(RINGS, &umem)?.map()?;
    }
    Ok(())
}

suite![
    sizes_are_refused_at_their_edges_with_the_reason,
    packets_lie_in_the_callers_memory,
    chunks_that_no_page_holds_are_refused,
    memory_that_begins_within_a_page_is_refused,
    pages_that_nobody_set_aside_are_an_error;
    alone: huge_pages_are_asked_for_and_what_was_given_is_told,
];
