//! Real frames of a real kernel: read back from a copy by the oracle, and damaged under the socket.
//!
//! A second mapping of the ring shows the raw bytes of a frame that the socket holds. With
//! `SAVE_BLOCKS=directory` in the environment the ring is kept: it seeds the fuzz target.
//!
//! # Safety
//!
//! The second mapping is read and written only while the program owns the frame (it is out, or its
//! status word says so and nobody takes it), when neither the kernel nor the library touches it; and
//! never while the library lends its bytes, but for the status word, which is never lent.

mod frame_path;
mod model {
    #[allow(dead_code, reason = "its walk is for blocks")]
    pub(crate) mod compare;
    pub(crate) mod frames;
    #[allow(dead_code, reason = "its rings are of blocks, too")]
    pub(crate) mod heap;
    #[allow(dead_code, reason = "its reading is of blocks")]
    pub(crate) mod oracle;
}

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::path::Path;
use std::time::Instant;

use model::frames::{self, Outcome};
use packet_ring::handoff::HELD;
use packet_ring::packet::FrameGeometry;
use packet_ring::{Deadline, Error, OnSignal};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{frame, suite};
use rustix::fd::AsFd;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use frame_path::{Bench, PATIENCE, number, settled, take};

/// Frames that leave a gap in each block, two a block.
const RING: FrameGeometry = FrameGeometry::new_assert(FRAME as u32, BLOCK as u32, 4);
const FRAME: usize = 1936;
const BLOCK: usize = 4096;
const LEN: usize = 4 * BLOCK;

/// Offsets in a frame.
const STATUS: usize = 0;
const CAPTURED: usize = 8;

/// The ring of a socket, mapped once more.
struct SecondMapping(NonNull<u8>);

impl SecondMapping {
    fn of(socket: impl AsFd) -> Result<Self, rustix::io::Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let base = unsafe {
            mmap(
                core::ptr::null_mut(),
                LEN,
                access,
                MapFlags::SHARED,
                socket,
                0,
            )
        }?;
        Ok(Self(NonNull::new(base.cast()).expect("an address")))
    }

    fn word(&self, frame: usize, offset: usize) -> &AtomicU32 {
        let at = frame / 2 * BLOCK + frame % 2 * FRAME + offset;
        assert!(at + 4 <= LEN);
        // SAFETY: inside the mapping, as just checked.
        let word = unsafe { self.0.add(at) };
        // SAFETY: aligned, and valid as long as the mapping; the kernel's accesses are atomic.
        unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) }
    }

    /// Waits until the kernel has handed over the frame, without taking it.
    fn wait_for(&self, frame: usize) {
        let end = Instant::now() + PATIENCE;
        while self.word(frame, STATUS).load(Ordering::Acquire) & 1 == 0 {
            assert!(Instant::now() < end, "no frame came");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The bytes of the whole ring, all of whose frames the program owns.
    fn copy(&self) -> Vec<u8> {
        let mut bytes = vec![0; LEN];
        // SAFETY: the whole mapping, which nobody writes now (see the head of this file).
        unsafe {
            self.0
                .as_ptr()
                .copy_to_nonoverlapping(bytes.as_mut_ptr(), LEN);
        }
        bytes
    }
}

impl Drop for SecondMapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `of`, unmapped once.
        let _ = unsafe { munmap(self.0.as_ptr().cast(), LEN) };
    }
}

fn a_copy_of_real_frames_reads_as_the_oracle_reads_it() -> TestResult {
    let mut bench = Bench::new(RING)?;
    let second = SecondMapping::of(&bench.socket)?;
    for (number, len) in [60, 64, 1514, 65, 900, 61, 300].iter().enumerate() {
        bench.injector.send(&frame::numbered(number as u64, *len))?;
    }
    bench.injector.send(&frame::numbered_vlan(5, 7, 100))?;
    let mut receiver = bench.socket.receiver();
    let mut held = Vec::new();
    for expected in 0..8 {
        let taken = take(&mut receiver)?;
        // The tag of the last one is in its header.
        assert_eq!(number(&taken), expected);
        held.push(taken);
    }
    let mut copy = second.copy();
    for index in 0..8 {
        // In the ring the frame is marked as out; in the copy it is to be taken.
        let status = second.word(index, STATUS).load(Ordering::Relaxed);
        assert_eq!(status & HELD, HELD);
        let at = index / 2 * BLOCK + index % 2 * FRAME;
        copy[at..at + 4].copy_from_slice(&(status & !HELD).to_ne_bytes());
    }
    if let Ok(directory) = std::env::var("SAVE_BLOCKS") {
        // As the fuzz target `frames` wants it.
        let size = ((FRAME - 80) / 16) as u8;
        std::fs::write(
            Path::new(&directory).join("ring"),
            [&[size][..], &copy].concat(),
        )?;
    }
    let all = Outcome {
        opened: 8,
        corrupt: false,
    };
    assert_eq!(frames::ring(&RING, &copy), all);
    Ok(())
}

/// Of a corrupt ring nothing more is handed out: whoever waits must hear of it, and not be told that
/// the next frame is ready, nor spin because none is.
fn a_corrupt_frame_is_told_at_once(frames: u64) -> TestResult {
    let mut bench = Bench::new(RING)?;
    let second = SecondMapping::of(&bench.socket)?;
    bench.flood(0..frames);
    settled(frames, &mut bench.socket.receiver())?;
    second.wait_for(1);
    assert_eq!(number(&take(&mut bench.socket.receiver())?), 0);
    second
        .word(1, CAPTURED)
        .store(FRAME as u32, Ordering::Relaxed);
    let socket = &mut bench.socket;
    assert!(socket.next_frame().is_none());
    let at_once = socket.wait(Deadline::NEVER, OnSignal::Continue);
    assert_eq!(at_once, Err(Error::Corrupt));
    let spun = socket.spin_then_wait(Duration::MAX, Deadline::NEVER, OnSignal::Continue);
    assert_eq!(spun, Err(Error::Corrupt));
    let ended = socket.for_each(Deadline::NEVER, OnSignal::Continue, |_| {
        panic!("a packet of a corrupt ring")
    });
    assert_eq!(ended, Err(Error::Corrupt));
    assert_eq!(socket.take_error(), Err(Error::Corrupt));
    let status = |frame| second.word(frame, STATUS).load(Ordering::Relaxed);
    assert_eq!(status(1), 0, "the bad frame went back");
    assert_eq!(status(2) & 1, u32::from(frames > 2), "the next one stayed");
    Ok(())
}

fn a_corrupt_frame_is_told_at_once_though_more_are_ready() -> TestResult {
    a_corrupt_frame_is_told_at_once(5)
}

fn a_corrupt_frame_is_told_at_once_where_no_other_is_ready() -> TestResult {
    a_corrupt_frame_is_told_at_once(2)
}

suite![
    a_copy_of_real_frames_reads_as_the_oracle_reads_it,
    a_corrupt_frame_is_told_at_once_though_more_are_ready,
    a_corrupt_frame_is_told_at_once_where_no_other_is_ready,
];
