//! What the tests of TPACKET_V2 share: a cable, and a ring of frames at one of its ends.

#![allow(dead_code, reason = "each test file uses its own part")]

use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::handoff::{Handle, Slots};
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{
    Frame, FrameGeometry, Frames, Interface, Receiver, RxV2, Socket, Statistics,
};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::Stopped;
use packet_ring_lab::{Injector, Link, VethOptions, VethPair, frame};

/// A ring of frames that packets arrive in.
pub(crate) type Receiving = Socket<Bound<RxV2>>;

/// When a test stops hoping: far beyond what a loaded machine takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Length of the numbered packets, in bytes.
pub(crate) const LEN: usize = 60;

/// Eight frames of 2 KiB.
pub(crate) const EIGHT: FrameGeometry = FrameGeometry::new_assert(2048, 4096, 4);

/// A cable, an injector at its near end, and a ring of frames at its far end.
pub(crate) struct Bench {
    pub(crate) pair: VethPair,
    pub(crate) injector: Injector,
    pub(crate) socket: Receiving,
}

impl Bench {
    /// With a ring of these sizes.
    pub(crate) fn new(geometry: FrameGeometry) -> Result<Self, Stopped> {
        Self::with(RxV2::new(geometry))
    }

    /// With this ring.
    pub(crate) fn with(rings: RxV2) -> Result<Self, Stopped> {
        let pair = VethPair::create(&VethOptions::default())?;
        Ok(Self {
            injector: Injector::on(&pair.near)?,
            socket: receive_on(&pair.far, rings)?,
            pair,
        })
    }

    /// Sends packets of [`LEN`] bytes with these numbers.
    pub(crate) fn flood(&self, numbers: core::ops::Range<u64>) {
        flood(&self.injector, numbers);
    }
}

/// Sends packets of [`LEN`] bytes with these numbers.
pub(crate) fn flood(injector: &Injector, numbers: core::ops::Range<u64>) {
    let count = numbers.end - numbers.start;
    assert_eq!(
        injector.flood(&frame::numbered(0, LEN), numbers),
        count,
        "the link went away"
    );
}

/// The interface of a link.
pub(crate) fn interface(link: &Link) -> Result<Interface, Stopped> {
    Ok(Interface::by_index(link.index()?).ok_or("an interface has an index")?)
}

/// A socket that receives on this link, which is in the calling thread's namespace.
pub(crate) fn receive_on(link: &Link, rings: RxV2) -> Result<Receiving, Stopped> {
    Ok(Socket::configure(rings)?.map()?.bind(interface(link)?)?)
}

/// The next frame, waited for.
pub(crate) fn take<'r>(receiver: &mut Receiver<'r, Frames>) -> Result<Frame<&'r Slots>, Stopped> {
    match receiver.wait(Deadline::after(PATIENCE), OnSignal::Continue)? {
        Wake::Ready => Ok(receiver.next_frame().ok_or("a ready frame was not there")?),
        other => Err(format!("no frame came: {other:?}").into()),
    }
}

/// The number that a frame's packet carries.
pub(crate) fn number<H: Handle>(frame: &Frame<H>) -> u64 {
    let data = frame.packet().data();
    frame::number(data).expect("a numbered packet")
}

/// The number of the next packet, waited for; its frame goes back at once.
pub(crate) fn next_number(receiver: &mut Receiver<'_, Frames>) -> Result<u64, Stopped> {
    Ok(number(&take(receiver)?))
}

/// Whether the ring stays without a frame for a while.
pub(crate) fn is_quiet(receiver: &mut Receiver<'_, Frames>) -> Result<bool, Stopped> {
    let end = Deadline::after(Duration::from_millis(50));
    Ok(
        receiver.wait(end, OnSignal::Continue)? == Wake::TimedOut
            && receiver.next_frame().is_none(),
    )
}

/// The counts of a receiver once the kernel has shown it this many packets, kept or dropped.
pub(crate) fn settled(
    packets: u64,
    receiver: &mut Receiver<'_, Frames>,
) -> Result<Statistics, Stopped> {
    let end = Instant::now() + PATIENCE;
    loop {
        let counts = receiver.statistics()?;
        if counts.packets >= packets || Instant::now() > end {
            assert_eq!(counts.packets, packets);
            return Ok(counts);
        }
        thread::sleep(Duration::from_millis(1));
    }
}
