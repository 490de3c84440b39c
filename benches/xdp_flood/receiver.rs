//! A receiver that drains its ring whenever it is woken, and what it sees.

use core::time::Duration;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Gather, Queue, RingSize, Rx, RxRings, Socket, Umem, UmemGeometry};
use packet_ring::{Deadline, OnSignal, Wake};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::time::{ClockId, clock_gettime};

use super::Way;
use super::by_hand::{ByHand, CHUNK, End};

/// Slots of each ring.
const SLOTS: u32 = 4096;

/// Frames in the fill ring: not as many as it has slots, since the kernel gives a slot back after it has let the
/// packet be seen.
const STOCKED: u32 = SLOTS - 256;

const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(CHUNK as u32, 2 * SLOTS);

/// Packets of a batch.
const BATCH: u32 = 64;

/// Where a numbered frame has its number.
const NUMBER: usize = 22;

/// The number of the packet that ends a go.
pub(crate) const LAST: u64 = u64::MAX;

/// How long packets gather at the socket.
const GATHER_TIME: Duration = Duration::from_micros(65);

/// What was seen in a go.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) packets: u64,
    pub(crate) ended: bool,
    /// How old packets were, in nanoseconds; taken where there is room.
    pub(crate) ages: Vec<u64>,
}

pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

impl Seen {
    #[inline(always)]
    fn packet(&mut self, bytes: &[u8]) {
        let number = bytes[NUMBER..]
            .first_chunk()
            .map(|bytes| u64::from_be_bytes(*bytes));
        let number = number.expect("64 bytes");
        self.packets += 1;
        self.ended |= number == LAST;
        if self.ages.len() < self.ages.capacity() {
            self.ages.push(now().saturating_sub(number));
        }
    }
}

pub(crate) enum Receiver {
    ByHand(Box<ByHand>),
    Ours(Box<Socket<Bound<Rx>>>),
    Gather(Box<Socket<Bound<Rx>>>, Gather<OwnedFd>),
}

impl Receiver {
    pub(crate) fn new(way: Way, end: &End) -> Self {
        if matches!(way, Way::ByHand | Way::ByHandAgain) {
            return Self::ByHand(Box::new(end.by_hand(SLOTS, STOCKED)));
        }
        let (umem, mut pool) = Umem::new(GEOMETRY).expect("memory");
        let rings = Rx::new(RingSize::new_assert(SLOTS));
        let socket = Socket::configure(rings, &umem).expect("a socket");
        let mut socket = socket.map().expect("rings");
        let stocked = socket.rings().fill.stock(&mut pool, STOCKED);
        assert_eq!(stocked, Ok(STOCKED));
        let socket = socket.bind(Queue::new(end.interface, 0)).expect("bound");
        end.map.insert(0, &socket).expect("a bound socket");
        if way != Way::Gather {
            return Self::Ours(Box::new(socket));
        }
        let fd = rustix::io::dup(&socket).expect("a descriptor");
        Self::Gather(
            Box::new(socket),
            Gather::new(fd).expect("an epoll instance"),
        )
    }

    /// Receives until a go ends.
    pub(crate) fn receive(&mut self, seen: &mut Seen) {
        match self {
            Self::ByHand(by_hand) => {
                while !seen.ended {
                    if drain_by_hand(by_hand, seen) == 0 {
                        let mut fds = [PollFd::new(by_hand, PollFlags::IN)];
                        poll(&mut fds, None).expect("poll");
                    }
                }
            }
            Self::Ours(socket) => {
                let rings = socket.rings();
                while !seen.ended {
                    if drain(rings, seen) == 0 {
                        let woken = rings.rx.wait(Deadline::NEVER, OnSignal::Continue);
                        assert_eq!(woken, Ok(Wake::Ready));
                    }
                }
            }
            Self::Gather(socket, gather) => {
                let margin = Gather::measure_margin(GATHER_TIME).expect("a timer");
                gather.set_margin(margin);
                let rings = socket.rings();
                while !seen.ended {
                    if drain(rings, seen) > 0 {
                        gather.rest(GATHER_TIME).expect("a rest");
                    } else {
                        gather.listen().expect("listening");
                    }
                    let woken = gather.wait(Deadline::NEVER, OnSignal::Continue);
                    assert_eq!(woken, Ok(Wake::Ready));
                }
            }
        }
    }
}

/// Takes all that has come; returns how many packets.
fn drain_by_hand(by_hand: &mut ByHand, seen: &mut Seen) -> u64 {
    let before = seen.packets;
    loop {
        let filled = by_hand.rx.filled().min(BATCH);
        if filled == 0 {
            return seen.packets - before;
        }
        for _ in 0..filled {
            let descriptor = by_hand.rx.take();
            seen.packet(by_hand.bytes(descriptor.addr, descriptor.len as usize));
            by_hand.fill.put(descriptor.addr & !(CHUNK as u64 - 1));
        }
        by_hand.fill.publish();
        by_hand.rx.give_back();
    }
}

/// Takes all that has come; returns how many packets.
fn drain(rings: &mut RxRings, seen: &mut Seen) -> u64 {
    let before = seen.packets;
    loop {
        let at = seen.packets;
        let mut fill = rings.fill.batch(BATCH);
        for frame in rings.rx.batch(BATCH) {
            seen.packet(frame.bytes());
            fill.push(frame).expect("room for what came out");
        }
        if seen.packets == at {
            return at - before;
        }
    }
}
