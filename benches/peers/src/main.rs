//! What AF_XDP costs with `packet-ring`, by hand and with other crates, in one run.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml --ignore-rust-version`, by somebody who may load
//! programs. The peers are xdpilone 1.3.0 and netring 0.32.0, through their public interfaces and as their
//! documents show them. No peer is left out: both build, receive and send all. netring declares Rust 1.97 and
//! builds with 1.95; hence the flag.
//!
//! Each way has a cable and a socket of its own, and its go in each turn, in an order that changes. A figure is
//! processor time of the thread; a ratio is that of one turn to the loop by hand, and then the median over the
//! turns, with the least and the greatest. The XDP program is the library's for all. Everybody has the defaults:
//! the library asks for huge pages and has the kernel send up to 256 frames a call, netring asks for neither.
//! xdpilone leaves the memory to its caller, who gives it small pages, as the loop by hand has.

#[path = "../../by_hand/mod.rs"]
mod by_hand;
mod receive;
mod transmit;
mod with_xdpilone;

use core::time::Duration;
use std::process::ExitCode;

use packet_ring_lab::enter;

use by_hand::{Spread, counts};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ByHand,
    ByHandAgain,
    Ours,
    Xdpilone,
    Netring,
}

const WAYS: [Way; 5] = [
    Way::ByHand,
    Way::ByHandAgain,
    Way::Ours,
    Way::Xdpilone,
    Way::Netring,
];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::ByHand => "by hand, small pages",
            Self::ByHandAgain => "the same again",
            Self::Ours => "packet-ring",
            Self::Xdpilone => "xdpilone 1.3.0",
            Self::Netring => "netring 0.32.0",
        }
    }
}

/// Turns of a table.
const TURNS: usize = 101;

/// Packets between two calls.
const BATCH: u32 = 64;

/// Where a numbered frame has its number.
const NUMBER: usize = 22;

/// Has every way take its go, turn by turn, and prints what it took.
fn compare(what: &str, packets: u32, control_limit: f64, mut go: impl FnMut(Way) -> Duration) {
    let mut turn = |number: usize| {
        let mut taken = [Duration::ZERO; WAYS.len()];
        // What ran before has left its traces in the caches. A prime number of ways with strides of every length
        // has each way follow each other one equally often.
        let stride = 1 + number / WAYS.len() % (WAYS.len() - 1);
        for step in 0..WAYS.len() {
            let way = WAYS[(number + step * stride) % WAYS.len()];
            taken[way as usize] = go(way);
        }
        taken
    };
    turn(0);
    let turns: Vec<_> = (0..TURNS).map(turn).collect();
    let ratio = |way: Way| {
        Spread::of(turns.iter().map(|turn| {
            turn[way as usize].as_secs_f64() / turn[Way::ByHand as usize].as_secs_f64()
        }))
    };
    println!("{TURNS} turns: {what}");
    for way in WAYS {
        let taken = turns
            .iter()
            .map(|turn| turn[way as usize].as_nanos() as f64);
        let nanoseconds = Spread::of(taken).median / f64::from(packets);
        println!(
            "  {:<22} {nanoseconds:7.1} ns a packet  {}",
            way.name(),
            ratio(way)
        );
    }
    counts(ratio(Way::ByHandAgain).median, control_limit);
}

fn main() -> ExitCode {
    if let Err(error) = enter() {
        eprintln!("the bench needs a network namespace of its own: {error}");
        return ExitCode::FAILURE;
    }
    receive::measure();
    transmit::measure();
    ExitCode::SUCCESS
}
