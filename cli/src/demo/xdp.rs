//! The same frames again, by AF_XDP; or why not.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Interface, Pool, Rx, RxRings, Socket, UmemGeometry};
use packet_ring::{Deadline, Error, OnSignal, Wake};
use packet_ring_lab::{Injector, VethPair, frame};
use rustix::io::Errno;

use super::{FRAME, Numbers, SILENCE};
use crate::exit::{Failure, say, xdp_setcap_line};
use crate::xdp::{counters, receive_at};

/// 32 MiB in chunks of the smallest size.
const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(2048, 16_384);
/// How far the sender may be ahead: half of what the memory holds.
const AHEAD: u64 = 8192;

/// Sends and receives the frames, and says what came; fails if one is lost.
pub(super) fn run(pair: &VethPair, count: u64, beside: Option<f64>) -> Result<(), Failure> {
    let far = Interface::by_name(pair.far.name()).map_err(Failure::runtime)?;
    let (mut socket, mut pool, attachment) = match receive_at(far, GEOMETRY) {
        Ok(opened) => opened,
        Err(error) if matches!(error.errno(), Some(Errno::PERM | Errno::ACCESS)) => {
            say(format_args!("AF_XDP             not shown: {error}"));
            say(
                "                   In a network namespace of its own, only root may: sudo packet-ring demo. Elsewhere",
            );
            say(format_args!("    {}", xdp_setcap_line()));
            return Ok(());
        }
        Err(error) => return Err(Failure::runtime(error)),
    };
    pair.wait_for_carrier().map_err(Failure::runtime)?;
    let injector = Injector::on(&pair.near).map_err(Failure::runtime)?;
    let seen = AtomicU64::new(0);
    let (numbers, time) = thread::scope(|scope| {
        let sender = scope.spawn(|| send(&injector, &seen, count));
        let received = receive(&mut socket, &mut pool, &seen, count);
        // Whatever came, the sender ends.
        seen.store(count, Ordering::Relaxed);
        let _sent = sender.join();
        received
    })
    .map_err(Failure::runtime)?;
    let found = numbers.found;
    let mode = attachment.mode().map_err(Failure::runtime)?;
    say(format_args!(
        "AF_XDP             {found:>12}   packets received, in {mode} mode, counted and not written"
    ));
    if !time.is_zero() && found > 1 {
        let rate = (found - 1) as f64 / time.as_secs_f64();
        let ratio = beside.map_or(String::new(), |beside| {
            format!("   ({:.2} of AF_PACKET's)", rate / beside)
        });
        say(format_args!("AF_XDP packets/s   {rate:>12.0}{ratio}"));
    }
    if found < count || numbers.strange > 0 {
        let statistics = socket.rings().rx.statistics().map_err(Failure::runtime)?;
        return Err(Failure::runtime(format_args!(
            "AF_XDP: {} of {count} frames were lost, {} were strange: {}",
            count - found,
            numbers.strange,
            counters(&statistics)
        )));
    }
    say(format_args!(
        "every one of {count} frames arrived by AF_XDP, too"
    ));
    Ok(())
}

/// Never further ahead than the memory holds.
fn send(injector: &Injector, seen: &AtomicU64, count: u64) {
    let template = frame::numbered(0, FRAME);
    let mut next = 0;
    while next < count {
        // Relaxed: the number alone is the message.
        let end = count.min(seen.load(Ordering::Relaxed) + AHEAD);
        if end == next {
            thread::yield_now();
        } else {
            next += injector.flood(&template, next..end.min(next + 256));
        }
    }
}

/// Notes the numbers until all have come or nothing comes any more; with the time from the first batch to the last.
fn receive(
    socket: &mut Socket<Bound<Rx>>,
    pool: &mut Pool,
    seen: &AtomicU64,
    count: u64,
) -> Result<(Numbers, Duration), Error> {
    let RxRings { rx, fill } = socket.rings();
    let mut numbers = Numbers::new(count);
    let mut times: Option<(Instant, Instant)> = None;
    while numbers.found < count {
        if rx.wait(Deadline::after(SILENCE), OnSignal::Continue)? != Wake::Ready {
            break;
        }
        for frame in rx.batch(256) {
            numbers.note(frame::number(frame.bytes()));
            let _ours = pool.give(frame);
        }
        let now = Instant::now();
        times.get_or_insert((now, now)).1 = now;
        // Relaxed: the number alone is the message.
        seen.store(numbers.found, Ordering::Relaxed);
        let _as_many = fill.stock(pool, u32::MAX)?;
        if fill.needs_wakeup() {
            fill.wake()?;
        }
    }
    let time = times.map_or(Duration::ZERO, |(first, last)| last - first);
    Ok((numbers, time))
}
