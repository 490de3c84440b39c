//! `packet-ring bridge`: what arrives at one interface leaves by the other, in both directions.

pub(crate) mod args;
mod counts;
mod direction;
mod run;
mod xdp;

pub(crate) use args::Bridge;
pub(crate) use run::run;
