//! Real blocks of a real kernel: read back from a copy by the oracle, and damaged under the socket.
//!
//! A second mapping of the ring shows the raw bytes of a block that the socket holds. With
//! `SAVE_BLOCKS=directory` in the environment the blocks are kept: they seed the fuzz target.
//!
//! # Safety
//!
//! The second mapping is read and written only while the program owns the block (it is out, or its
//! status word says so and nobody takes it), when neither the kernel nor the library touches it; and
//! never while the library lends its bytes, but for the status word, which is never lent.

mod model {
    pub(crate) mod compare;
    pub(crate) mod heap;
    pub(crate) mod oracle;
}

use core::ops::ControlFlow;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::path::Path;
use std::time::Instant;

use model::compare;
use packet_ring::packet::{Geometry, Interface, Rx, Socket};
use packet_ring::{Deadline, Error, OnSignal};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, LabError, VethOptions, VethPair, frame, suite};
use rustix::fd::AsFd;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

const BLOCK: usize = 4096;
const BLOCKS: usize = 4;
const PRIVATE_AREA: u32 = 40;
const RING: Geometry = Geometry::expect(
    Geometry::expect(Geometry::new(BLOCK as u32, BLOCKS as u32)).private_area(PRIVATE_AREA),
);

/// Offsets in a block: its status word, and the bytes that it says it uses.
const STATUS: usize = 8;
const LENGTH: usize = 20;

/// The ring of a socket, mapped once more.
struct SecondMapping(NonNull<u8>);

impl SecondMapping {
    fn of(socket: impl AsFd) -> Result<Self, rustix::io::Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let base = unsafe {
            mmap(
                core::ptr::null_mut(),
                BLOCK * BLOCKS,
                access,
                MapFlags::SHARED,
                socket,
                0,
            )
        }?;
        Ok(Self(NonNull::new(base.cast()).expect("an address")))
    }

    fn at(&self, block: usize, offset: usize) -> NonNull<u8> {
        assert!(block < BLOCKS && offset < BLOCK);
        // SAFETY: inside the mapping, as just checked.
        unsafe { self.0.add(block * BLOCK + offset) }
    }

    fn word(&self, block: usize, offset: usize) -> &AtomicU32 {
        // SAFETY: aligned, and valid as long as the mapping; the kernel's accesses are atomic.
        unsafe { AtomicU32::from_ptr(self.at(block, offset).as_ptr().cast()) }
    }

    /// The bytes of a block that the program owns.
    fn copy(&self, block: usize) -> Vec<u8> {
        let mut bytes = vec![0; BLOCK];
        // SAFETY: a whole block, which nobody writes now (see the head of this file).
        unsafe {
            self.at(block, 0)
                .as_ptr()
                .copy_to_nonoverlapping(bytes.as_mut_ptr(), BLOCK);
        }
        bytes
    }

    /// Waits until the kernel has handed over the block, without taking it.
    fn wait_for(&self, block: usize) {
        let end = Instant::now() + Duration::from_secs(5);
        while self.word(block, STATUS).load(Ordering::Acquire) & 1 == 0 {
            assert!(Instant::now() < end, "no block came");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for SecondMapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `of`, unmapped once.
        let _ = unsafe { munmap(self.0.as_ptr().cast(), BLOCK * BLOCKS) };
    }
}

type BoundSocket = Socket<packet_ring::lifecycle::Bound<Rx>>;

fn socket_on(pair: &VethPair) -> Result<(BoundSocket, SecondMapping), Box<dyn core::error::Error>> {
    let far = Interface::by_index(pair.far.index()?).ok_or("no index")?;
    let socket = Socket::configure(Rx::new(RING))?.map()?.bind(far)?;
    let second = SecondMapping::of(&socket)?;
    Ok((socket, second))
}

/// Sends packets of many lengths: more than two blocks of them.
fn traffic(pair: &VethPair) -> Result<(), LabError> {
    let injector = Injector::on(&pair.near)?;
    for (number, len) in [
        60, 64, 65, 61, 1514, 900, 300, 100, 1514, 200, 60, 1000, 70, 1514,
    ]
    .iter()
    .enumerate()
    {
        injector.send(&frame::numbered(number as u64, *len))?;
    }
    injector.send(&frame::numbered_vlan(7, 20, 80))
}

