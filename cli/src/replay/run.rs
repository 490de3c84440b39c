//! One replay: from chunk to chunk, and what came of it.

use core::num::NonZeroU64;
use core::time::Duration;
use std::process::ExitCode;
use std::thread;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{self, FrameGeometry, Socket, Tx, VnetHeader};
use packet_ring::{Error, InvalidGeometry, Unsent};
use rustix::fd::AsFd;
use rustix::thread::set_current_timer_slack;

use super::args::Replay;
use super::bar::Bar;
use super::chunk::{Chunk, Chunks, Record};
use super::file::NANOSECONDS;
use super::outlet::{Outlet, Queued};
use super::pace::{Pace, Schedule, now, sleep_until};
use super::report::Report;
use super::xdp::Sending;
use crate::exit::Failure;
use crate::interfaces::{self, Interface, LinkType};
use crate::send::{ETHERNET_HEADER, Flushed, VLAN_TAG, failure, fits, widen_send_buffer};
use crate::signals::Signals;

/// The longest sleep: a signal that comes just before one is heard after it.
const NAP: u64 = NANOSECONDS / 4;
/// How often an interface that is down is tried.
const DOWN: Duration = Duration::from_millis(20);

/// Replays as the command line says.
pub(crate) fn run(args: &Replay) -> Result<ExitCode, Failure> {
    if args.file.as_os_str() == "-" && args.r#loop != 1 {
        return Err(Failure::usage("standard input can be read only once"));
    }
    let signals =
        Signals::install().map_err(|error| Failure::io("cannot handle signals", &error))?;
    let interface = interfaces::named(&args.interface)?;
    if interface.link_type() != Some(LinkType::Ethernet) {
        return Err(Failure::interface(format_args!(
            "{} sends no Ethernet frames: its link layer is {}",
            interface.name,
            interface.layer()
        )));
    }
    let chunks = Chunks::read(&args.file, args.r#loop)?;
    let failed = |error| failure(error, &interface.name);
    if args.xdp {
        let sending = Sending::open(&interface, args.queue.unwrap_or(0)).map_err(failed)?;
        let mtu = interface.mtu;
        return replay(args, signals, interface, &chunks, sending, mtu);
    }
    let (geometry, mtu) = geometry(interface.mtu).map_err(Failure::runtime)?;
    let mut socket = open(args, &interface, geometry).map_err(failed)?;
    replay(args, signals, interface, &chunks, socket.transmitter(), mtu)
}

