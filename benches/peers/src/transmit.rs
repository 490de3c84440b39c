//! Sending through a socket.
//!
//! Frames of 64 and of 1,500 bytes in batches of 64 over a veth pair with nobody at the far end; each sender
//! writes every frame anew. The loop by hand and xdpilone make one `sendto` after each batch, of which the kernel
//! sends 32 frames without being told otherwise; the flush of `packet-ring`, and that of netring, has all of them
//! sent. What was sent, the interface says.

use core::time::Duration;

use linux_raw_sys::xdp::xdp_desc;
use netring::XdpSocket;
use netring::afxdp::{XdpMode, XdpSocketBuilder};
use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Interface, Pool, Queue, RingSize, Socket, Tx, Umem, UmemGeometry};
use packet_ring_lab::procfs::thread_cpu_time;
use packet_ring_lab::{Link, VethOptions, VethPair, frame};
use xdpilone::RingTx;
use xdpilone::xdp::XdpDesc;

use crate::by_hand::{ByHand, CHUNK, stay_on};
use crate::with_xdpilone::{WithXdpilone, bytes};
use crate::{BATCH, NUMBER, WAYS, Way, compare};

/// Slots of each ring.
const SLOTS: u32 = 2048;

const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(CHUNK as u32, SLOTS);

/// Bytes of a frame.
const LENGTHS: [usize; 2] = [64, 1500];

/// Batches of a go.
const BATCHES: u32 = 100;

/// The loop by hand against itself, at most this far from 1.
const CONTROL_LIMIT: f64 = 0.03;

enum Sender {
    ByHand(Box<ByHand>),
    Ours(Box<Socket<Bound<Tx>>>, Pool),
    /// With the addresses of chunks that nobody uses.
    Xdpilone(Box<WithXdpilone<RingTx>>, Vec<u64>),
    Netring(Box<XdpSocket>),
}

impl Sender {
    fn new(way: Way, link: &Link) -> Self {
        let index = link.index().expect("the link is there");
        match way {
            Way::ByHand | Way::ByHandAgain => Self::ByHand(Box::new(ByHand::new(index, SLOTS, 0))),
            Way::Ours => {
                let interface = Interface::by_index(index).expect("an index");
                let (umem, pool) = Umem::new(GEOMETRY).expect("memory");
                let rings = Tx::new(RingSize::new_assert(SLOTS));
                let socket = Socket::configure(rings, &umem).expect("a socket");
                let socket = socket.map().expect("rings");
                let socket = socket.bind(Queue::new(interface, 0)).expect("bound");
                Self::Ours(Box::new(socket), pool)
            }
            Way::Xdpilone => {
                let sender = WithXdpilone::sender(link, SLOTS);
                let free = sender.chunks().collect();
                Self::Xdpilone(Box::new(sender), free)
            }
            Way::Netring => {
                // Its rings have a slot for each chunk.
                let socket = XdpSocketBuilder::default()
                    .interface(link.name())
                    .frame_size(CHUNK)
                    .frame_count(SLOTS as usize)
                    .mode(XdpMode::Tx)
                    .build();
                Self::Netring(Box::new(socket.expect("a socket")))
            }
        }
    }

    /// Sends a batch of frames with numbers from this one on.
    fn send(&mut self, template: &mut [u8], first: u64) {
        match self {
            Self::ByHand(by_hand) => send_by_hand(by_hand, template, first),
            Self::Ours(socket, pool) => send(socket, pool, template, first),
            Self::Xdpilone(sender, free) => send_with_xdpilone(sender, free, template, first),
            Self::Netring(socket) => send_with_netring(socket, template, first),
        }
    }

    /// Returns once every frame has left.
    fn finish(&mut self) {
        match self {
            Self::ByHand(by_hand) => {
                while by_hand.tx.outstanding() > 0 {
                    by_hand.kick();
                    by_hand.reap();
                }
            }
            Self::Ours(socket, pool) => {
                let rings = socket.rings();
                while rings.tx.flush().expect("the link is up") > 0 {
                    rings.completion.reap(pool, SLOTS).expect("its pool");
                }
            }
            Self::Xdpilone(sender, free) => {
                while sender.ring.pending() > 0 {
                    kick(sender);
                    reap(sender, free);
                }
            }
            Self::Netring(socket) => socket.flush().expect("the link is up"),
        }
    }
}

