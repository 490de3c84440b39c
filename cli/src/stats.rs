//! `packet-ring stats`: what an interface itself counts, and what kinds of packets a ring sees there.
//!
//! The two differ where the kernel joins or splits packets in between (GRO, TSO): the interface counts those on the wire,
//! the ring those that this machine works with. The interface is not made promiscuous. A frame of a protocol that nobody
//! else here wants is a drop to the interface only where there is no ring: the ring wants it.

mod kind;
mod report;
mod ring;
mod screen;
mod tally;
mod xdp;

use core::ops::ControlFlow;
use core::time::Duration;
use std::process::ExitCode;
use std::time::Instant;

use packet_ring::Error;
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Rx, Socket};
use rustix::io::Errno;

use crate::args;
use crate::capture::{failure, now};
use crate::exit::{Failure, permission_advice};
use crate::interfaces::{self, Counters, Interface};
use crate::signals::Signals;
use crate::xdp::program_on;

use report::Report;
use ring::Ring;
use screen::Screen;
use tally::Seen;
use xdp::{Counted, Taking};

/// The longest sleep: a signal that comes just before one is heard after it.
const NAP: Duration = Duration::from_millis(250);

/// Reports until it has reported as often as the command line says, or is told to end.
pub(crate) fn run(args: &args::Stats) -> Result<ExitCode, Failure> {
    let signals =
        Signals::install().map_err(|error| Failure::io("cannot handle signals", &error))?;
    let interface = match &args.interface {
        Some(name) => interfaces::named(name)?,
        None => interfaces::default()?,
    };
    let mut socket;
    let view = match args.xdp.xdp {
        Some(mode) => View::Xdp(Taking::open(&interface, mode, args.xdp.queue)?),
        None => {
            socket = open(&interface)?;
            match (&mut socket, interface.link_type()) {
                (Some(socket), Some(link_type)) => {
                    View::Ring(Ring::new(socket.receiver(), link_type))
                }
                _ => View::Nothing,
            }
        }
    };
    // Read again: a packet before the ring was there counts nowhere, one after it everywhere.
    let first = interfaces::again(&interface)?.counted;
    let mut session = Session {
        interface,
        view,
        signals,
        began: Instant::now(),
        reported: Duration::ZERO,
        first,
        last: first,
    };
    eprintln!("counting on {}", session.interface.name);
    let mut screen = Screen::open(args.json);
    session.reports(args, &mut screen)?;
    Ok(ExitCode::SUCCESS)
}

/// A ring on the interface, or `None` where there can be none, which is told.
fn open(interface: &Interface) -> Result<Option<Socket<Bound<Rx>>>, Failure> {
    let name = &interface.name;
    if interface.link_type().is_none() {
        eprintln!(
            "only the counts of {name} itself, not what kinds of packets: its link layer is {}",
            interface.layer()
        );
        return Ok(None);
    }
    match ring::bind(interface) {
        Ok(socket) => {
            tell_program(interface);
            Ok(Some(socket))
        }
        Err(error) if matches!(error.errno(), Some(Errno::PERM | Errno::ACCESS)) => {
            eprintln!(
                "only the counts of {name} itself, not what kinds of packets: that is not permitted\n{}",
                permission_advice()
            );
            Ok(None)
        }
        Err(error) => Err(failure(error, name)),
    }
}

/// An XDP program comes before the ring, and may take packets away from it.
fn tell_program(interface: &Interface) {
    let index = packet_ring::xdp::Interface::by_index(interface.index);
    if let Some(program) = index.and_then(|index| program_on(index).ok().flatten()) {
        let name = &interface.name;
        eprintln!("{program} on {name}: what it does not pass on, the ring does not see");
    }
}

/// Where packets are seen.
enum View<'s> {
    Nothing,
    Ring(Ring<'s>),
    Xdp(Taking),
}

impl View<'_> {
    /// Counts what comes in this time, or until a signal.
    fn watch(&mut self, time: Duration) -> Result<(), Error> {
        match self {
            Self::Nothing => {
                std::thread::sleep(time);
                Ok(())
            }
            Self::Ring(ring) => ring.watch(time),
            Self::Xdp(taking) => taking.watch(time),
        }
    }

    /// Counts what the kernel has received already and not handed over yet.
    fn finish(&mut self) -> Result<(), Error> {
        match self {
            Self::Nothing => Ok(()),
            Self::Ring(ring) => ring.finish(),
            Self::Xdp(taking) => taking.finish(),
        }
    }

    /// What came since this was last asked, and what the kernel counted of each AF_XDP socket.
    fn take(&mut self) -> Result<(Option<Seen>, Option<Vec<Counted>>), Error> {
        Ok(match self {
            Self::Nothing => (None, None),
            Self::Ring(ring) => (Some(ring.take()?), None),
            Self::Xdp(taking) => {
                let (seen, counted) = taking.take()?;
                (Some(seen), Some(counted))
            }
        })
    }
}

struct Session<'s> {
    interface: Interface,
    view: View<'s>,
    signals: Signals,
    began: Instant,
    /// From the beginning to the last report.
    reported: Duration,
    /// The interface's counters at the beginning, and at the last report.
    first: Counters,
    last: Counters,
}

impl Session<'_> {
    fn reports(&mut self, args: &args::Stats, screen: &mut Screen) -> Result<(), Failure> {
        let mut left = args.count.unwrap_or(u64::MAX);
        let mut due = self.began;
        loop {
            // Whoever was stopped for long does not catch up.
            due = (due + args.interval).max(Instant::now());
            let told_to_end = self.watch(due)?.is_break();
            left -= 1;
            let is_last = told_to_end || left == 0;
            if is_last {
                let finished = self.view.finish();
                finished.map_err(|error| failure(error, &self.interface.name))?;
            }
            let shown = screen.show(&self.report()?);
            if shown.map_err(|error| Failure::io("cannot write", &error))? == ControlFlow::Break(())
                || is_last
            {
                return Ok(());
            }
        }
    }

    /// Counts until `due`; breaks off when told to end.
    fn watch(&mut self, due: Instant) -> Result<ControlFlow<()>, Failure> {
        loop {
            if self.signals.end() {
                return Ok(ControlFlow::Break(()));
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(ControlFlow::Continue(()));
            }
            let nap = left.min(NAP);
            let watched = self.view.watch(nap);
            watched.map_err(|error| failure(error, &self.interface.name))?;
        }
    }

    /// What was counted since the last report.
    fn report(&mut self) -> Result<Report, Failure> {
        let taken = self.view.take();
        let (ring, xdp) = taken.map_err(|error| failure(error, &self.interface.name))?;
        let interface = interfaces::again(&self.interface)?;
        let elapsed = self.began.elapsed();
        let counted = interface.counted;
        // Where the counters began anew, what they say now is what was counted.
        let of_interval = counted.since(&self.last).unwrap_or(counted);
        let so_far = counted.since(&self.first).unwrap_or(counted);
        self.last = counted;
        let time = now();
        Ok(Report {
            seconds: time.as_secs(),
            nanoseconds: time.subsec_nanos(),
            interval: elapsed - core::mem::replace(&mut self.reported, elapsed),
            up: interface.is_up(),
            running: interface.is_running(),
            state: interface.state(),
            interface: interface.name,
            received: of_interval.received,
            sent: of_interval.sent,
            ring,
            xdp,
            elapsed,
            so_far,
        })
    }
}
