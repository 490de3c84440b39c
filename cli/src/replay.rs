//! `packet-ring replay`: the packets of a file, sent again.

pub(crate) mod args;
mod bar;
mod chunk;
mod file;
mod outlet;
mod pace;
mod pcapng;
mod report;
mod run;
mod xdp;

pub(crate) use args::Replay;
pub(crate) use outlet::{Outlet, Queued};
pub(crate) use run::run;
pub(crate) use xdp::Sending;