fn send_by_hand(by_hand: &mut ByHand, template: &[u8], first: u64) {
    by_hand.reap();
    while by_hand.free.len() < BATCH as usize || by_hand.tx.outstanding() > SLOTS - BATCH {
        by_hand.kick();
        by_hand.reap();
    }
    for number in first..first + u64::from(BATCH) {
        let address = by_hand.free.pop().expect("enough of them");
        write(by_hand.bytes(address, template.len()), template, number);
        by_hand.tx.put(xdp_desc {
            addr: address,
            len: template.len() as u32,
            options: 0,
        });
    }
    by_hand.tx.publish();
    by_hand.kick();
}

fn send(socket: &mut Socket<Bound<Tx>>, pool: &mut Pool, template: &[u8], first: u64) {
    let rings = socket.rings();
    rings.completion.reap(pool, SLOTS).expect("its pool");
    while pool.len() < BATCH || rings.tx.room() < BATCH {
        rings.tx.flush().expect("the link is up");
        rings.completion.reap(pool, SLOTS).expect("its pool");
    }
    let mut batch = rings.tx.batch(BATCH);
    for number in first..first + u64::from(BATCH) {
        let mut frame = pool.take().expect("enough of them");
        frame.write(template).expect("a chunk has room");
        frame.bytes_mut()[NUMBER..][..8].copy_from_slice(&number.to_be_bytes());
        batch.push(frame).expect("the ring has room");
    }
    drop(batch);
    rings.tx.flush().expect("the link is up");
}

fn send_with_xdpilone(
    sender: &mut WithXdpilone<RingTx>,
    free: &mut Vec<u64>,
    template: &[u8],
    first: u64,
) {
    reap(sender, free);
    // As many chunks as slots: where chunks are free, so are slots.
    while free.len() < BATCH as usize {
        kick(sender);
        reap(sender, free);
    }
    let mut numbers = first..first + u64::from(BATCH);
    while !numbers.is_empty() {
        // It may have less room at first than there is.
        let mut batch = sender.ring.transmit((numbers.end - numbers.start) as u32);
        for number in numbers.by_ref().take(batch.capacity() as usize) {
            let address = free.pop().expect("enough of them");
            let len = template.len();
            write(bytes(&mut sender.umem, address, len), template, number);
            assert!(batch.insert_once(XdpDesc {
                addr: address,
                len: len as u32,
                options: 0,
            }));
        }
        batch.commit();
    }
    kick(sender);
}

/// Has the kernel send. At most one system call.
fn kick(sender: &WithXdpilone<RingTx>) {
    if sender.ring.needs_wakeup() {
        sender.ring.wake();
    }
}

/// Takes the frames that were sent.
fn reap(sender: &mut WithXdpilone<RingTx>, free: &mut Vec<u64>) {
    let mut sent = sender.device.complete(SLOTS);
    free.extend(sent.by_ref());
    sent.release();
}

fn send_with_netring(socket: &mut XdpSocket, template: &mut [u8], first: u64) {
    for number in first..first + u64::from(BATCH) {
        template[NUMBER..][..8].copy_from_slice(&number.to_be_bytes());
        while !socket.send(template).expect("the link is up") {
            socket.flush().expect("the link is up");
        }
    }
    socket.flush().expect("the link is up");
}

#[inline(always)]
fn write(bytes: &mut [u8], template: &[u8], number: u64) {
    bytes.copy_from_slice(template);
    bytes[NUMBER..][..8].copy_from_slice(&number.to_be_bytes());
}

fn go(sender: &mut Sender, near: &Link, template: &mut [u8], way: Way) -> Duration {
    let counters = || near.counters().expect("the interface's counters");
    let before = counters();
    let start = thread_cpu_time();
    for batch in 0..BATCHES {
        sender.send(template, u64::from(batch * BATCH));
    }
    sender.finish();
    let taken = thread_cpu_time() - start;
    let sent = counters().since(&before).tx_packets;
    assert_eq!(sent, u64::from(BATCHES * BATCH), "{}", way.name());
    taken
}

/// A table for each length.
pub(crate) fn measure() {
    stay_on(1);
    let mut sides = WAYS.map(|way| {
        let pair = VethPair::create(&VethOptions::default()).expect("a veth pair");
        (Sender::new(way, &pair.near), pair.near)
    });
    for len in LENGTHS {
        let frames = BATCHES * BATCH;
        let mut template = frame::numbered(0, len);
        let what = format!("{frames} frames of {len} bytes sent, {BATCH} at a time");
        compare(&what, frames, CONTROL_LIMIT, |way| {
            let (sender, near) = &mut sides[way as usize];
            go(sender, near, &mut template, way)
        });
    }
}
