//! A thread that receives until another has sent everything.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring_lab::procfs::thread_cpu_time;
use packet_ring_lab::{Injector, frame};

use crate::by_hand::stay_on;
use crate::count::{Counts, counting};
use crate::harness::Go;
use crate::peer::{Answer, Place, Receive, Seen};

/// Bytes of a packet.
pub(crate) const LEN: usize = 64;

/// How long receivers get after the last packet was sent.
const GRACE: Duration = Duration::from_millis(250);

/// What one receiver came to.
struct Came {
    seen: Seen,
    taken: Duration,
    counts: Counts,
}

fn receive(reader: &mut dyn Receive, all: &Together<'_>, counts: bool) -> Came {
    stay_on(1);
    let _ends = Ends(all.ended);
    let mut seen = Seen::default();
    let mut taken = Duration::ZERO;
    let mut work = || {
        let start = thread_cpu_time();
        let mut told = 0;
        // Relaxed: numbers that nothing else hangs on.
        while all.came.load(Ordering::Relaxed) < all.expected && !all.over.load(Ordering::Relaxed) {
            reader.receive(&mut seen);
            all.came.fetch_add(seen.packets - told, Ordering::Relaxed);
            told = seen.packets;
        }
        taken = thread_cpu_time() - start;
    };
    let counts = if counts {
        // The clock is asked twice.
        counting(work).1.without_calls(2)
    } else {
        work();
        Counts::default()
    };
    Came {
        seen,
        taken,
        counts,
    }
}

/// Says that a receiver has ended, be it by a panic.
struct Ends<'a>(&'a AtomicU64);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What receivers share.
struct Together<'a> {
    expected: u64,
    came: &'a AtomicU64,
    over: &'a AtomicBool,
    ended: &'a AtomicU64,
}

/// Lets `send` send so many packets from processor 0, while the readers receive on processor 1; the interface says how
/// many there were.
pub(crate) fn go(
    readers: &mut [Box<dyn Receive>],
    [near, far]: &[Place; 2],
    packets: u64,
    counts: bool,
    send: impl FnOnce(&Injector) -> u64,
) -> Answer<Go> {
    stay_on(0);
    let injector = Injector::on(&near.link)?;
    let (came, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let ended = AtomicU64::new(0);
    let all = Together {
        expected: packets,
        came: &came,
        over: &over,
        ended: &ended,
    };
    let before = far.link.counters()?;
    let count = readers.len() as u64;
    let (sent, all_came) = thread::scope(|scope| {
        let receiving: Vec<_> = (readers.iter_mut())
            .map(|reader| {
                let all = &all;
                scope.spawn(move || receive(&mut **reader, all, counts))
            })
            .collect();
        // They sleep by then.
        thread::sleep(Duration::from_millis(5));
        let sent = send(&injector);
        let deadline = Instant::now() + GRACE;
        while came.load(Ordering::Relaxed) < sent && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        over.store(true, Ordering::Relaxed);
        // Whoever still sleeps is woken, and looks up.
        let last = frame::numbered(0, LEN);
        while ended.load(Ordering::Relaxed) < count {
            let _ = injector.send(&last);
            thread::sleep(Duration::from_millis(1));
        }
        let came: Vec<_> = receiving.into_iter().map(|thread| thread.join()).collect();
        (sent, came)
    });
    let mut all_came: Vec<Came> = (all_came.into_iter())
        .collect::<Result<_, _>>()
        .map_err(|_| "its thread panicked")?;
    let crossed = far.link.counters()?.since(&before).rx_packets;
    if sent != packets || crossed < packets {
        return Err(format!("{crossed} packets of {packets} crossed the cable").into());
    }
    // What woke the others, and what came late, must not be there the next time.
    thread::sleep(Duration::from_millis(25));
    for reader in readers {
        reader.will_sleep(false);
        reader.drain(&mut Seen::default());
        reader.will_sleep(true);
    }
    let first = all_came.pop().ok_or("nobody received")?;
    let came = all_came.into_iter().fold(first, |mut sum, came| {
        sum.seen.add(&came.seen);
        sum.taken += came.taken;
        sum.counts.add(&came.counts);
        sum
    });
    if came.seen.packets == packets && !came.seen.are_all(packets, LEN) {
        return Err("as many packets came as were sent, and not each of them once".into());
    }
    Ok(figures(&came, packets, counts))
}

fn figures(came: &Came, packets: u64, counts: bool) -> Go {
    // Packets that woke somebody came as well.
    let seen = came.seen.packets.min(packets);
    let each = |count: u64| count as f64 / seen.max(1) as f64;
    let mut go = Go::from(each(came.taken.as_nanos() as u64));
    if counts {
        if let Some(calls) = came.counts.system_calls {
            go.beside.push(("system calls", "a packet", each(calls)));
        }
        let allocations = each(came.counts.allocations);
        go.beside.push(("allocations", "a packet", allocations));
    } else {
        let lost = (packets - seen) as f64 / packets as f64 * 100.0;
        go.beside.push(("lost", "% of packets", lost));
    }
    go
}
