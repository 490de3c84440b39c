//! A page a task: how the parts go together.
//!
//! - [Capture](capture): packets of an interface, all or some, to a closure or to a file.
//! - [Transmit](transmit): one packet or a million, and how to know that they were sent.
//! - [Forward](forward): what arrives at one interface leaves by another.
//! - [Several queues](several_queues): a thread for each share of the packets.
//! - [Several processes](several_processes): rights here, packets there.
//! - [Latency](latency): which way answers soonest, and what it costs.
//! - [Embedding](embedding): in a runtime of your own, with or without `std`, and how to model-check it.
//! - [Privileges](privileges): what each step takes, and who may take it.
//! - [Troubleshooting](troubleshooting): by error, and by what is not there.
//!
//! The types' own pages say the rest: sizes, errors, system calls and kernel versions.

#[doc = include_str!("guide/capture.md")]
pub mod capture {}

#[doc = include_str!("guide/transmit.md")]
pub mod transmit {}

#[doc = include_str!("guide/forward.md")]
pub mod forward {}

#[doc = include_str!("guide/several_queues.md")]
pub mod several_queues {}

#[doc = include_str!("guide/several_processes.md")]
pub mod several_processes {}

#[doc = include_str!("guide/latency.md")]
pub mod latency {}

#[doc = include_str!("guide/embedding.md")]
pub mod embedding {}

#[doc = include_str!("guide/privileges.md")]
pub mod privileges {}

#[doc = include_str!("guide/troubleshooting.md")]
pub mod troubleshooting {}
