#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(feature = "alloc", loom))]
extern crate alloc;

#[cfg(not(loom))]
mod abi;
#[cfg(not(loom))]
pub mod bpf;
#[allow(unsafe_code)]
pub mod chunks;
#[cfg(all(not(loom), any(feature = "smoltcp", feature = "embassy-net-driver")))]
pub mod device;
#[cfg(not(loom))]
mod edge_triggered;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod gather;
#[cfg(not(loom))]
mod geometry;
#[cfg(not(loom))]
pub mod guide;
#[allow(unsafe_code)]
pub mod handoff;
#[cfg(not(loom))]
mod interface;
#[cfg(not(loom))]
pub mod lifecycle;
#[cfg(not(loom))]
mod link_watch;
#[cfg(not(loom))]
pub mod packet;
#[cfg(not(loom))]
mod raw_fd;
#[allow(unsafe_code)]
pub mod ring;
#[allow(unsafe_code)]
pub mod sync;
#[cfg(not(loom))]
#[allow(unsafe_code)]
mod sys;
#[cfg(not(loom))]
mod wait;
#[cfg(not(loom))]
pub mod xdp;

#[cfg(not(loom))]
pub use self::error::{Error, Operation, Unsent};
#[cfg(not(loom))]
pub use self::geometry::InvalidGeometry;
#[cfg(not(loom))]
pub use self::wait::{Deadline, OnSignal, Wake};
