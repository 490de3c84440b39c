//! Models of the slot protocol and of the index protocol: the production handoff, rings and chunks against
//! the modelled kernel.
#![cfg(loom)]

mod consumer;
mod cycles;
mod dropped;
mod epoll;
mod forgotten;
mod fragments;
mod freeze;
mod held;
mod looking;
mod mapping;
mod one_at_a_time;
mod orphans;
mod processors;
mod producer;
mod recall;
mod received;
mod sent;
mod siblings;
mod transmit;
mod v2;
mod wait;
mod wakeup;
