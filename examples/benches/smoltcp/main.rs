//! A TCP connection between the host's stack and smoltcp's, over a veth pair: smoltcp over its own `RawSocket`, and over
//! the library's devices.
//!
//! `cargo bench -p packet-ring-examples --bench smoltcp`. As root, for AF_XDP. Each way has a cable of its own, and its go
//! each way round in each turn, in an order that moves on; the two stacks have a processor each. A ratio is that of a
//! turn, time to time of `RawSocket`, and then the median over the turns, with the least and the greatest: below 1 is
//! faster. Of the processor it is the time of smoltcp's thread.
//!
//! `RawSocket` has a second go in each turn, which says how much a figure is worth. With `SMOLTCP_ENFORCE=1` the bench
//! fails where AF_XDP takes longer.

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../../benches/by_hand/figures.rs"]
mod figures;
mod nic;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/common/stack.rs"]
mod stack;

use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use figures::{Spread, keeps, stay_on};
use nic::{Nic, WAYS, Way, Work};
use packet_ring::device::Kicks;
use packet_ring_lab::{Link, Offload, OffloadState, VethOptions, VethPair, enter};
use rustix::time::{ClockId, clock_gettime};
use smoltcp::phy::Device;
use stack::Stack;

/// Bytes of a go.
const BYTES: usize = 32 << 20;

/// Bytes to receive into: they are read at once.
const RECEIVE: usize = 1 << 19;

const PORT: u16 = 7;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Towards {
    Host,
    Smoltcp,
}

const BOTH: [Towards; 2] = [Towards::Host, Towards::Smoltcp];

/// One way, on its cable.
struct Side {
    nic: Nic,
    far: Link,
    address: Ipv4Addr,
}

impl Side {
    fn new(way: Way, number: usize) -> Self {
        let pair = VethPair::create(&VethOptions::default()).expect("a veth pair");
        let net = number as u8;
        let host = pair.near.add_ipv4(Ipv4Addr::new(10, 0, net, 1), 24);
        host.expect("an address");
        let off = OffloadState::Off;
        let switched = pair.near.set_offload(Offload::TransmitChecksum, off);
        switched.expect("an offload");
        let nic = Nic::new(way, &pair.far);
        pair.wait_for_carrier().expect("a carrier");
        Self {
            nic,
            far: pair.far,
            address: Ipv4Addr::new(10, 0, net, 2),
        }
    }
}

/// What a go has taken: by the clock, and of the processor.
#[derive(Clone, Copy)]
struct Taken {
    clock: Duration,
    processor: Duration,
}

/// smoltcp's end of a go.
struct Go {
    hardware: [u8; 6],
    address: Ipv4Addr,
    towards: Towards,
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

impl Work for Go {
    type Output = Taken;

