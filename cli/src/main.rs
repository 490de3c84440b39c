//! The `packet-ring` command line tool: packets for people, through the library's rings.
#![deny(unsafe_code)]

mod args;
mod clock;
mod exit;
mod files;
mod filter;
mod frame;
mod interfaces;
mod limits;
mod line;
mod pcapng;
mod signals;

fn main() {}
