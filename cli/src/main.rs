//! The `packet-ring` command line tool: packets for people, through the library's rings.
#![deny(unsafe_code)]

mod args;
mod exit;
mod filter;
mod limits;

fn main() {}
