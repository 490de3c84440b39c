//! `bridge --xdp`: a frame that one interface received leaves by the other where it lies.
//!
//! All sockets have one memory. A received frame is pushed into the other side's transmit ring, and comes back into the
//! fill ring that it came from once it was sent: no byte of it is copied here.

use core::time::Duration;
use std::time::Instant;

use packet_ring::Error;
use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{
    CompletionRing, FillRing, Fragments, Pool, Rx, RxRing, RxRings, RxTx, RxTxRings, Socket, Tx,
    TxRing, Umem, UmemGeometry,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::counts::{Board, Counts, Numbers};
use crate::exit::Failure;
use crate::interfaces::Interface;
use crate::send::{ETHERNET_HEADER, Nap, VLAN_TAG};
use crate::xdp::{CHUNK, Path, counters, dropped, failure, released, slots};

/// Frames a batch, and a kick.
const BATCH: u32 = 256;
/// The longest sleep: within it the end is heard of, and numbers are told.
const NAP: Duration = Duration::from_millis(100);
/// The same while frames are out that no sleeper is woken for.
const SHORT_NAP: Duration = Duration::from_millis(1);
/// How long an interface may have no room before what is to go there has failed.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long the interface may take for what it has taken.
const LAST_FRAMES: Duration = Duration::from_secs(2);

/// One interface's sockets: the first sends, too.
pub(super) struct Port {
    pub(super) first: Socket<Bound<RxTx>>,
    pub(super) others: Vec<Socket<Bound<Rx>>>,
}

impl Port {
    /// Opens a socket for each queue, its fill ring stocked from the pool.
    pub(super) fn open(path: &Path, umem: &Umem, pool: &mut Pool) -> Result<Self, Error> {
        let slots = slots(umem.geometry().count());
        let share = pool.len() / path.queues.len() as u32;
        let mut queues = path.queues.iter().copied();
        let first = queues.next().unwrap_or(0);
        let rings = RxTx::new(Rx::new(slots), Tx::new(slots));
        let mut socket = Socket::configure(rings, umem)?.map_until(released())?;
        let _share = socket.rings().fill.stock(pool, share)?;
        let mut socket = socket.bind_until(path.queue(first), released())?;
        // Before Linux 6.17 a kick takes 32: then it is kicked more often.
        let _fewer = socket.rings().tx.set_budget(BATCH.min(slots.get()));
        let mut others = Vec::new();
        for queue in queues {
            let rings = Rx::new(slots);
            let mut socket = Socket::configure(rings, umem)?.map_until(released())?;
            let _share = socket.rings().fill.stock(pool, share)?;
            others.push(socket.bind_until(path.queue(queue), released())?);
        }
        Ok(Self {
            first: socket,
            others,
        })
    }

    /// Has the program bring packets.
    pub(super) fn begin(&self, path: &Path, name: &str) -> Result<(), Error> {
        let mut queues = path.queues.iter().copied();
        path.map.insert(queues.next().unwrap_or(0), &self.first)?;
        for (queue, socket) in queues.zip(&self.others) {
            path.map.insert(queue, socket)?;
        }
        path.tell(name, self.first.is_zero_copy());
        Ok(())
    }
}

/// The memory of both interfaces: so many MiB.
pub(super) fn memory(mib: u32) -> Result<(Umem, Pool), Failure> {
    let geometry = UmemGeometry::new(CHUNK, mib * ((1 << 20) / CHUNK)).map_err(Failure::usage)?;
    Umem::new(geometry).map_err(Failure::runtime)
}

/// The state of one direction.
pub(super) struct Direction<'d> {
    board: &'d Board,
    counts: &'d Counts,
    from: &'d Interface,
    to: &'d Interface,
    path: &'d Path,
    receiving: Vec<(&'d mut RxRing, &'d mut FillRing)>,
    tx: &'d mut TxRing,
    completion: &'d mut CompletionRing,
    /// Frames on their way back to a fill ring.
    pool: Pool,
    numbers: Numbers,
    /// Frames that were queued and have not come back, and packets among them.
    out: u64,
    /// Frames of packets beyond the first of each.
    continued: u64,
    completed: u64,
    link: Result<(), Error>,
}