fn a_copy_of_a_real_block_reads_as_the_oracle_reads_it() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (mut socket, second) = socket_on(&pair)?;
    traffic(&pair)?;
    let mut receiver = socket.receiver();
    let mut numbers = Vec::new();
    let mut blocks = Vec::new();
    let end = Deadline::after(Duration::from_secs(5));
    while numbers.len() < 15 {
        if let Some(block) = receiver.next_block() {
            numbers.extend(block.packets().map(|packet| frame::number(packet.data())));
            blocks.push(block);
        } else if receiver.wait(end, OnSignal::Continue)? == packet_ring::Wake::TimedOut {
            return Err("the packets did not come".into());
        }
    }
    let expected: Vec<_> = (0..14).chain([20]).map(Some).collect();
    assert_eq!(numbers, expected);
    assert!(blocks.len() > 1);

    let mut ring = Vec::new();
    for (index, _held) in blocks.iter().enumerate() {
        let mut copy = second.copy(index);
        // In the ring the block is marked as out; in the copy it is to be taken.
        let status =
            second.word(index, STATUS).load(Ordering::Relaxed) & !packet_ring::handoff::HELD;
        copy[STATUS..STATUS + 4].copy_from_slice(&status.to_ne_bytes());
        save(&format!("block-{index}"), &copy)?;
        ring.extend(copy);
    }
    save("ring", &ring)?;
    compare::writing(&RING, PRIVATE_AREA, &ring);
    let outcome = compare::ring(&RING, PRIVATE_AREA, &ring);
    assert_eq!(
        (outcome.opened, outcome.packets, outcome.corrupt),
        (blocks.len(), 15, false)
    );
    Ok(())
}

/// Keeps the blocks as an input of the fuzz target `walk`, where that is asked for.
fn save(name: &str, blocks: &[u8]) -> std::io::Result<()> {
    let Ok(directory) = std::env::var("SAVE_BLOCKS") else {
        return Ok(());
    };
    let [low, high] = (PRIVATE_AREA as u16).to_le_bytes();
    let mut input = vec![low, high];
    input.extend(blocks);
    std::fs::write(Path::new(&directory).join(name), input)
}

/// Of a corrupt ring nothing more is handed out: whoever waits must hear of it, and not be told that
/// the next block is ready.
fn a_corrupt_block_is_told_at_once_though_more_are_ready() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (mut socket, second) = socket_on(&pair)?;
    traffic(&pair)?;
    second.wait_for(1);
    second.word(0, LENGTH).store(0xffff_fff0, Ordering::Relaxed);
    assert!(socket.next_block().is_none());
    // Before `for_each`, which would go on for ever if `wait` said that a block is ready.
    assert_eq!(
        socket.wait(Deadline::NEVER, OnSignal::Continue),
        Err(Error::Corrupt)
    );
    let end = Deadline::after(Duration::from_secs(2));
    let ended = socket.for_each(end, OnSignal::Continue, |_| {
        panic!("a packet of a corrupt ring")
    });
    assert_eq!(ended, Err(Error::Corrupt));
    assert!(!end.has_passed());
    assert_eq!(socket.take_error(), Err(Error::Corrupt));
    assert_eq!(
        second.word(0, STATUS).load(Ordering::Relaxed),
        0,
        "the bad block went back"
    );
    assert_eq!(
        second.word(1, STATUS).load(Ordering::Relaxed) & 1,
        1,
        "the next one stayed"
    );
    Ok(())
}

fn a_corrupt_record_ends_the_walk_and_the_ring() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (mut socket, second) = socket_on(&pair)?;
    traffic(&pair)?;
    second.wait_for(1);
    let first = 48 + PRIVATE_AREA as usize;
    // The first record's distance to the next: four bytes short of a place where one can begin.
    second.word(0, first).fetch_sub(4, Ordering::Relaxed);
    let mut seen = 0;
    let ended = socket.for_each(
        Deadline::after(Duration::from_secs(2)),
        OnSignal::Continue,
        |_| {
            seen += 1;
            ControlFlow::Continue(())
        },
    );
    assert_eq!(ended, Err(Error::Corrupt));
    assert_eq!(seen, 0);
    assert_eq!(socket.take_error(), Err(Error::Corrupt));
    Ok(())
}

suite![
    a_copy_of_a_real_block_reads_as_the_oracle_reads_it,
    a_corrupt_block_is_told_at_once_though_more_are_ready,
    a_corrupt_record_ends_the_walk_and_the_ring,
];
