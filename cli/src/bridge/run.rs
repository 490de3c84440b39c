//! Setting a bridge up, and what is told of it.

use core::time::Duration;
use std::process::ExitCode;
use std::thread::{self, Thread};

use packet_ring::bpf::Instruction;
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{
    self, FrameGeometry, Geometry, Membership, MembershipGuard, Rx, RxTx, Socket, Tx,
};
use packet_ring::{Error, InvalidGeometry};
use rustix::fd::AsFd;

use super::args::Bridge;
use super::counts::Board;
use super::direction::Direction;
use super::xdp::{self, Port};
use crate::args::MAX_SNAP_LENGTH;
use crate::exit::Failure;
use crate::filter;
use crate::interfaces::{self, Interface, LinkType};
use crate::send::{failure, widen_send_buffer};
use crate::signals::Signals;
use crate::xdp::Path;

/// How often signals are looked at.
const NAP: Duration = Duration::from_millis(100);

/// Frames that hold the longest packet that IP has, with a VLAN tag and a vnet header: 15 in a MiB, 270 in all.
const FRAMES: FrameGeometry = FrameGeometry::new_assert(65_616, 1 << 20, 18);

/// Bridges as the command line says.
pub(crate) fn run(args: &Bridge) -> Result<ExitCode, Failure> {
    let ends = [named(&args.first)?, named(&args.second)?];
    if ends[0].index == ends[1].index {
        return Err(Failure::usage("a bridge needs two interfaces"));
    }
    let expression = args.expression.join(" ");
    let program = if expression.trim().is_empty() {
        None
    } else {
        let name = &ends[0].name;
        Some(filter::compile(name, MAX_SNAP_LENGTH, &expression)?)
    };
    let signals =
        Signals::install().map_err(|error| Failure::io("cannot handle signals", &error))?;
    let board = Board::default();
    if let Some(mode) = args.xdp.xdp {
        let [a, b] = &ends;
        let open = |end| Path::open(end, mode, args.xdp.queue, program.as_deref());
        let paths = [open(a)?, open(b)?];
        let _promiscuous = [promiscuous(a)?, promiscuous(b)?];
        let (umem, mut pool) = xdp::memory(args.buffer_size)?;
        let mut half = pool.split(umem.geometry().count() / 2);
        let port = |end: &Interface, path, pool| {
            Port::open(path, &umem, pool).map_err(|error| crate::xdp::failure(error, &end.name))
        };
        let mut ports = [
            port(a, &paths[0], &mut half)?,
            port(b, &paths[1], &mut pool)?,
        ];
        for ((end, path), port) in ends.iter().zip(&paths).zip(&ports) {
            port.begin(path, &end.name)
                .map_err(|error| crate::xdp::failure(error, &end.name))?;
        }
        let directions = xdp::directions(&board, &ends, &paths, &mut ports, &umem);
        return forward(&board, &ends, &signals, directions.map(|it| || it.run()));
    }
    let geometry = geometry(args.buffer_size).map_err(Failure::usage)?;
    let open = |end: &Interface| {
        open(end, geometry, program.as_deref()).map_err(|error| failure(error, &end.name))
    };
    let (mut first, _promiscuous) = open(&ends[0])?;
    let (mut second, _promiscuous_too) = open(&ends[1])?;
    let (from_first, to_first) = first.split();
    let (from_second, to_second) = second.split();
    let [a, b] = &ends;
    let directions = [
        Direction::new(&board, 0, [a, b], from_first, to_second),
        Direction::new(&board, 1, [b, a], from_second, to_first),
    ];
    forward(&board, &ends, &signals, directions.map(|it| || it.run()))
}

/// Runs both directions until the end is asked for or one of them ends.
fn forward<F: FnOnce() -> Result<(), Failure> + Send>(
    board: &Board,
    ends: &[Interface; 2],
    signals: &Signals,
    directions: [F; 2],
) -> Result<ExitCode, Failure> {
    eprintln!("bridging {} and {}", ends[0].name, ends[1].name);
    let ended = thread::scope(|scope| {
        let main = thread::current();
        let threads = directions.map(|direction| {
            let main = Wakes(main.clone());
            scope.spawn(move || {
                let _main = main;
                direction()
            })
        });
        while !signals.end() && !threads.iter().any(|thread| thread.is_finished()) {
            if signals.take_report() {
                board.ask();
                report(board, ends);
            }
            thread::park_timeout(NAP);
        }
        board.end();
        threads.map(|thread| {
            let panicked = |_| Err(Failure::runtime("a forwarding thread panicked"));
            thread.join().unwrap_or_else(panicked)
        })
    });
    report(board, ends);
    let [first, second] = ended;
    first.and(second).map(|()| ExitCode::SUCCESS)
}

fn promiscuous(end: &Interface) -> Result<MembershipGuard, Failure> {
    crate::xdp::promiscuous(end.index).map_err(|error| failure(error, &end.name))
}

/// Wakes a thread when it is dropped.
struct Wakes(Thread);

impl Drop for Wakes {
    fn drop(&mut self) {
        self.0.unpark();
    }
}

fn named(name: &str) -> Result<Interface, Failure> {
    let interface = interfaces::named(name)?;
    if interface.link_type() != Some(LinkType::Ethernet) || interface.is_loopback() {
        return Err(Failure::interface(format_args!(
            "{name} cannot be bridged: its link layer is {}",
            interface.layer()
        )));
    }
    Ok(interface)
}

/// A receive ring of so many MiB. A packet waits in it for a millisecond at most.
fn geometry(mib: u32) -> Result<Geometry, InvalidGeometry> {
    const BLOCK: u32 = 1 << 18;
    const BLOCKS_A_MIB: u32 = (1 << 20) / BLOCK;
    Geometry::new(BLOCK, mib * BLOCKS_A_MIB)?.retire_timeout(Duration::from_millis(1))
}

fn open(
    end: &Interface,
    geometry: Geometry,
    program: Option<&[Instruction]>,
) -> Result<(Socket<Bound<RxTx>>, MembershipGuard), Error> {
    let index = packet::Interface::by_index(end.index).ok_or(Error::NoSuchInterface)?;
    let rings = RxTx::new(Rx::new(geometry), Tx::new(FRAMES).vnet_headers());
    let mut socket = Socket::configure(rings)?;
    // What this machine sends by the interface has not arrived there: it is not forwarded.
    socket.ignore_outgoing()?;
    if let Some(program) = program {
        socket.attach_filter(program)?;
    }
    widen_send_buffer(socket.as_fd());
    let socket = socket.map()?.bind(index)?;
    let promiscuous = Membership::Promiscuous.join(&socket, index)?;
    Ok((socket, promiscuous))
}

fn report(board: &Board, [first, second]: &[Interface; 2]) {
    let [there, back] = &board.directions;
    eprintln!("{} -> {}: {}", first.name, second.name, there.numbers());
    eprintln!("{} -> {}: {}", second.name, first.name, back.numbers());
}
