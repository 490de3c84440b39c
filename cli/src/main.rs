//! The `packet-ring` command line tool: packets for people, through the library's rings.
#![deny(unsafe_code)]

mod args;
mod bench;
mod bridge;
mod capture;
mod clock;
mod demo;
mod doctor;
mod exit;
mod files;
mod filter;
mod frame;
mod interfaces;
mod json;
mod limits;
mod line;
mod plan;
mod progress;
mod replay;
mod send;
mod signals;
mod stats;
mod writer;
mod xdp;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Capture(args) => capture::run(&args),
        Command::Stats(args) => stats::run(&args),
        Command::Bridge(args) => bridge::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Doctor => doctor::run(),
        Command::Demo(args) => demo::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    ended.unwrap_or_else(|failure| {
        eprintln!("packet-ring: {failure}");
        failure.code()
    })
}