/// Parts the sockets of both ports into the rings of both directions.
pub(super) fn directions<'d>(
    board: &'d Board,
    ends: &'d [Interface; 2],
    paths: &'d [Path; 2],
    ports: &'d mut [Port; 2],
    umem: &Umem,
) -> [Direction<'d>; 2] {
    let [a, b] = ends;
    let [first, second] = ports;
    let (from_first, to_first) = parts(first);
    let (from_second, to_second) = parts(second);
    [
        (0, [a, b], from_first, to_second),
        (1, [b, a], from_second, to_first),
    ]
    .map(
        |(number, [from, to], receiving, (tx, completion))| Direction {
            board,
            counts: &board.directions[number],
            from,
            to,
            path: &paths[number],
            receiving,
            tx,
            completion,
            pool: umem.empty_pool(),
            numbers: Numbers::default(),
            out: 0,
            continued: 0,
            completed: 0,
            link: Ok(()),
        },
    )
}

type Receiving<'d> = Vec<(&'d mut RxRing, &'d mut FillRing)>;

fn parts(port: &mut Port) -> (Receiving<'_>, (&mut TxRing, &mut CompletionRing)) {
    let RxTxRings {
        rx,
        fill,
        tx,
        completion,
    } = port.first.rings();
    let mut receiving = vec![(rx, fill)];
    for socket in &mut port.others {
        let RxRings { rx, fill } = socket.rings();
        receiving.push((rx, fill));
    }
    (receiving, (tx, completion))
}

