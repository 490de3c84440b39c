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
use crate::args::MAX_SNAP_LENGTH;
use crate::exit::Failure;
use crate::filter;
use crate::interfaces::{self, Interface, LinkType};
use crate::send::{failure, widen_send_buffer};
use crate::signals::Signals;

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
    let geometry = geometry(args.buffer_size).map_err(Failure::usage)?;
    let signals =
        Signals::install().map_err(|error| Failure::io("cannot handle signals", &error))?;
    let open = |end: &Interface| {
        open(end, geometry, program.as_deref()).map_err(|error| failure(error, &end.name))
    };
    let (mut first, _promiscuous) = open(&ends[0])?;
    let (mut second, _promiscuous_too) = open(&ends[1])?;
    eprintln!("bridging {} and {}", ends[0].name, ends[1].name);

    let board = Board::default();
    let (from_first, to_first) = first.split();
    let (from_second, to_second) = second.split();
    let [a, b] = &ends;
    let directions = [
        Direction::new(&board, 0, [a, b], from_first, to_second),
        Direction::new(&board, 1, [b, a], from_second, to_first),
    ];
    let ended = thread::scope(|scope| {
        let main = thread::current();
        let threads = directions.map(|direction| {
            let main = Wakes(main.clone());
            scope.spawn(move || {
                let _main = main;
                direction.run()
            })
        });
        while !signals.end() && !threads.iter().any(|thread| thread.is_finished()) {
            if signals.take_report() {
                board.ask();
                report(&board, &ends);
            }
            thread::park_timeout(NAP);
        }
        board.end();
        threads.map(|thread| {
            let panicked = |_| Err(Failure::runtime("a forwarding thread panicked"));
            thread.join().unwrap_or_else(panicked)
        })
    });
    report(&board, &ends);
    let [first, second] = ended;
    first.and(second).map(|()| ExitCode::SUCCESS)
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
