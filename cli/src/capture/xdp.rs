//! `capture --xdp`: packets out of AF_XDP sockets, one a queue.

use core::time::Duration;
use std::thread;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Fragments, Pool, Rx, RxRings, Socket, Umem, UmemGeometry};
use packet_ring::{Error, Wake};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::counts::{Counted, Worker};
use super::session::{END, ON, Session, Source, Turn};
use super::sink::Sink;
use super::{listening, now};
use crate::args;
use crate::exit::Failure;
use crate::frame::{Frame, Way};
use crate::plan::{Plan, Target};
use crate::progress::Progress;
use crate::signals::Signals;
use crate::xdp::{self, CHUNK, Mode, Path, failure};

/// Frames a batch.
const BATCH: u32 = 64;
/// How long packets may be under way to a socket that its queue has no longer.
const LAST_PACKETS: Duration = Duration::from_millis(10);
/// Nanoseconds between the smallest packets on a link of 10 Gbit/s.
const SMALLEST: u64 = 67;

/// Captures until something ends it.
pub(super) fn capture(
    plan: &Plan,
    args: &args::Capture,
    mode: Mode,
    signals: Signals,
) -> Result<(), Failure> {
    let interface = &plan.interface;
    let failed = |error| failure(error, &interface.name);
    let path = Path::open(interface, mode, args.xdp.queue, plan.program.as_deref())?;
    let chunks = args.buffer_size * ((1 << 20) / CHUNK) / path.queues.len() as u32;
    let geometry = UmemGeometry::new(CHUNK, chunks.max(1)).map_err(Failure::usage)?;
    let mut queues = Vec::new();
    for &queue in &path.queues {
        queues.push(Receiving::open(&path, queue, geometry).map_err(failed)?);
    }
    let sink = Sink::open(plan, None)?;
    let _promiscuous = if args.no_promiscuous_mode {
        None
    } else {
        Some(xdp::promiscuous(interface.index).map_err(failed)?)
    };
    let address = xdp::any_socket().and_then(|socket| path.interface.ethernet_address(socket));
    let mut source = Queues {
        plan,
        address: address.map_err(failed)?.unwrap_or_default(),
        taken: 0,
        bytes: Vec::new(),
        queues,
        path,
    };
    source.begin().map_err(failed)?;
    listening(plan);
    let gather = match &plan.target {
        Target::File(path, _) if path.as_os_str() != "-" => {
            Duration::from_nanos(u64::from(xdp::slots(chunks).get()) / 4 * SMALLEST)
        }
        _ => Duration::ZERO,
    };
    let progress = match &plan.target {
        Target::File(..) if !args.quiet => Progress::on_terminal(),
        _ => Progress::hidden(),
    };
    let (counts, outcome) = Session::new(
        plan,
        Worker::Alone,
        args.packet_buffered,
        gather,
        signals,
        sink,
        progress,
    )
    .run(&mut source);
    source.tell_counters();
    counts.print();
    outcome
}

/// One queue's socket.
struct Receiving {
    queue: u32,
    socket: Socket<Bound<Rx>>,
    pool: Pool,
}

impl Receiving {
    fn open(path: &Path, queue: u32, geometry: UmemGeometry) -> Result<Self, Error> {
        let (umem, mut pool) = Umem::new(geometry)?;
        let slots = xdp::slots(geometry.count());
        let mut socket = Socket::configure(Rx::new(slots), &umem)?.map()?;
        let _all = socket.rings().fill.stock(&mut pool, slots.get())?;
        let socket = socket.bind(path.queue(queue))?;
        Ok(Self {
            queue,
            socket,
            pool,
        })
    }
}

/// All sockets of a capture.
struct Queues<'p> {
    plan: &'p Plan,
    path: Path,
    queues: Vec<Receiving>,
    /// The interface's own.
    address: [u8; 6],
    /// Packets that came out of the rings.
    taken: u64,
    /// A packet that came in several frames.
    bytes: Vec<u8>,
}

