//! What the tests of transmit share: a cable, a ring at its near end, and who watches the far one.

#![allow(dead_code, reason = "each test file uses its own part")]

use core::time::Duration;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Completion, FrameGeometry, Interface, Socket, Transmitter, Tx};
use packet_ring::{Deadline, Error, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Link, Sees, TokenBucket, VethOptions, VethPair, Witness, frame};

/// A transmit ring at an interface.
pub(crate) type Transmitting = Socket<Bound<Tx>>;

/// How long nothing comes after the last frame.
pub(crate) const QUIET: Duration = Duration::from_millis(100);

/// When a test stops hoping: far beyond what a loaded machine takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an Ethernet header.
pub(crate) const HEADER: usize = 14;

/// The longest frame at the MTU of 1500.
pub(crate) const LONGEST: usize = 1500 + HEADER;

/// Lets one frame of [`LONGEST`] bytes go and keeps all others, for as long as anybody lives.
pub(crate) const STUCK: TokenBucket = TokenBucket {
    rate: 1,
    burst: LONGEST as u32,
    limit: 1 << 30,
};

/// Eight frames of 2,048 bytes.
pub(crate) const EIGHT: FrameGeometry = FrameGeometry::new_assert(2048, 4096, 4);

/// A cable and a witness at its far end.
pub(crate) struct Wire {
    pub(crate) pair: VethPair,
    pub(crate) witness: Witness,
}

impl Wire {
    pub(crate) fn new() -> Result<Self, Stopped> {
        Self::with(&VethOptions::default())
    }

    pub(crate) fn with(options: &VethOptions<'_>) -> Result<Self, Stopped> {
        let pair = VethPair::create(options)?;
        let witness = Witness::on(&pair.far, Sees::Incoming)?;
        Ok(Self { pair, witness })
    }

    /// A transmit ring at the near end.
    pub(crate) fn transmit(&self, rings: Tx) -> Result<Transmitting, Stopped> {
        transmitting(rings, &self.pair.near)
    }

    /// The same with all eight frames handed over, into a queue where one leaves, one waits, and no third
    /// fits.
    pub(crate) fn transmit_into_a_full_queue(&self) -> Result<Transmitting, Stopped> {
        self.pair.near.set_token_bucket(&TokenBucket {
            limit: 2 * LONGEST as u32 - 1,
            ..STUCK
        })?;
        let mut socket = self.transmit(Tx::new(EIGHT))?;
        for sent in 0..8 {
            number(&mut socket.transmitter(), sent, LONGEST)?;
        }
        Ok(socket)
    }

    /// Asserts that these frames arrive, in this order and no others, and that the interface has sent as
    /// many in all.
    pub(crate) fn assert_arrive(&self, frames: &[Vec<u8>]) -> TestResult {
        for (place, expected) in frames.iter().enumerate() {
            let seen = self.witness.receive(PATIENCE)?;
            let seen = seen.ok_or_else(|| format!("frame {place} of {} came not", frames.len()))?;
            assert!(seen.bytes == *expected, "frame {place} is another");
        }
        assert_eq!(self.witness.receive(QUIET)?, None);
        Ok(())
    }
}

/// The interface of a link.
pub(crate) fn interface(link: &Link) -> Result<Interface, Stopped> {
    Ok(Interface::by_index(link.index()?).ok_or("an interface has an index")?)
}

/// A socket with a transmit ring at this link.
pub(crate) fn transmitting(rings: Tx, link: &Link) -> Result<Transmitting, Stopped> {
    Ok(Socket::configure(rings)?.map()?.bind(interface(link)?)?)
}

/// Fills a frame with these bytes and hands it over.
pub(crate) fn put(transmitter: &mut Transmitter<'_>, bytes: &[u8]) -> Result<u64, Error> {
    let mut frame = transmitter.reserve().expect("a frame is free");
    frame.data_mut()[..bytes.len()].copy_from_slice(bytes);
    frame.send(bytes.len())
}

/// Hands a frame of `len` bytes with this number over.
pub(crate) fn number(
    transmitter: &mut Transmitter<'_>,
    number: u64,
    len: usize,
) -> Result<u64, Error> {
    put(transmitter, &frame::numbered(number, len))
}

/// The next frame that comes back, waited for.
pub(crate) fn completion(transmitter: &mut Transmitter<'_>) -> Result<Completion, Stopped> {
    let end = Deadline::after(PATIENCE);
    while !end.has_passed() {
        if let Some(completion) = transmitter.next_completion() {
            return Ok(completion);
        }
        std::thread::yield_now();
    }
    Err("no frame came back".into())
}

/// Waits until every frame came back.
pub(crate) fn drain(transmitter: &mut Transmitter<'_>) -> TestResult {
    let drained = transmitter.drain(Deadline::after(PATIENCE), OnSignal::Continue)?;
    assert_eq!(drained, Wake::Ready);
    Ok(())
}
