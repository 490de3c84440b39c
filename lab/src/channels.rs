//! How many queues of an interface are in use.

#![allow(unsafe_code)]

use rustix::fd::AsFd;

use crate::{LabError, ethtool};

/// From linux/ethtool.h.
const SET_CHANNELS: u32 = 0x3d;

/// `struct ethtool_channels`.
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    most: [u32; 4],
    receive: u32,
    transmit: u32,
    other: u32,
    combined: u32,
}

/// Sets the numbers for the interface `name` of the namespace that the socket `fd` is in.
pub(crate) fn set(fd: impl AsFd, name: &str, receive: u32, transmit: u32) -> Result<(), LabError> {
    let mut channels = Channels {
        command: SET_CHANNELS,
        receive,
        transmit,
        ..Channels::default()
    };
    // SAFETY: the structure of this command.
    unsafe { ethtool::ask(fd, name, &mut channels) }
        .map_err(LabError::doing("set how many queues are in use"))
}
