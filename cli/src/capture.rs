//! `packet-ring capture`: from the ring to the output, until something ends it.

mod blocks;
mod counts;
mod session;
mod sink;
mod workers;
mod xdp;

use core::time::Duration;
use std::process::ExitCode;
use std::time::SystemTime;

use packet_ring::lifecycle::Mapped;
use packet_ring::packet::{self, Geometry, Interface, Membership, Packet, Rx, Socket};
use packet_ring::{Error, InvalidGeometry};
use rustix::io::Errno;

use crate::args::{self, Direction, MAX_SNAP_LENGTH};
use crate::doctor;
use crate::exit::Failure;
use crate::filter::Dump;
use crate::frame::{Frame, Tag, Way};
use crate::plan::{Plan, Target};
use crate::progress::Progress;
use crate::signals::Signals;

use counts::Worker;
use session::Session;
use sink::Sink;

/// Captures as the command line says.
pub(crate) fn run(args: &args::Capture) -> Result<ExitCode, Failure> {
    if args.list_interfaces {
        doctor::list_interfaces(doctor::try_to_open().is_ok())?;
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan::new(args)?;
    match args.dump {
        0 => capture(&plan, args),
        2 => plan.print_program(Dump::C),
        3 => plan.print_program(Dump::Decimal),
        _ => Err(Failure::usage("there are -dd and -ddd")),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn capture(plan: &Plan, args: &args::Capture) -> Result<(), Failure> {
    let signals =
        Signals::install().map_err(|error| Failure::io("cannot handle signals", &error))?;
    if let Some(mode) = args.xdp.xdp {
        return xdp::capture(plan, args, mode, signals);
    }
    let interface = &plan.interface;
    let failed = |error| failure(error, &interface.name);
    let index = Interface::by_index(interface.index)
        .ok_or(Error::NoSuchInterface)
        .map_err(failed)?;
    let geometry = geometry(args).map_err(Failure::usage)?;
    if let Some(workers) = args.workers {
        return workers::capture(plan, args, workers, index, geometry, &signals);
    }
    // The output opens between the two: what is not permitted leaves no file, and no packet waits for one.
    let mapped = map(plan, geometry).map_err(failed)?;
    let sink = Sink::open(plan, None)?;
    let mut socket = mapped
        .bind(index)
        .map_err(|refused| failed(refused.error()))?;
    let _promiscuous = if args.no_promiscuous_mode {
        None
    } else {
        Some(
            Membership::Promiscuous
                .join(&socket, index)
                .map_err(failed)?,
        )
    };
    let gather = gather(&plan.target, &geometry);
    let session = alone(plan, args, gather, signals, sink);
    let (counts, outcome) = session.run(&mut socket.receiver());
    counts.print();
    outcome
}

/// The session of a capture that has one; it listens from here on.
fn alone<'p>(
    plan: &'p Plan,
    args: &args::Capture,
    gather: Duration,
    signals: Signals,
    sink: Sink,
) -> Session<'p> {
    listening(plan);
    let progress = match &plan.target {
        Target::File(..) if !args.quiet => Progress::on_terminal(),
        _ => Progress::hidden(),
    };
    Session::new(
        plan,
        Worker::Alone,
        args.packet_buffered,
        gather,
        signals,
        sink,
        progress,
    )
}

/// From here on no packet is missed.
fn listening(plan: &Plan) {
    eprintln!(
        "listening on {}, link-type {}, snapshot length {} bytes",
        plan.interface.name,
        plan.link_type.description(),
        plan.snap_length
    );
}

fn map(plan: &Plan, geometry: Geometry) -> Result<Socket<Mapped<Rx>>, Error> {
    let mut socket = Socket::configure(Rx::new(geometry))?;
    // What the loopback sends, it receives: tcpdump shows it once, too.
    let twice = plan.interface.is_loopback() && plan.direction == Direction::Inout;
    if twice || plan.direction == Direction::In {
        socket.ignore_outgoing()?;
    }
    if let Some(program) = &plan.program {
        socket.attach_filter(program)?;
    }
    Ok(socket.map()?)
}

/// The ring of `-B` MiB.
///
/// In blocks of 256 KiB: a small ring has several, and the kernel finds room for them in fragmented memory, too.
fn geometry(args: &args::Capture) -> Result<Geometry, InvalidGeometry> {
    const BLOCK: u32 = 1 << 18;
    const BLOCKS_A_MIB: u32 = (1 << 20) / BLOCK;
    let geometry = Geometry::new(BLOCK, args.buffer_size * BLOCKS_A_MIB)?;
    match args.snapshot_length {
        MAX_SNAP_LENGTH => Ok(geometry),
        length => geometry.snap_length(length),
    }
}

/// How long to let packets gather before looking for more: each wake-up costs as much as hundreds of packets.
///
/// The time in which a link of 10 Gbit/s fills a quarter of the ring, where nobody reads along.
fn gather(target: &Target, geometry: &Geometry) -> Duration {
    const BYTES_A_SECOND: u64 = 10_000_000_000 / 8;
    match target {
        Target::File(path, _) if path.as_os_str() != "-" => {
            Duration::from_nanos(geometry.bytes() / 4 * 1_000_000_000 / BYTES_A_SECOND)
        }
        _ => Duration::ZERO,
    }
}

/// What the library says, as this tool ends with it.
pub(crate) fn failure(error: Error, interface: &str) -> Failure {
    match (error, error.errno()) {
        (_, Some(Errno::PERM | Errno::ACCESS)) => {
            Failure::not_permitted(format_args!("not permitted to capture on {interface}"))
        }
        (Error::NoSuchInterface, _) | (_, Some(Errno::NODEV)) => {
            Failure::interface(format_args!("there is no interface {interface}"))
        }
        (Error::LinkGone, _) => Failure::interface(format_args!("{interface} went away")),
        _ => Failure::runtime(format_args!("{interface}: {error}")),
    }
}

/// The packet as the outputs take it.
#[inline(always)]
pub(crate) fn frame_of<'b>(packet: &Packet<'b>) -> Frame<'b> {
    Frame {
        time: packet.timestamp().into(),
        data: packet.data(),
        wire_len: packet.len(),
        tag: packet.vlan().map(|vlan| Tag {
            protocol: vlan.tpid,
            control: vlan.tci,
        }),
        way: match packet.direction() {
            packet::Direction::Broadcast => Way::Broadcast,
            packet::Direction::Multicast => Way::Multicast,
            packet::Direction::OtherHost => Way::ToOthers,
            packet::Direction::Outgoing => Way::Outgoing,
            _ => Way::ToUs,
        },
    }
}

/// Since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
