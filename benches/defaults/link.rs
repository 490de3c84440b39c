//! A cable, what is sent into it, and how it is received.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Geometry, Interface, Rx, Socket};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::procfs::thread_cpu_time;
use packet_ring_lab::{Injector, VethOptions, VethPair, frame};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Bytes of each frame.
pub(crate) const FRAME: usize = 64;
/// A paced sender's turn, so short that its bursts fit into any block.
const TURN: Duration = Duration::from_micros(100);

/// How fast frames are sent.
#[derive(Clone, Copy)]
pub(crate) enum Rate {
    /// As fast as the kernel takes them.
    Flood,
    /// So many a second.
    PerSecond(u32),
}

pub(crate) struct Cable(VethPair);

/// What a receiver has seen and spent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Received {
    pub(crate) packets: u64,
    pub(crate) blocks: u64,
    /// Calls of `wait` that slept.
    pub(crate) waits: u64,
    pub(crate) drops: u64,
    pub(crate) processor: Duration,
    pub(crate) elapsed: Duration,
}

fn stay_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    // On a machine with a single processor both threads share it, and the figures say so.
    let _ = sched_setaffinity(None, &set);
}

impl Cable {
    pub(crate) fn new() -> Self {
        Self(VethPair::create(&VethOptions::default()).expect("a veth pair"))
    }

    pub(crate) fn socket(&self, geometry: Geometry) -> Socket<Bound<Rx>> {
        let far = Interface::by_index(self.0.far.index().expect("an index")).expect("not zero");
        Socket::configure(Rx::new(geometry))
            .and_then(|socket| Ok(socket.map()?))
            .and_then(|socket| Ok(socket.bind(far)?))
            .expect("a bound socket")
    }

    pub(crate) fn injector(&self) -> Injector {
        Injector::on(&self.0.near).expect("an injector")
    }

    /// Sends at `rate` while `receive` runs, which is told how long that has been.
    pub(crate) fn while_sending<T>(&self, rate: Rate, receive: impl FnOnce() -> T) -> T {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| self.send_until(rate, &stop));
            stay_on(1);
            let result = receive();
            // Relaxed: nothing is read on its strength.
            stop.store(true, Ordering::Relaxed);
            result
        })
    }

    fn send_until(&self, rate: Rate, stop: &AtomicBool) {
        stay_on(0);
        let injector = self.injector();
        let template = frame::numbered(0, FRAME);
        let start = Instant::now();
        let mut sent = 0;
        // Relaxed: only says that it is enough.
        while !stop.load(Ordering::Relaxed) {
            let due = match rate {
                Rate::Flood => sent + 256,
                Rate::PerSecond(rate) => {
                    (start.elapsed().as_secs_f64() * f64::from(rate)) as u64 + 1
                }
            };
            if sent < due {
                sent += injector.flood(&template, sent..due);
            }
            if matches!(rate, Rate::PerSecond(_)) {
                let next = Instant::now() + TURN;
                while Instant::now() < next {
                    core::hint::spin_loop();
                }
            }
        }
    }
}

/// Receives for `time`; sleeps through `pause` in the middle of it, where there is one.
pub(crate) fn receive(
    socket: &mut Socket<Bound<Rx>>,
    time: Duration,
    pause: Option<Duration>,
) -> Received {
    let mut received = Received::default();
    let mut sum = 0_u64;
    let start = Instant::now();
    let processor = thread_cpu_time();
    let end = Deadline::after(time);
    let mut pause = pause;
    while start.elapsed() < time {
        while let Some(block) = socket.next_block() {
            received.blocks += 1;
            for packet in &block {
                received.packets += 1;
                sum += u64::from(packet.len()) + u64::from(packet.data()[0]);
            }
        }
        if let Some(pause) = pause.take_if(|_| start.elapsed() > time / 2) {
            thread::sleep(pause);
            continue;
        }
        received.waits += 1;
        if socket.wait(end, OnSignal::Continue).expect("a wait") == Wake::TimedOut {
            break;
        }
    }
    core::hint::black_box(sum);
    received.processor = thread_cpu_time() - processor;
    received.elapsed = start.elapsed();
    received.drops = socket.statistics().expect("statistics").drops;
    received
}
