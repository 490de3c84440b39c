//! `packet-ring demo`: the whole path on a wire of its own. It fails if one frame is lost.

mod xdp;

use core::ops::ControlFlow;
use core::time::Duration;
use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use packet_ring::packet::{Geometry, Interface, Receiver, Rx, Socket};
use packet_ring::{Deadline, Error, OnSignal};
use packet_ring_lab::{Counters, Injector, VethOptions, VethPair, enter, frame};

use crate::args;
use crate::capture::{frame_of, now};
use crate::exit::{Failure, say};
use crate::files::Output;
use crate::interfaces::LinkType;
use crate::writer::{self, Format, Statistics};

/// Bytes of a frame, the smallest that Ethernet has.
const FRAME: usize = 64;
/// How long the ring may stay silent before the rest counts as lost.
const SILENCE: Duration = Duration::from_secs(2);

/// What the receiving end found.
struct Found {
    /// Which numbers came.
    numbers: Numbers,
    bytes: u64,
    /// Calls of `wait`; each made one `ppoll`, unless a block was ready by then.
    waits: u64,
    /// When the first packet and the last met the interface, by the kernel's clock.
    times: Option<(Duration, Duration)>,
}

impl Found {
    /// Packets a second from the first to the last; `None` where no time passed between them.
    fn rate(&self) -> Option<f64> {
        let (first, last) = self.times?;
        let time = last.saturating_sub(first);
        (!time.is_zero())
            .then(|| (self.numbers.found.saturating_sub(1)) as f64 / time.as_secs_f64())
    }
}

/// Sends `args.count` numbered frames and receives them.
pub(crate) fn run(args: &args::Demo) -> Result<ExitCode, Failure> {
    enter().map_err(Failure::runtime)?;
    let pair = VethPair::create(&VethOptions::default()).map_err(Failure::runtime)?;
    let injector = Injector::on(&pair.near).map_err(Failure::runtime)?;
    let before = counters(&pair)?;

    let far = Interface::by_name(pair.far.name()).map_err(Failure::runtime)?;
    let mut socket = bind(far).map_err(Failure::runtime)?;
    let description = writer::Interface {
        name: pair.far.name().to_owned(),
        link_type: LinkType::Ethernet.number(),
        snap_length: args::MAX_SNAP_LENGTH,
        filter: None,
        system: "Linux".to_owned(),
    };
    let mut output = Output::create(&args.write, Format::Pcapng, None, None, description)?;
    let start = now();
    let count = args.count;
    let sender = thread::spawn(move || injector.flood(&frame::numbered(0, FRAME), 0..count));
    let mut receiver = socket.receiver();
    let found = receive(&mut receiver, &mut output, count)?;
    let sent = sender
        .join()
        .map_err(|_| Failure::runtime("the sending thread panicked"))?;

    let seen = receiver.statistics().map_err(Failure::runtime)?;
    let after = counters(&pair)?;
    let written = found.numbers.found;
    let statistics = Statistics {
        start,
        end: now(),
        interface: Some((
            after.1.since(&before.1).rx_packets,
            after.1.since(&before.1).rx_dropped,
        )),
        accepted: seen.packets,
        dropped: seen.drops,
        delivered: written,
    };
    output
        .end_file(&statistics)
        .map_err(|error| Failure::io(args.write.display(), &error))?;

    let [transmitted, received] = [
        after.0.since(&before.0).tx_packets,
        after.1.since(&before.1).rx_packets,
    ];
    say(format_args!(
        "frames sent        {sent:>12}   ({transmitted} by the interface's own count)"
    ));
    say(format_args!(
        "packets received   {written:>12}   ({received} by the interface's own count)"
    ));
    match found.rate() {
        Some(rate) => say(format_args!("packets/s          {rate:>12.0}")),
        None => say("packets/s                     -   (too few to tell)"),
    }
    say(format_args!("bytes              {:>12}", found.bytes));
    say(format_args!("drops              {:>12}", seen.drops));
    for (what, calls) in [
        ("waits for blocks", found.waits),
        ("writes to the file", output.writes()),
    ] {
        say(format_args!(
            "{what:19}{calls:>12}   ({:.6} a packet, one system call each)",
            calls as f64 / written.max(1) as f64
        ));
    }
    say(format_args!(
        "file               {:>12}   (try: tcpdump -c 5 -r {0})",
        args.write.display()
    ));
    verdict(count, sent, [transmitted, received], &found.numbers)?;
    drop(socket);
    xdp::run(&pair, count, found.rate())?;
    Ok(ExitCode::SUCCESS)
}

fn bind(interface: Interface) -> Result<Socket<packet_ring::lifecycle::Bound<Rx>>, Error> {
    let mut socket = Socket::configure(Rx::new(Geometry::DEFAULT))?;
    socket.ignore_outgoing()?;
    Ok(socket.map()?.bind(interface)?)
}