impl Queues<'_> {
    /// Has the program bring packets.
    fn begin(&self) -> Result<(), Error> {
        for queue in &self.queues {
            self.path.map.insert(queue.queue, &queue.socket)?;
        }
        let zero_copy = self.queues.iter().all(|queue| queue.socket.is_zero_copy());
        self.path.tell(&self.plan.interface.name, zero_copy);
        Ok(())
    }

    fn tell_counters(&mut self) {
        for Receiving { queue, socket, .. } in &mut self.queues {
            if let Ok(statistics) = socket.rings().rx.statistics() {
                eprintln!("queue {queue}: {}", xdp::counters(&statistics));
            }
        }
    }

    /// One batch of one queue; how many packets it had.
    fn batch(
        &mut self,
        number: usize,
        session: &mut Session<'_>,
    ) -> Result<u64, super::session::Broken> {
        let Some(Receiving { socket, pool, .. }) = self.queues.get_mut(number) else {
            return Ok(0);
        };
        let RxRings { rx, fill } = socket.rings();
        let mut batch = rx.batch(BATCH);
        if batch.remaining() == 0 {
            return Ok(0);
        }
        // One reading of the clock for all of a batch: it came together.
        let time = now();
        let (mut packets, mut ended) = (0, Ok(()));
        while ended.is_ok() && session.wants_more() {
            let Some(packet) = batch.next_packet() else {
                break;
            };
            packets += 1;
            ended = session.put(&frame(
                &packet,
                time,
                self.plan.snap_length,
                self.address,
                &mut self.bytes,
            ));
            for frame in packet {
                // It is of this memory.
                let _ours = pool.give(frame);
            }
        }
        drop(batch);
        self.taken += packets;
        ended?;
        let _as_many = fill.stock(pool, u32::MAX)?;
        if fill.needs_wakeup() {
            // A link that is down is for `wait` to tell.
            let _down = fill.wake();
        }
        Ok(packets)
    }
}

impl Source for Queues<'_> {
    fn take(&mut self, session: &mut Session<'_>) -> Turn {
        loop {
            let mut packets = 0;
            for number in 0..self.queues.len() {
                packets += self.batch(number, session)?;
                if session.after_packets(self)?.is_break() {
                    return END;
                }
            }
            if packets == 0 {
                return ON;
            }
            if session.after_some(self)?.is_break() {
                return END;
            }
        }
    }

    fn wait(&mut self, nap: Duration) -> Result<Wake, Error> {
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
                    operation: packet_ring::Operation::Wait,
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

    fn counted(&mut self) -> Result<Counted, Error> {
        let mut drops = 0;
        for queue in &mut self.queues {
            drops += xdp::dropped(&queue.socket.rings().rx.statistics()?);
        }
        Ok(Counted {
            packets: self.taken + drops,
            drops,
        })
    }

    /// From here on nothing comes any more: what is in the rings is all.
    fn last(&mut self) -> Result<u64, Error> {
        for queue in &self.queues {
            self.path.map.remove(queue.queue)?;
        }
        thread::sleep(LAST_PACKETS);
        Ok(u64::MAX)
    }
}

/// The packet as the outputs take it.
fn frame<'b>(
    packet: &'b Fragments,
    time: Duration,
    snap_length: u32,
    address: [u8; 6],
    bytes: &'b mut Vec<u8>,
) -> Frame<'b> {
    let mut frames = packet.iter();
    let data = match (frames.next(), packet.len()) {
        (Some(first), 1) => first.bytes(),
        _ => {
            bytes.clear();
            packet
                .iter()
                .for_each(|frame| bytes.extend_from_slice(frame.bytes()));
            bytes
        }
    };
    // XDP keeps no direction: the address says as much as the kernel would.
    let way = match data.first_chunk::<6>() {
        Some([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) => Way::Broadcast,
        Some(to) if to[0] & 1 == 1 => Way::Multicast,
        Some(to) if *to != address => Way::ToOthers,
        _ => Way::ToUs,
    };
    // A packet has 18 frames of 64 KiB at most.
    let wire_len = data.len() as u32;
    Frame {
        time,
        data: data.get(..snap_length as usize).unwrap_or(data),
        wire_len,
        tag: None,
        way,
    }
}
