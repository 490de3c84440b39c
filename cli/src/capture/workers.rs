//! `--workers`: several rings on one interface, in a fanout group, each with a thread and a file of its own.

use core::time::Duration;
use std::thread;

use packet_ring::packet::{Fanout, FanoutMode, Geometry, Interface, Membership};
use packet_ring::{Deadline, Error};

use super::counts::{Counts, Worker};
use super::session::Session;
use super::sink::Sink;
use super::{failure, gather, listening, map};
use crate::args;
use crate::exit::Failure;
use crate::filter;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::signals::Signals;

/// How long a ring may take to hand over what it should not have: several retire timeouts.
const PATIENCE: Duration = Duration::from_secs(1);

/// Captures with so many workers until one of them ends.
pub(super) fn capture(
    plan: &Plan,
    args: &args::Capture,
    workers: u16,
    index: Interface,
    geometry: Geometry,
    signals: &Signals,
) -> Result<(), Failure> {
    let failed = |error: Error| failure(error, &plan.interface.name);
    // By the flow, both directions of it.
    let mut fanout = Fanout::in_new_group(FanoutMode::Hash);
    let (mut sockets, mut sinks) = (Vec::new(), Vec::new());
    for worker in 1..=workers {
        let mapped = map(plan, geometry).map_err(failed)?;
        sinks.push(Sink::open(plan, Some(worker))?);
        let bound = mapped
            .bind(index)
            .map_err(|refused| failed(refused.error()))?;
        let member = bound
            .join_fanout(&fanout)
            .map_err(|refused| failed(refused.error()))?;
        // The first makes the group, the others join that one.
        fanout = member.group().fanout().map_err(failed)?;
        sockets.push(member);
    }
    let _promiscuous = match sockets.first() {
        Some(socket) if !args.no_promiscuous_mode => Some(
            Membership::Promiscuous
                .join(socket, index)
                .map_err(failed)?,
        ),
        _ => None,
    };
    let mut receivers: Vec<_> = sockets.iter_mut().map(|socket| socket.receiver()).collect();
    let everything = filter::accept(plan.snap_length);
    let program = plan.program.as_deref().unwrap_or(&everything);
    // What came before all had joined may be in several rings: away with it.
    let early: Vec<_> = receivers
        .iter_mut()
        .map(|receiver| receiver.replace_filter(program, Deadline::after(PATIENCE)))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let mut sessions = Vec::new();
    for ((number, sink), early) in (1..).zip(sinks).zip(early) {
        let signals = signals
            .of_worker()
            .map_err(|error| Failure::io("cannot handle signals", &error))?;
        let session = Session::new(
            plan,
            Worker::Number(number),
            args.packet_buffered,
            gather(&plan.target, &geometry),
            signals,
            sink,
            Progress::hidden(),
        );
        sessions.push(session.without(early));
    }
    listening(plan);
    let ended: Vec<_> = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (session, mut receiver) in sessions.into_iter().zip(receivers) {
            threads.push(scope.spawn(move || {
                let ended = session.run(&mut receiver);
                signals.end_all();
                ended
            }));
        }
        let died = |_| {
            (
                Counts::default(),
                Err(Failure::runtime("a worker panicked")),
            )
        };
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(died))
            .collect()
    });
    for (number, (counts, _)) in (1..).zip(&ended) {
        eprintln!("{}{counts}", Worker::Number(number));
    }
    ended
        .iter()
        .map(|(counts, _)| *counts)
        .sum::<Counts>()
        .print();
    ended.into_iter().try_for_each(|(_, outcome)| outcome)
}