/// What both interfaces counted: the sending one, the receiving one.
fn counters(pair: &VethPair) -> Result<(Counters, Counters), Failure> {
    let near = pair.near.counters().map_err(Failure::runtime)?;
    let far = pair.far.counters().map_err(Failure::runtime)?;
    Ok((near, far))
}

/// Writes packets until all numbers have come, or nothing comes any more.
fn receive(receiver: &mut Receiver<'_>, output: &mut Output, count: u64) -> Result<Found, Failure> {
    let mut found = Found {
        numbers: Numbers::new(count),
        bytes: 0,
        waits: 0,
        times: None,
    };
    let mut last = Instant::now();
    loop {
        while let Some(block) = receiver.next_block() {
            let mut written: io::Result<()> = Ok(());
            let _broken = block.for_each(|packet| {
                found.numbers.note(frame::number(packet.data()));
                found.bytes += u64::from(packet.len());
                let frame = frame_of(&packet);
                found.times.get_or_insert((frame.time, frame.time)).1 = frame.time;
                written = output.packet(&frame, None);
                if written.is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
            written.map_err(|error| Failure::io("cannot write", &error))?;
            last = Instant::now();
        }
        let silence = last.elapsed();
        if found.numbers.found >= count || silence >= SILENCE {
            break;
        }
        found.waits += 1;
        let deadline = Deadline::after(SILENCE - silence);
        let _woken = receiver
            .wait(deadline, OnSignal::Continue)
            .map_err(Failure::runtime)?;
    }
    Ok(found)
}

fn verdict(count: u64, sent: u64, counted: [u64; 2], numbers: &Numbers) -> Result<(), Failure> {
    let lost = count - numbers.found;
    if lost > 0 {
        return Err(Failure::runtime(format_args!(
            "{lost} of {count} frames were lost, the first of them number {}",
            numbers.first_missing()
        )));
    }
    if numbers.strange > 0 {
        return Err(Failure::runtime(format_args!(
            "{} packets were not sent, or came twice",
            numbers.strange
        )));
    }
    if sent != count || counted != [count; 2] {
        return Err(Failure::runtime(
            "the interfaces counted other frames than those that arrived",
        ));
    }
    say(format_args!("every one of {count} frames arrived"));
    Ok(())
}

/// A set of numbers below a limit.
struct Numbers {
    words: Vec<u64>,
    limit: u64,
    found: u64,
    /// Packets without a number, with one that was not sent, or with one that came before.
    strange: u64,
}

impl Numbers {
    fn new(limit: u64) -> Self {
        Self {
            words: vec![0; limit.div_ceil(64) as usize],
            limit,
            found: 0,
            strange: 0,
        }
    }

    fn note(&mut self, number: Option<u64>) {
        let Some(number) = number.filter(|&number| number < self.limit) else {
            self.strange += 1;
            return;
        };
        let (word, bit) = (&mut self.words[(number / 64) as usize], 1 << (number % 64));
        if *word & bit == 0 {
            self.found += 1
        } else {
            self.strange += 1
        }
        *word |= bit;
    }

    /// The smallest number that did not come; the limit if all came.
    fn first_missing(&self) -> u64 {
        let word = self
            .words
            .iter()
            .zip(0..)
            .find(|(word, _)| **word != u64::MAX);
        word.map_or(self.limit, |(word, index)| {
            index * 64 + u64::from(word.trailing_ones())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_number_is_found() {
        let mut numbers = Numbers::new(200);
        (0..200)
            .filter(|&number| number != 130)
            .for_each(|number| numbers.note(Some(number)));
        assert_eq!(
            (numbers.found, numbers.strange, numbers.first_missing()),
            (199, 0, 130)
        );
        numbers.note(Some(130));
        assert_eq!((numbers.found, numbers.first_missing()), (200, 200));
    }

    #[test]
    fn one_packet_has_no_rate() {
        let rate = |times| {
            let mut numbers = Numbers::new(5);
            (0..5).for_each(|number| numbers.note(Some(number)));
            Found {
                numbers,
                bytes: 0,
                waits: 0,
                times,
            }
            .rate()
        };
        let (first, last) = (Duration::from_secs(7), Duration::from_secs(9));
        assert_eq!(rate(None), None);
        assert_eq!(rate(Some((first, first))), None);
        assert_eq!(rate(Some((last, first))), None);
        assert_eq!(rate(Some((first, last))), Some(2.0));
    }

    #[test]
    fn what_was_not_sent_or_comes_twice_is_strange() {
        let mut numbers = Numbers::new(2);
        [None, Some(2), Some(1), Some(1)]
            .into_iter()
            .for_each(|number| numbers.note(number));
        assert_eq!((numbers.found, numbers.strange), (1, 3));
    }
}
