//! What the tests of the data path share: a cable, and a ring at one of its ends.

#![allow(dead_code, reason = "each test file uses its own part")]

use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::handoff::{Handle, Slots};
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Block, Blocks, Geometry, Interface, Receiver, Rx, Socket, Statistics};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, Link, VethOptions, VethPair, frame};

/// A receive ring that packets arrive in.
pub(crate) type Receiving = Socket<Bound<Rx>>;

/// When a test stops hoping: far beyond what a loaded machine takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A retire timeout that no test lives to see: a block ends when it is full.
pub(crate) const NEVER: Duration = Duration::from_secs(60);

/// Size of a block's header in bytes, as `if_packet.h` has it.
pub(crate) const BLOCK_HEADER: u32 = 48;

/// Where an Ethernet header lies in its record, in bytes.
pub(crate) const MAC: u32 = 82;

/// Size of a packet's record in bytes, this many bytes of it captured.
pub(crate) const fn record(captured: u32) -> u32 {
    (MAC + captured).next_multiple_of(8)
}

/// Length of the frames that [`FULL`] counts, in bytes.
pub(crate) const FRAME: usize = 60;

/// How many frames of [`FRAME`] bytes fit into a block of [`SMALL`].
pub(crate) const FULL: u64 = ((4096 - BLOCK_HEADER - 1) / record(FRAME as u32)) as u64;

/// Four blocks of 4 KiB that end when they are full.
pub(crate) const SMALL: Geometry =
    Geometry::expect(Geometry::new_assert(4096, 4).retire_timeout(NEVER));

/// Four blocks of 4 KiB that end soon after their first packet.
pub(crate) const PROMPT: Geometry =
    Geometry::expect(Geometry::new_assert(4096, 4).retire_timeout(Duration::from_millis(5)));

/// A cable, an injector at its near end, and a ring at its far end.
pub(crate) struct Bench {
    pub(crate) pair: VethPair,
    pub(crate) injector: Injector,
    pub(crate) socket: Receiving,
}

impl Bench {
    /// With a ring of these sizes.
    pub(crate) fn new(geometry: Geometry) -> Result<Self, Stopped> {
        Self::with(Rx::new(geometry), &VethOptions::default())
    }

    /// With this ring and this cable.
    pub(crate) fn with(rings: Rx, options: &VethOptions<'_>) -> Result<Self, Stopped> {
        let pair = VethPair::create(options)?;
        Ok(Self {
            injector: Injector::on(&pair.near)?,
            socket: receive_on(&pair.far, rings)?,
            pair,
        })
    }

    /// Sends frames of [`FRAME`] bytes with these numbers.
    pub(crate) fn flood(&self, numbers: core::ops::Range<u64>) {
        let template = packet_ring_lab::frame::numbered(0, FRAME);
        let count = numbers.end - numbers.start;
        assert_eq!(self.injector.flood(&template, numbers), count);
    }

    /// Sends one frame with this number.
    pub(crate) fn send(&self, number: u64) {
        self.flood(number..number + 1);
    }
}

/// The interface of a link.
pub(crate) fn interface(link: &Link) -> Result<Interface, Stopped> {
    Ok(Interface::by_index(link.index()?).ok_or("an interface has an index")?)
}

/// A socket that receives on this link, which is in the calling thread's namespace.
pub(crate) fn receive_on(link: &Link, rings: Rx) -> Result<Receiving, Stopped> {
    Ok(Socket::configure(rings)?.map()?.bind(interface(link)?)?)
}

/// The next block of a socket, waited for.
pub(crate) fn next<G>(socket: &mut Socket<Bound<Rx, G>>) -> Result<Block<&Slots>, Stopped> {
    take(&mut socket.receiver())
}

/// The next block of a receiver, waited for.
pub(crate) fn take<'r, G>(
    receiver: &mut Receiver<'r, Blocks, G>,
) -> Result<Block<&'r Slots>, Stopped> {
    match receiver.wait(Deadline::after(PATIENCE), OnSignal::Continue)? {
        Wake::Ready => Ok(receiver.next_block().ok_or("a ready block was not there")?),
        other => Err(format!("no block came: {other:?}").into()),
    }
}

/// Whether the ring stays without a block for a while.
pub(crate) fn is_quiet<G>(receiver: &mut Receiver<'_, Blocks, G>) -> Result<bool, Stopped> {
    let end = Deadline::after(Duration::from_millis(50));
    Ok(
        receiver.wait(end, OnSignal::Continue)? == Wake::TimedOut
            && receiver.next_block().is_none(),
    )
}

/// Runs `f` over blocks as they come, until they held this many packets.
pub(crate) fn over_blocks<G>(
    socket: &mut Socket<Bound<Rx, G>>,
    packets: u64,
    mut f: impl FnMut(&mut Block<&Slots>) -> TestResult,
) -> TestResult {
    let mut seen = 0;
    while seen < packets {
        let mut block = next(socket)?;
        seen += u64::from(block.packet_count());
        f(&mut block)?;
    }
    assert_eq!(seen, packets, "more packets than were sent");
    Ok(())
}

/// The numbers that the packets of a block carry, in order.
pub(crate) fn numbers<H: Handle>(block: &Block<H>) -> Vec<u64> {
    block
        .packets()
        .map(|packet| packet_ring_lab::frame::number(packet.data()).expect("a numbered frame"))
        .collect()
}

/// Sends so many bursts, takes all of their packets in order and has `hear` sleep where there is no block.
///
/// The newest block stays held until its successor is taken: the hardest case for a reader. The ring must have room for
/// all of it, so that a slow one loses nothing.
pub(crate) fn sleeps_between_bursts(
    pair: &VethPair,
    receiver: &mut Receiver<'_>,
    bursts: u64,
    mut hear: impl FnMut() -> Result<bool, Stopped>,
) -> TestResult {
    const BURST: u64 = 30;
    let injector = Injector::on(&pair.near)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            for burst in 0..bursts {
                let first = burst * BURST;
                injector.flood(&frame::numbered(0, 60), first..first + BURST);
                // Uneven, so that blocks end at every point of the reader's turn.
                thread::sleep(Duration::from_micros(burst * 37 % 3000));
            }
        });
        let (mut next, mut held) = (0, None);
        while next < bursts * BURST {
            while let Some(block) = receiver.next_block() {
                for number in numbers(&block) {
                    assert_eq!(number, next);
                    next += 1;
                }
                held = Some(block);
            }
            if next < bursts * BURST {
                assert!(hear()?, "no wake-up after {next}");
            }
        }
        drop(held);
        Ok(())
    })
}

/// The counts of a socket once the kernel has shown it this many packets, kept or dropped.
pub(crate) fn settled(
    packets: u64,
    mut statistics: impl FnMut() -> Result<Statistics, packet_ring::Error>,
) -> Result<Statistics, Stopped> {
    let end = Instant::now() + PATIENCE;
    loop {
        let counts = statistics()?;
        if counts.packets >= packets || Instant::now() > end {
            assert_eq!(counts.packets, packets);
            return Ok(counts);
        }
        thread::sleep(Duration::from_millis(1));
    }
}
