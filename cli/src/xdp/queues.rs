//! The sockets that the packets of a path come out of, one a queue.

use core::ops::ControlFlow;
use core::time::Duration;
use std::thread;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{
    AttachMode, Attachment, Fragments, Interface, Pool, Queue, Redirect, Rx, RxRings, Socket,
    Statistics, Umem, UmemGeometry, Xskmap,
};
use packet_ring::{Error, Operation, Wake};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{CHUNK, Path, any_socket, dropped, failure, released, slots};
use crate::exit::Failure;
use crate::frame::Way;

/// Frames a batch.
const BATCH: u32 = 64;
/// How long packets may be under way to a socket that its queue has no longer.
const LAST_PACKETS: Duration = Duration::from_millis(10);

/// One queue's socket.
struct Receiving {
    queue: u32,
    socket: Socket<Bound<Rx>>,
    pool: Pool,
}

/// A socket on a queue, with a memory of its own, of which its fill ring holds as much as it has slots.
fn stocked(queue: Queue, geometry: UmemGeometry) -> Result<(Socket<Bound<Rx>>, Pool), Error> {
    let (umem, mut pool) = Umem::new(geometry)?;
    let slots = slots(geometry.count());
    let mut socket = Socket::configure(Rx::new(slots), &umem)?.map_until(released())?;
    let _all = socket.rings().fill.stock(&mut pool, slots.get())?;
    Ok((socket.bind_until(queue, released())?, pool))
}

/// A socket that receives what arrives at an interface of one queue, and the program that brings it the packets.
pub(crate) fn receive_at(
    interface: Interface,
    geometry: UmemGeometry,
) -> Result<(Socket<Bound<Rx>>, Pool, Attachment), Error> {
    let map = Xskmap::create(1)?;
    let program = Redirect::to(&map).load()?;
    let attachment = program.attach(interface, AttachMode::Either)?;
    let (socket, pool) = stocked(Queue::new(interface, 0), geometry)?;
    map.insert(0, &socket)?;
    Ok((socket, pool, attachment))
}

impl Receiving {
    fn open(path: &Path, queue: u32, geometry: UmemGeometry) -> Result<Self, Error> {
        let (socket, pool) = stocked(path.queue(queue), geometry)?;
        Ok(Self {
            queue,
            socket,
            pool,
        })
    }
}

/// The sockets of all of a path's queues.
pub(crate) struct Queues {
    /// The interface's own.
    address: [u8; 6],
    /// A packet that came in several frames.
    bytes: Vec<u8>,
    queues: Vec<Receiving>,
    path: Path,
}

impl Queues {
    /// Opens a socket for each queue, with so many chunks of memory: no packet comes yet.
    pub(crate) fn open(path: Path, chunks: u32, name: &str) -> Result<Self, Failure> {
        let failed = |error| failure(error, name);
        let geometry = UmemGeometry::new(CHUNK, chunks.max(1)).map_err(Failure::usage)?;
        let mut queues = Vec::new();
        for &queue in &path.queues {
            queues.push(Receiving::open(&path, queue, geometry).map_err(failed)?);
        }
        let address = any_socket().and_then(|socket| path.interface.ethernet_address(socket));
        Ok(Self {
            address: address.map_err(failed)?.unwrap_or_default(),
            bytes: Vec::new(),
            queues,
            path,
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.queues.len()
    }

    /// Has the program bring packets, and says so.
    pub(crate) fn begin(&self, name: &str) -> Result<(), Error> {
        for queue in &self.queues {
            self.path.map.insert(queue.queue, &queue.socket)?;
        }
        let zero_copy = self.queues.iter().all(|queue| queue.socket.is_zero_copy());
        self.path.tell(name, zero_copy);
        Ok(())
    }

    /// Has it bring none any more: what is in the rings then is all.
    pub(crate) fn stop(&self) -> Result<(), Error> {
        for queue in &self.queues {
            self.path.map.remove(queue.queue)?;
        }
        thread::sleep(LAST_PACKETS);
        Ok(())
    }

    /// Takes a batch of one queue's packets, and leaves those in the ring that follow the one that breaks off. Returns
    /// how many it took.
    #[inline(always)]
    pub(crate) fn batch(
        &mut self,
        number: usize,
        mut each: impl FnMut(&[u8], Way) -> ControlFlow<()>,
    ) -> Result<u64, Error> {
        let Some(Receiving { socket, pool, .. }) = self.queues.get_mut(number) else {
            return Ok(0);
        };
        let RxRings { rx, fill } = socket.rings();
        let mut batch = rx.batch(BATCH);
        if batch.remaining() == 0 {
            return Ok(0);
        }
        let (mut packets, mut ended) = (0, ControlFlow::Continue(()));
        while ended.is_continue() {
            let Some(packet) = batch.next_packet() else {
                break;
            };
            packets += 1;
            let data = whole(&packet, &mut self.bytes);
            ended = each(data, way(data, self.address));
            for frame in packet {
                // It is of this memory.
                let _ours = pool.give(frame);
            }
        }
        drop(batch);
        let _as_many = fill.stock(pool, u32::MAX)?;
        if fill.needs_wakeup() {
            // A link that is down is for `wait` to tell.
            let _down = fill.wake();
        }
        Ok(packets)
    }

    /// Sleeps until a packet has arrived, or a time has passed.
    pub(crate) fn wait(&mut self, nap: Duration) -> Result<Wake, Error> {
        let mut fds: Vec<_> = self
            .queues
            .iter()
            .map(|queue| PollFd::new(&queue.socket, PollFlags::IN))
            .collect();
        // At most a quarter of a second.
        let timeout = Timespec {
            tv_sec: nap.as_secs() as _,
            tv_nsec: nap.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => {}
            Ok(_) => return Ok(Wake::Ready),
            Err(Errno::INTR) => return Ok(Wake::Interrupted),
            Err(errno) => {
                return Err(Error::System {
                    operation: Operation::Wait,
                    errno,
                });
            }
        }
        // The kernel tells a sleeper nothing of the link.
        for queue in &mut self.queues {
            queue.socket.rings().rx.check_link()?;
        }
        Ok(Wake::TimedOut)
    }

    /// Each queue's number, and what the kernel has counted of its socket.
    pub(crate) fn statistics(
        &mut self,
    ) -> impl Iterator<Item = Result<(u32, Statistics), Error>> + '_ {
        self.queues
            .iter_mut()
            .map(|Receiving { queue, socket, .. }| Ok((*queue, socket.rings().rx.statistics()?)))
    }

    /// Packets that the kernel had for all of them and dropped.
    pub(crate) fn dropped(&mut self) -> Result<u64, Error> {
        self.statistics()
            .map(|counted| Ok(dropped(&counted?.1)))
            .sum()
    }
}

/// The packet in one piece.
#[inline(always)]
fn whole<'b>(packet: &'b Fragments, bytes: &'b mut Vec<u8>) -> &'b [u8] {
    let mut frames = packet.iter();
    match (frames.next(), packet.len()) {
        (Some(first), 1) => first.bytes(),
        _ => {
            bytes.clear();
            packet
                .iter()
                .for_each(|frame| bytes.extend_from_slice(frame.bytes()));
            bytes
        }
    }
}

/// XDP keeps no direction: the address says as much as the kernel would.
#[inline(always)]
fn way(data: &[u8], address: [u8; 6]) -> Way {
    match data.first_chunk::<6>() {
        Some([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) => Way::Broadcast,
        Some(to) if to[0] & 1 == 1 => Way::Multicast,
        Some(to) if *to != address => Way::ToOthers,
        _ => Way::ToUs,
    }
}
