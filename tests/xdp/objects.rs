//! Objects that this library has not made, and errors.

#![allow(dead_code, reason = "each test file uses its own part")]

use packet_ring::{Error, Operation};
use packet_ring_lab::suite::Stopped;
use packet_ring_lab::{EbpfInstruction, load_xdp};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

pub(crate) fn refused(operation: Operation, errno: Errno) -> Error {
    Error::System { operation, errno }
}

pub(crate) fn xdp_socket() -> Result<OwnedFd, Errno> {
    socket_with(
        AddressFamily::XDP,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// A program of another library: `return XDP_PASS`.
pub(crate) fn foreign_program() -> Result<OwnedFd, Stopped> {
    Ok(load_xdp(&[
        EbpfInstruction::new(0xb7, 0, 0, 0, 2),
        EbpfInstruction::new(0x95, 0, 0, 0, 0),
    ])?)
}
