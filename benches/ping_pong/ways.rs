//! The ways of waiting for a packet and of taking it.

use core::time::Duration;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{FrameGeometry, Geometry, Interface, Rx, RxV2, Socket};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::{Link, frame};
use rustix::fd::{AsFd, BorrowedFd};

use crate::raw::RawRing;

/// Long enough for any answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long those spin that sleep afterwards.
pub(crate) const SPIN: Duration = Duration::from_micros(50);

const FRAMES: FrameGeometry = FrameGeometry::new_assert(2048, 1 << 16, 2);

/// The last byte of the number that a frame carries.
pub(crate) const NUMBER: usize = 29;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Raw,
    RawAgain,
    Spinning,
    SpinningThenWaiting,
    Waiting,
    Blocks,
}

pub(crate) const WAYS: [Way; 6] = [
    Way::Raw,
    Way::RawAgain,
    Way::Spinning,
    Way::SpinningThenWaiting,
    Way::Waiting,
    Way::Blocks,
];

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "V2 by hand, spinning",
            Self::RawAgain => "the same again",
            Self::Spinning => "V2, next_frame again and again",
            Self::SpinningThenWaiting => "V2, spin_then_wait(50 us)",
            Self::Waiting => "V2, wait",
            Self::Blocks => "V3, wait, retired after 1 ms",
        }
    }

    /// How many round trips are worth a median, in a time that one has.
    pub(crate) fn trips(self) -> usize {
        match self {
            Self::Blocks => 30,
            Self::Waiting => 500,
            _ => 2000,
        }
    }

    /// A socket at this end of the cable that receives what the other end sends.
    pub(crate) fn open(self, link: &Link) -> Side {
        let interface = Interface::by_index(link.index().expect("the link is there"));
        let interface = interface.expect("an interface has an index");
        // Of one protocol: of that only what arrives is received.
        if self == Self::Blocks {
            let ring = Geometry::new_assert(4096, 64).retire_timeout(Duration::from_millis(1));
            let rings = Rx::new(Geometry::expect(ring)).protocol(frame::ETHERTYPE);
            let socket = Socket::configure(rings).expect("CAP_NET_RAW");
            let socket = socket.map().expect("memory for a small ring");
            return Side::Blocks(socket.bind(interface).expect("the link is there"));
        }
        let rings = RxV2::new(FRAMES).protocol(frame::ETHERTYPE);
        let socket = Socket::configure(rings).expect("CAP_NET_RAW");
        let socket = socket.map().expect("memory for a small ring");
        let socket = socket.bind(interface).expect("the link is there");
        match self {
            Self::Raw | Self::RawAgain => Side::Raw(RawRing::over(socket, &FRAMES)),
            Self::Spinning => Side::Frames(socket, None),
            Self::SpinningThenWaiting => Side::Frames(socket, Some(SPIN)),
            Self::Waiting | Self::Blocks => Side::Frames(socket, Some(Duration::ZERO)),
        }
    }
}

/// One end of the cable.
pub(crate) enum Side {
    Raw(RawRing),
    /// And how long to spin before sleeping; without an end where there is nothing.
    Frames(Socket<Bound<RxV2>>, Option<Duration>),
    Blocks(Socket<Bound<Rx>>),
}

impl Side {
    /// Receives `count` packets one after the other, and lets `answer` have each one's number.
    pub(crate) fn receive(&mut self, count: usize, mut answer: impl FnMut(BorrowedFd<'_>, u8)) {
        let deadline = || Deadline::after(PATIENCE);
        match self {
            Self::Raw(ring) => {
                for _ in 0..count {
                    let number = ring.receive(NUMBER);
                    answer(ring.as_fd(), number);
                }
            }
            Self::Frames(socket, spin) => {
                let spin = *spin;
                let mut receiver = socket.receiver();
                for _ in 0..count {
                    let frame = loop {
                        if let Some(frame) = receiver.next_frame() {
                            break frame;
                        }
                        let Some(spin) = spin else {
                            core::hint::spin_loop();
                            continue;
                        };
                        let woken = receiver.spin_then_wait(spin, deadline(), OnSignal::Continue);
                        assert_eq!(woken, Ok(Wake::Ready), "no answer");
                    };
                    let number = frame.packet().data()[NUMBER];
                    drop(frame);
                    answer(receiver.fd(), number);
                }
            }
            Self::Blocks(socket) => {
                let mut receiver = socket.receiver();
                let mut seen = 0;
                while seen < count {
                    let Some(block) = receiver.next_block() else {
                        let woken = receiver.wait(deadline(), OnSignal::Continue);
                        assert_eq!(woken, Ok(Wake::Ready), "no answer");
                        continue;
                    };
                    let number = block.packets().next().map(|packet| packet.data()[NUMBER]);
                    drop(block);
                    if let Some(number) = number {
                        seen += 1;
                        answer(receiver.fd(), number);
                    }
                }
            }
        }
    }
}

impl AsFd for Side {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Raw(ring) => ring.as_fd(),
            Self::Frames(socket, _) => socket.as_fd(),
            Self::Blocks(socket) => socket.as_fd(),
        }
    }
}
