//! Models of the slot protocol: the production handoff against the modelled kernel.
#![cfg(loom)]

mod forgotten;
mod freeze;
mod held;
mod one_at_a_time;
mod processors;
mod recall;
mod received;
mod sent;
mod transmit;
mod v2;
mod wait;
