//! Models of the block protocol: the production handoff against the modelled kernel.
#![cfg(loom)]

mod forgotten;
mod freeze;
mod held;
mod one_at_a_time;
mod processors;
mod received;
mod wait;
