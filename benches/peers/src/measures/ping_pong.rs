//! How long an answer takes: 64 bytes to and fro, between two threads on processors of their own, a ping following its
//! answer at once.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::xdp::AttachMode;
use packet_ring_lab::{Injector, frame};
use rustix::fd::{AsRawFd, BorrowedFd};
use syscalls::{Sysno, syscall};

use super::Scale;
use crate::by_hand::stay_on;
use crate::harness::{Goes, Measure, compare, guarded};
use crate::peer::{Answer, Converse, Family, NUMBER, Peer, cable, cable_with_programs};
use crate::report::line::Run;

/// How an end waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Spin,
    Poll,
    /// Poll, on a socket that was told to look at its device for 50 microseconds before it sleeps.
    BusyPoll,
}

impl Waiting {
    fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Poll => "poll",
            Self::BusyPoll => "busy poll",
        }
    }

    fn trips(self) -> u64 {
        match self {
            Self::Spin => 2000,
            Self::Poll | Self::BusyPoll => 300,
        }
    }
}

/// Round trips of a go where each takes milliseconds.
const SLOW: u64 = 20;

/// Round trips before those that count.
const WARM_UP: u64 = 5;

pub(crate) fn measure(run: &mut Run, scale: Scale, peers: &[&'static dyn Peer]) {
    for (family, name, reference) in [
        (Family::Packet, "AF_PACKET", "by hand, V2"),
        (Family::Xdp, "AF_XDP", "by hand, AF_XDP"),
    ] {
        for waiting in [Waiting::Spin, Waiting::Poll, Waiting::BusyPoll] {
            let measure = Measure {
                id: "ping_pong",
                at: Some(format!("{name}, {}", waiting.name())),
                unit: "us a round trip",
                turns: scale.turns(21),
                family,
                reference,
            };
            compare(run, &measure, peers, |peer| converse(peer, waiting));
        }
    }
}

/// `SO_BUSY_POLL`.
fn busy_poll(fd: BorrowedFd<'_>) -> Answer<()> {
    const SOL_SOCKET: u32 = 1;
    const SO_BUSY_POLL: u32 = 46;
    let microseconds = 50_u32;
    // SAFETY: the kernel reads the four bytes of the number.
    let done = unsafe {
        syscall!(
            Sysno::setsockopt,
            fd.as_raw_fd(),
            SOL_SOCKET,
            SO_BUSY_POLL,
            &raw const microseconds,
            4
        )
    };
    done.map(|_| ())
        .map_err(|errno| format!("SO_BUSY_POLL: {errno}").into())
}

fn converse(peer: &dyn Peer, waiting: Waiting) -> Answer<Goes<'static>> {
    let ends = match peer.family() {
        Family::Packet => cable()?,
        Family::Xdp => cable_with_programs(AttachMode::Native)?,
    };
    let (mut near, mut far) = (peer.end(&ends[0])?, peer.end(&ends[1])?);
    if waiting == Waiting::BusyPoll {
        busy_poll(near.fd())?;
        busy_poll(far.fd())?;
    }
    let injectors = [Injector::on(&ends[0].link)?, Injector::on(&ends[1].link)?];
    let mut goes = 0;
    Ok(Box::new(move |_| {
        let _ = &ends;
        goes += 1;
        let talk = Talk {
            first: goes << 32,
            trips: if near.is_slow() {
                SLOW
            } else {
                waiting.trips()
            },
            sleeps: waiting != Waiting::Spin,
            ended: AtomicU32::new(0),
        };
        talk.go([&mut *near, &mut *far], &injectors).map(Into::into)
    }))
}

/// One conversation.
struct Talk {
    /// The number of the first ping.
    first: u64,
    trips: u64,
    sleeps: bool,
    /// Ends that have ended.
    ended: AtomicU32,
}

impl Talk {
    /// The median of the round trips, in microseconds.
    fn go(&self, [near, far]: [&mut dyn Converse; 2], injectors: &[Injector; 2]) -> Answer<f64> {
        let (asked, answered) = thread::scope(|scope| {
            let answering = scope.spawn(|| self.to_the_end(&injectors[1], || self.answer(far)));
            let asked = self.to_the_end(&injectors[0], || self.ask(near));
            (asked, answering.join())
        });
        let answered: Answer<()> = answered.map_err(|_| "its thread panicked")?;
        asked.and_then(|figure| answered.map(|()| figure))
    }

    fn numbers(&self) -> Range<u64> {
        self.first..self.first + WARM_UP + self.trips
    }

    fn answer(&self, far: &mut dyn Converse) -> Answer<()> {
        stay_on(1);
        let mut answer = frame::numbered(0, 64);
        for _ in self.numbers() {
            let number = far.take(self.sleeps);
            answer[NUMBER..][..8].copy_from_slice(&number.to_be_bytes());
            far.give(&answer)?;
        }
        Ok(())
    }

    fn ask(&self, near: &mut dyn Converse) -> Answer<f64> {
        stay_on(0);
        let mut ping = frame::numbered(0, 64);
        let mut times = Vec::with_capacity(self.trips as usize);
        let mut wrong = 0;
        for (round, number) in self.numbers().enumerate() {
            ping[NUMBER..][..8].copy_from_slice(&number.to_be_bytes());
            let start = Instant::now();
            near.give(&ping)?;
            let answer = near.take(self.sleeps);
            if round as u64 >= WARM_UP {
                times.push(start.elapsed());
            }
            wrong += u64::from(answer != number);
        }
        if wrong > 0 {
            return Err(format!("{wrong} answers were to another ping").into());
        }
        times.sort_unstable();
        Ok(times[times.len() / 2].as_secs_f64() * 1e6)
    }

    /// Does one end's part. Where it fails, the other end gets what it waits for all the same: nobody waits for ever.
    fn to_the_end<T>(&self, injector: &Injector, part: impl FnOnce() -> Answer<T>) -> Answer<T> {
        let done = guarded(part);
        self.ended.fetch_add(1, Ordering::Relaxed);
        while done.is_err() && self.ended.load(Ordering::Relaxed) < 2 {
            let _ = injector.send(&frame::numbered(0, 64));
            thread::sleep(Duration::from_micros(100));
        }
        done
    }
}
