//! Captures packets, or answers them, in a static program without libc and without an allocator.
//!
//! ```sh
//! cargo build --release --manifest-path examples/nolibc/Cargo.toml
//! cd examples/nolibc/target/release
//! sudo ./nolibc capture eth0 10 > ten.pcapng    # 10 packets as they come, by AF_PACKET
//! sudo ./nolibc echo eth0 0 10                  # sends 10 packets of queue 0 back, by AF_XDP, without a copy
//! ```
//!
//! The library is `no_std`, and this is the proof: nothing here brings `std`, `alloc` or a libc in. `capture` and
//! `echo` are what any program would do; `start`, `memory`, `signals` and `streams` are what a libc would have done.
//! README.md tells how it is built for other processors.

#![no_std]
#![no_main]

mod capture;
mod echo;
mod failure;
mod memory;
mod pcapng;
mod signals;
mod start;
mod streams;

use self::failure::Failure;
use self::signals::Signals;

/// Runs the program; what comes back it exits with.
fn run(arguments: &[Option<&str>]) -> i32 {
    match choose(arguments) {
        Ok(()) => 0,
        Err(failure) => failure.tell(),
    }
}

fn choose(arguments: &[Option<&str>]) -> Result<(), Failure> {
    streams::are_open().map_err(Failure::Output)?;
    let signals = Signals::hold().map_err(Failure::Signals)?;
    match *arguments {
        [Some("capture"), Some(interface), Some(packets)] => {
            capture::run(interface, number(packets)?, &signals)
        }
        [Some("echo"), Some(interface), Some(queue), Some(packets)] => {
            let queue = u32::try_from(number(queue)?).map_err(|_| Failure::Usage)?;
            echo::run(interface, queue, number(packets)?, &signals)
        }
        _ => Err(Failure::Usage),
    }
}

fn number(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::Usage)
}