    fn on<D: Device>(
        self,
        device: &mut D,
        mut wait: impl FnMut(&mut D, Option<Duration>),
    ) -> Taken {
        let mut stack = Stack::listen(device, self.hardware, self.address, PORT, RECEIVE);
        let host = {
            let (address, towards) = (self.address, self.towards);
            thread::spawn(move || host(address, towards))
        };
        let (mut left, mut over, mut start) = (BYTES, false, None);
        while !over {
            let delay = stack.poll(device, |socket| {
                if socket.may_send() && start.is_none() {
                    start = Some((Instant::now(), processor_time()));
                }
                while left > 0 {
                    let moved = match self.towards {
                        Towards::Host if socket.can_send() => {
                            let sent = socket.send(|room| {
                                let len = room.len().min(left);
                                room[..len].fill(left as u8);
                                (len, len)
                            });
                            sent.expect("a connection")
                        }
                        Towards::Smoltcp if socket.can_recv() => {
                            let received = socket.recv(|bytes| (bytes.len(), bytes.len()));
                            received.expect("a connection")
                        }
                        _ => break,
                    };
                    left -= moved;
                }
                if left == 0 && socket.may_send() {
                    socket.close();
                }
                // The host closes when it has all.
                over = left == 0 && !socket.is_active()
                    || left == 0 && !socket.may_recv() && socket.send_queue() == 0;
            });
            if !over {
                wait(device, delay);
            }
        }
        let (clock, processor) = start.expect("a connection");
        let taken = Taken {
            clock: clock.elapsed(),
            processor: processor_time() - processor,
        };
        assert_eq!(host.join().expect("the host's end"), BYTES);
        taken
    }
}

/// The host's end of a go; how many bytes there were.
fn host(address: Ipv4Addr, towards: Towards) -> usize {
    stay_on(0);
    let mut stream = TcpStream::connect((address, PORT)).expect("a connection");
    let mut piece = vec![0; 1 << 17];
    let mut moved = 0;
    match towards {
        Towards::Host => loop {
            match stream.read(&mut piece).expect("bytes") {
                0 => return moved,
                len => moved += len,
            }
        },
        Towards::Smoltcp => {
            while moved < BYTES {
                stream.write_all(&piece).expect("room");
                moved += piece.len();
            }
            moved
        }
    }
}

fn main() -> ExitCode {
    // `cargo test --benches` asks for a quick try of each bench.
    let measures = std::env::args().any(|argument| argument == "--bench");
    let turns = if measures { 15 } else { 1 };
    if let Err(error) = enter() {
        eprintln!("the bench needs a network namespace of its own: {error}");
        return ExitCode::FAILURE;
    }
    let mut sides: Vec<_> = WAYS
        .iter()
        .enumerate()
        .map(|(number, &way)| Side::new(way, number))
        .collect();
    stay_on(1);
    let mut go = |way: usize, towards: Towards| {
        let side = &mut sides[way];
        let hardware = side.far.facts().expect("the link is there").address;
        side.nic.run(Go {
            hardware,
            address: side.address,
            towards,
        })
    };
    let mut turn = |number: usize| {
        let mut taken = Vec::new();
        for towards in BOTH {
            let mut of_ways = [None; WAYS.len()];
            for step in 0..WAYS.len() {
                let way = (number + step) % WAYS.len();
                of_ways[way] = Some(go(way, towards));
            }
            taken.push(of_ways.map(|taken| taken.expect("each has had its go")));
        }
        taken
    };
    turn(0);
    let turns: Vec<_> = (0..turns).map(turn).collect();
    println!("{} turns of {} MiB each way", turns.len(), BYTES >> 20);
    let mut kept = true;
    for (direction, towards) in BOTH.into_iter().enumerate() {
        println!(
            "{}",
            match towards {
                Towards::Host => "from smoltcp to the host",
                Towards::Smoltcp => "from the host to smoltcp",
            }
        );
        let ratio = |way: usize, of: fn(&Taken) -> Duration| {
            let of = |turn: &Vec<[Taken; WAYS.len()]>, way: usize| {
                of(&turn[direction][way]).as_secs_f64()
            };
            Spread::of(turns.iter().map(|turn| of(turn, way) / of(turn, 0)))
        };
        for (number, way) in WAYS.iter().enumerate() {
            let speed = turns
                .iter()
                .map(|turn| BYTES as f64 / turn[direction][number].clock.as_secs_f64() / 1e6);
            println!(
                "  {:<28} {:6.0} MB/s  time {}  processor {}",
                way.name(),
                Spread::of(speed).median,
                ratio(number, |taken| taken.clock),
                ratio(number, |taken| taken.processor),
            );
        }
        for (number, way) in WAYS.iter().enumerate() {
            if matches!(way, Way::Xdp(Kicks::OnFlush)) {
                let figure = ratio(number, |taken| taken.clock).median;
                kept &= keeps(way.name(), figure, 1.0);
            }
        }
    }
    if std::env::var_os("SMOLTCP_ENFORCE").is_some() && !kept {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
