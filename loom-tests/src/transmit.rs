//! `tpacket_snd`, and the interface behind it, over one transmit ring.

use core::num::NonZeroU32;
use std::collections::{BTreeMap, VecDeque};

use loom::sync::atomic::Ordering;
use loom::sync::{Arc, Mutex};
use packet_ring::handoff::TxRing;

use crate::memory::Frames;

/// Set in a frame's status beside zero where it has a timestamp. `TP_STATUS_TS_SOFTWARE`.
pub const TS_SOFTWARE: u32 = 1 << 29;

const AVAILABLE: u32 = 0;
const SEND_REQUEST: u32 = 1;
const SENDING: u32 = 2;
const WRONG_FORMAT: u32 = 4;

/// In which order the processor that sends makes its loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loads {
    /// In any that its barriers allow: of a frame, the kernel may read the bytes before the word.
    Reordered,
    /// As the program has them: x86.
    InOrder,
}

/// A modelled transmit ring, and the interface that it sends through.
#[derive(Clone, Copy, Debug)]
pub struct TxShape {
    /// How many frames the ring has.
    pub frames: u32,
    /// How many bytes a frame lends.
    pub room: usize,
    /// Bytes of the longest packet that can be sent; the kernel refuses longer ones, and empty ones.
    pub longest: usize,
    /// How many packets the interface's queue holds, until [`TxKernel::set_queue`] says otherwise.
    pub queue: usize,
    /// What is set beside zero when a frame comes back: [`TS_SOFTWARE`], or zero for no timestamps.
    pub stamps: u32,
    /// How the processors load.
    pub loads: Loads,
}

/// Why a call that sends stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stopped {
    /// At a packet of a length that cannot be sent: its frame is `WRONG_FORMAT`. `EMSGSIZE`, `EINVAL`.
    WrongFormat,
    /// At a packet that the interface's queue dropped: its frame is to be sent again. `ENOBUFS`.
    NoBuffers,
}

/// The kernel's side of one transmit ring. Clones stand for the same socket.
#[derive(Clone, Debug)]
pub struct TxKernel(Arc<TxSocket>);

#[derive(Debug)]
struct TxSocket {
    frames: Frames,
    shape: TxShape,
    /// `pg_vec_lock`, which one call that sends holds from its start to its end, and the place in the
    /// ring that it guards.
    head: Mutex<usize>,
    interface: Mutex<Interface>,
}

/// What the locks of the interface's queue guard.
#[derive(Debug, Default)]
struct Interface {
    queued: VecDeque<Packet>,
    /// How many it holds.
    room: usize,
    /// How many packets were ever queued.
    numbered: u32,
    wire: BTreeMap<u32, Vec<u8>>,
    /// Whether a packet left before one that was queued earlier.
    overtaken: bool,
}

/// A packet on its way: an `sk_buff` whose data is the frame's.
#[derive(Debug)]
struct Packet {
    number: u32,
    frame: usize,
    extent: (usize, usize),
}

impl TxKernel {
    /// Makes a ring, all frames available, and the program's side of it.
    ///
    /// # Panics
    ///
    /// Where the shape has no frame.
    #[must_use]
    pub fn with_ring(shape: TxShape) -> (Self, TxRing) {
        let count = NonZeroU32::new(shape.frames).expect("a ring has frames");
        let (frames, ring) = Frames::with_ring(count, shape.room);
        let socket = TxSocket {
            frames,
            shape,
            head: Mutex::new(0),
            interface: Mutex::new(Interface {
                room: shape.queue,
                ..Interface::default()
            }),
        };
        (Self(Arc::new(socket)), ring)
    }

    /// A system call that sends: `sendto` with `MSG_DONTWAIT`, on the thread that calls it. Returns how
    /// many frames it took, which the kernel itself tells in bytes.
    ///
    /// # Errors
    ///
    /// Why it stopped, whatever it took before.
    pub fn kick(&self) -> Result<u32, Stopped> {
        let socket = &*self.0;
        let mut head = socket.head.lock().unwrap();
        let ordering = match socket.shape.loads {
            Loads::Reordered => Ordering::Relaxed,
            Loads::InOrder => Ordering::Acquire,
        };
        let mut taken = 0;
        while socket.frames.status(*head, ordering) == SEND_REQUEST {
            socket.send(*head)?;
            *head = (*head + 1) % socket.shape.frames as usize;
            taken += 1;
        }
        Ok(taken)
    }

    /// Sets how many packets the interface's queue holds: others' packets come and go there too.
    ///
    /// # Panics
    ///
    /// Where a thread panicked that had the queue.
    pub fn set_queue(&self, packets: usize) {
        self.0.interface.lock().unwrap().room = packets;
    }

    /// The interface is done with the packet that it has had longest, on the processor that this thread
    /// stands for. Returns whether there was one.
    pub fn complete(&self) -> bool {
        let socket = &*self.0;
        let packet = socket.interface.lock().unwrap().queued.pop_front();
        let Some(packet) = packet else {
            return false;
        };
        let bytes = socket.frames.read(packet.frame, packet.extent);
        {
            let mut interface = socket.interface.lock().unwrap();
            let Interface {
                wire, overtaken, ..
            } = &mut *interface;
            *overtaken |= wire.len() < packet.number as usize;
            wire.insert(packet.number, bytes);
        }
        socket.give_back(&packet);
        true
    }

    /// What was sent until now, in the order in which it was queued.
    #[must_use]
    pub fn wire(&self) -> Vec<Vec<u8>> {
        let interface = self.0.interface.lock().unwrap();
        interface.wire.values().cloned().collect()
    }

    /// Whether the interface was done with a packet before one that it had longer.
    #[must_use]
    pub fn overtaken(&self) -> bool {
        self.0.interface.lock().unwrap().overtaken
    }

    /// The timestamp of the packet that was queued as the `number`th, from 0: seconds and nanoseconds.
    #[must_use]
    pub fn stamp(&self, number: u32) -> (u32, u32) {
        match self.0.shape.stamps {
            0 => (0, 0),
            _ => (number + 1, (number + 1) * 1_000),
        }
    }
}

impl TxSocket {
    /// Sends the head frame, or stops there.
    fn send(&self, frame: usize) -> Result<(), Stopped> {
        let extent @ (_, length) = self.frames.extent(frame);
        if length == 0 || length > self.shape.longest {
            // Stored only because of what was read, which is thereby ordered.
            self.frames.give_back(frame, WRONG_FORMAT);
            return Err(Stopped::WrongFormat);
        }
        // The link-layer header is copied here and now.
        let _header = self.frames.read(frame, extent);
        self.frames.set_status(frame, SENDING);
        let mut interface = self.interface.lock().unwrap();
        if interface.queued.len() >= interface.room {
            drop(interface);
            // The packet is destroyed where it is, and gives its frame back, without a timestamp.
            self.frames.give_back(frame, AVAILABLE);
            self.frames.set_status(frame, SEND_REQUEST);
            return Err(Stopped::NoBuffers);
        }
        let number = interface.numbered;
        interface.numbered += 1;
        interface.queued.push_back(Packet {
            number,
            frame,
            extent,
        });
        Ok(())
    }

    /// `tpacket_destruct_skb`: writes the timestamp, and then the word.
    fn give_back(&self, packet: &Packet) {
        if self.shape.stamps != 0 {
            let seconds = packet.number + 1;
            self.frames.stamp(packet.frame, seconds, seconds * 1_000);
        }
        let status = AVAILABLE | self.shape.stamps;
        self.frames.give_back(packet.frame, status);
    }
}