impl Direction<'_> {
    /// Forwards until the end is asked for, and tells the last numbers.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let ended = self.turns();
        let began = Instant::now();
        let mut nap = Nap::default();
        while self.out > 0 && began.elapsed() < LAST_FRAMES {
            let _down = self.tx.flush();
            self.reap();
            nap.sleep();
        }
        let mut numbers = self.numbers().unwrap_or_default();
        // What did not come back has failed.
        numbers.failed +=
            (numbers.received - numbers.dropped).saturating_sub(numbers.forwarded + numbers.failed);
        self.counts.answer(u64::MAX, numbers);
        for (rx, _) in &self.receiving {
            if let Ok(statistics) = rx.statistics() {
                eprintln!("AF_XDP on {}: {}", self.from.name, counters(&statistics));
            }
        }
        ended
    }

    fn turns(&mut self) -> Result<(), Failure> {
        let (from, to) = (self.from, self.to);
        let failed = |error| failure(error, &from.name);
        let mut is_ending = false;
        loop {
            let mut packets = 0;
            for queue in 0..self.receiving.len() {
                packets += self
                    .forward(queue)
                    .map_err(|error| failure(error, &to.name))?;
            }
            self.reap();
            self.refill().map_err(failed)?;
            if let Some(question) = self.board.question(self.counts) {
                let numbers = self.numbers().map_err(failed)?;
                self.counts.answer(question, numbers);
            }
            if packets > 0 {
                continue;
            }
            if is_ending {
                return Ok(());
            }
            if self.board.is_over() {
                // From here on nothing comes any more: what is in the rings is all.
                for &queue in &self.path.queues {
                    self.path.map.remove(queue).map_err(failed)?;
                }
                std::thread::sleep(Duration::from_millis(10));
                is_ending = true;
                continue;
            }
            self.wait().map_err(failed)?;
        }
    }

    /// Pushes a batch of received packets into the other side's ring; how many there were.
    fn forward(&mut self, queue: usize) -> Result<u32, Error> {
        let Some((rx, _)) = self.receiving.get_mut(queue) else {
            return Ok(0);
        };
        let mut batch = rx.batch(BATCH);
        if batch.remaining() == 0 {
            return Ok(0);
        }
        let mut out = self.tx.batch(BATCH.max(batch.remaining()));
        let mut packets = 0;
        while let Some(packet) = batch.next_packet() {
            packets += 1;
            let frames = packet.len() as u64;
            let leaves = fits(&packet, self.to.mtu);
            match if leaves {
                out.push_packet(packet)
            } else {
                Err(packet)
            } {
                Ok(()) => {
                    self.out += frames;
                    self.continued += frames - 1;
                }
                Err(packet) => {
                    self.numbers.failed += 1;
                    for frame in packet {
                        // It is of this memory.
                        let _ours = self.pool.give(frame);
                    }
                }
            }
        }
        drop(out);
        drop(batch);
        self.numbers.received += u64::from(packets);
        self.flush()?;
        Ok(packets)
    }

    /// Has the kernel take what is queued. A port that is down or stuck holds what it has, and loses what comes then.
    fn flush(&mut self) -> Result<(), Error> {
        let mut nap = Nap::default();
        let began = Instant::now();
        loop {
            match self.tx.flush() {
                Ok(0) | Err(Error::LinkDown) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.errno() == Some(Errno::NOBUFS) => {}
                Err(error) => return Err(error),
            }
            self.reap();
            if began.elapsed() > PATIENCE {
                return Ok(());
            }
            nap.sleep();
        }
    }

    /// Takes back what was sent.
    fn reap(&mut self) {
        // The pool is of the same memory.
        let reaped = self.completion.reap(&mut self.pool, u32::MAX).unwrap_or(0);
        self.out -= u64::from(reaped);
        self.completed += u64::from(reaped);
    }

    /// Gives the fill rings what came back, where it is needed most first.
    fn refill(&mut self) -> Result<(), Error> {
        let share = self.pool.len().div_ceil(self.receiving.len() as u32);
        for (_, fill) in &mut self.receiving {
            if self.pool.is_empty() {
                break;
            }
            let _some = fill.stock(&mut self.pool, share)?;
            if fill.needs_wakeup() {
                // A link that is down is for `wait` to tell.
                let _down = fill.wake();
            }
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), Error> {
        let nap = if self.out > 0 { SHORT_NAP } else { NAP };
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: nap.subsec_nanos().into(),
        };
        let rings = self.receiving.iter();
        let mut fds: Vec<_> = rings
            .map(|(rx, _)| PollFd::new(*rx, PollFlags::IN))
            .collect();
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => {}
            Ok(_) | Err(Errno::INTR) => return Ok(()),
            Err(errno) => {
                return Err(Error::System {
                    operation: packet_ring::Operation::Wait,
                    errno,
                });
            }
        }
        if self.out > 0 {
            let _again = self.tx.flush();
        }
        // The kernel tells a sleeper nothing of the link.
        let link = self.receiving[0].0.check_link();
        match link {
            Err(Error::LinkDown) if self.link.is_ok() => {
                eprintln!("{} is down: waiting until it is up", self.from.name);
            }
            Ok(()) if self.link.is_err() => eprintln!("{} is up again", self.from.name),
            Ok(()) | Err(Error::LinkDown) => {}
            Err(error) => return Err(error),
        }
        self.link = link;
        Ok(())
    }

    fn numbers(&mut self) -> Result<Numbers, Error> {
        let mut drops = 0;
        for (rx, _) in &self.receiving {
            drops += dropped(&rx.statistics()?);
        }
        Ok(Numbers {
            received: self.numbers.received + drops,
            dropped: drops,
            forwarded: self.completed.saturating_sub(self.continued),
            failed: self.numbers.failed,
        })
    }
}

/// Whether the other interface's MTU allows the packet; a VLAN tag does not count.
fn fits(packet: &Fragments, mtu: u32) -> bool {
    let longest = (mtu + ETHERNET_HEADER) as usize;
    let len = packet.packet_len();
    let tagged = || {
        let first = packet.iter().next();
        first.is_some_and(|frame| frame.bytes().get(12..14) == Some(&[0x81, 0x00]))
    };
    len >= ETHERNET_HEADER as usize
        && (len <= longest || (len <= longest + VLAN_TAG as usize && tagged()))
}