/// Sends the chunks, and tells what came of it.
fn replay(
    args: &Replay,
    signals: Signals,
    interface: Interface,
    chunks: &Chunks,
    outlet: impl Outlet,
    mtu: u32,
) -> Result<ExitCode, Failure> {
    // A sleep ends when it should, and not within the 50 microseconds that the kernel may add: where it may not, it adds.
    let _added = set_current_timer_slack(NonZeroU64::new(1));
    let before = interfaces::again(&interface)?.counted.sent.packets;
    let mut run = Run {
        signals,
        interface,
        outlet,
        schedule: Schedule::new(Pace::of(args), now()),
        left: args.count.unwrap_or(u64::MAX),
        bar: Bar::new(&args.file, args.r#loop, args.quiet),
        mtu,
        now: now(),
        due: Vec::new(),
        report: Report::default(),
        link: Link::Up,
    };
    let start = run.now;
    let ended = run.chunks(chunks);
    run.bar.clear();
    run.outlet.finish(&mut run.report);
    let Run {
        report, interface, ..
    } = run;
    report.end(
        &interface,
        before,
        Duration::from_nanos(now() - start),
        ended,
    )
}

fn open(
    args: &Replay,
    interface: &Interface,
    geometry: FrameGeometry,
) -> Result<Socket<Bound<Tx>>, Error> {
    let index = packet::Interface::by_index(interface.index).ok_or(Error::NoSuchInterface)?;
    // For the sake of short packets: without one, the kernel lends them all to the interface.
    let mut socket = Socket::configure(Tx::new(geometry).vnet_headers())?;
    if args.bypass_qdisc {
        socket.bypass_qdisc()?;
    }
    widen_send_buffer(socket.as_fd());
    Ok(socket.map()?.bind(index)?)
}

/// A ring of 512 frames for packets of this MTU, and the MTU as far as they have room for it.
fn geometry(mtu: u32) -> Result<(FrameGeometry, u32), InvalidGeometry> {
    const FRAMES: u32 = 512;
    const HEADERS: u32 = ETHERNET_HEADER + VLAN_TAG + VnetHeader::SIZE as u32;
    let default = FrameGeometry::DEFAULT;
    let overhead = default.frame_size() - default.capacity() + HEADERS;
    let frame = mtu
        .saturating_add(overhead)
        .clamp(default.frame_size(), 1 << 20)
        .next_power_of_two();
    let block = frame.max(default.block_size());
    let geometry = FrameGeometry::new(frame, block, FRAMES / (block / frame))?;
    Ok((geometry, mtu.min(frame - overhead)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    Down,
}

/// Why no more packets were handed over for now.
enum Stop {
    /// There are enough for a kick.
    Batch,
    /// The ring is full.
    Full,
    /// The next one is due later.
    Early(u64),
    /// The next one fits no frame.
    TooLong,
    /// The next one is no Ethernet frame.
    TooShort,
    /// There are no more.
    End,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    /// On, from a packet before.
    Back,
    Off,
}

/// The state of a replay.
struct Run<O> {
    signals: Signals,
    interface: Interface,
    outlet: O,
    schedule: Schedule,
    /// Packets until the limit.
    left: u64,
    bar: Bar,
    mtu: u32,
    /// The clock, as it was last read.
    now: u64,
    /// When each packet of the present chunk is due.
    due: Vec<u64>,
    report: Report,
    link: Link,
}

impl<O: Outlet> Run<O> {
    fn chunks(&mut self, chunks: &Chunks) -> Result<(), Failure> {
        while self.left > 0 && !self.signals.end() {
            let Some(chunk) = chunks.next(|| self.signals.end())? else {
                break;
            };
            if chunk.begins && self.report.handled > 0 {
                self.bar.next_lap();
            }
            let count = usize::try_from(self.left).unwrap_or(usize::MAX);
            let records = chunk.records.get(..count).unwrap_or(&chunk.records);
            self.schedule.plan(&chunk, records, &mut self.due);
            let (handled, ended) = self.records(&chunk, records);
            self.left -= handled as u64;
            self.report.handled += handled as u64;
            let cut = records[..handled].iter().filter(|record| record.cut);
            self.report.cut += cut.count() as u64;
            if ended.map_err(|error| self.failure(error))? == Go::Off {
                break;
            }
        }
        Ok(())
    }

    /// Sends packets of one chunk, and says how many it got behind it, sent or failed.
    fn records(&mut self, chunk: &Chunk, records: &[Record]) -> (usize, Result<Go, Error>) {
        let mut next = 0;
        loop {
            let stop = self.fill(chunk, records, &mut next);
            match self.flush(&mut next) {
                Ok(Go::On) => {}
                Ok(Go::Back) => continue,
                ended => return (next, ended),
            }
            match stop {
                Stop::Batch | Stop::Full if self.signals.end() => return (next, Ok(Go::Off)),
                Stop::Batch => {}
                // Taken, but none came back yet: the transmitter naps.
                Stop::Full => {
                    if let Err(error) = self.outlet.wait_for_room(Duration::from_nanos(NAP)) {
                        return (next, Err(error));
                    }
                }
                Stop::Early(due) => {
                    while self.now < due {
                        if self.signals.end() {
                            return (next, Ok(Go::Off));
                        }
                        sleep_until(due.min(self.now.saturating_add(NAP)));
                        self.now = now();
                        self.show(chunk, next);
                    }
                }
                Stop::TooLong => {
                    self.report.too_long += 1;
                    next += 1;
                }
                Stop::TooShort => {
                    self.report.refused += 1;
                    next += 1;
                }
                Stop::End => return (next, Ok(Go::On)),
            }
            self.show(chunk, next);
        }
    }

    /// Hands over what is due, from `next` on.
    fn fill(&mut self, chunk: &Chunk, records: &[Record], next: &mut usize) -> Stop {
        for _ in 0..O::BATCH {
            let Some(record) = records.get(*next) else {
                return Stop::End;
            };
            if let Some(&due) = self.due.get(*next)
                && due > self.now
            {
                self.now = now();
                if due > self.now {
                    return Stop::Early(due);
                }
            }
            let data = chunk.data(record);
            if !fits(data, self.mtu) {
                return Stop::TooLong;
            }
            match self.outlet.queue(data) {
                Queued::Yes => {}
                Queued::Full => return Stop::Full,
                Queued::TooLong => return Stop::TooLong,
                Queued::TooShort => return Stop::TooShort,
            }
            *next += 1;
        }
        Stop::Batch
    }

    /// Has the kernel take what was handed over. Where it refuses a packet, `next` goes back to the one behind that.
    fn flush(&mut self, next: &mut usize) -> Result<Go, Error> {
        loop {
            match self.outlet.flush(|| self.signals.end())? {
                Flushed::All => {
                    self.link_is(Link::Up);
                    return Ok(Go::On);
                }
                Flushed::Refused(recalled, why) => {
                    // All that was queued lies in a row before `next`: whatever fails is flushed first.
                    *next -= recalled as usize - 1;
                    match why {
                        Unsent::TooLong => self.report.too_long += 1,
                        _ => self.report.refused += 1,
                    }
                    return Ok(Go::Back);
                }
                Flushed::Down if !self.signals.end() => {
                    self.link_is(Link::Down);
                    thread::sleep(DOWN);
                }
                Flushed::NoRoom if !self.signals.end() => {
                    *next -= self.outlet.recall() as usize;
                    self.report.stuck = true;
                    return Ok(Go::Off);
                }
                Flushed::Over | Flushed::Down | Flushed::NoRoom => {
                    *next -= self.outlet.recall() as usize;
                    return Ok(Go::Off);
                }
            }
        }
    }

    fn show(&mut self, chunk: &Chunk, next: usize) {
        self.bar
            .show(chunk.position, self.report.handled + next as u64);
    }

    fn link_is(&mut self, link: Link) {
        if self.link != link {
            let name = &self.interface.name;
            match link {
                Link::Down => eprintln!("{name} is down: waiting until it is up"),
                Link::Up => eprintln!("{name} is up again"),
            }
        }
        self.link = link;
    }

    fn failure(&self, error: Error) -> Failure {
        failure(error, &self.interface.name)
    }
}
