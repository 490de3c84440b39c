//! Switching an interface's offloads, through the ethtool ioctl: what a wire would show instead of
//! what the kernel saves.

#![allow(unsafe_code)]

use rustix::fd::AsFd;
use rustix::io::Errno;

use crate::{LabError, ethtool};

/// An offload that a veth pair can do without.
///
/// The two of VLAN tags are for XDP programs, which see no tag that travels beside its frame. To a
/// packet socket they make no difference: the kernel takes the outer tag out of every received
/// frame before packet sockets see it, and of sent frames they see what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offload {
    /// `rx-vlan-hw-parse`: the VLAN tag of a received frame is taken out and carried beside it.
    VlanReceive,
    /// `tx-vlan-hw-insert`: the VLAN tag of a sent frame is carried beside it.
    VlanTransmit,
    /// `tx-checksumming`: checksums are left to the interface, which on a veth never computes them.
    TransmitChecksum,
    /// `tcp-segmentation-offload`: segments above the MTU are left to the interface to cut.
    Segmentation,
    /// `generic-receive-offload`: received segments are joined.
    ReceiveMerging,
}

/// What to set an [`Offload`] to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The interface, or the kernel for it, does the work.
    On,
    /// The work is done before the frame is sent, or after it was received.
    Off,
}

/// `ETHTOOL_*` commands and `ETH_FLAG_*` bits of linux/ethtool.h.
const GET_TX_CHECKSUM: u32 = 0x16;
const SET_TX_CHECKSUM: u32 = 0x17;
const GET_TSO: u32 = 0x1e;
const SET_TSO: u32 = 0x1f;
const GET_FLAGS: u32 = 0x25;
const SET_FLAGS: u32 = 0x26;
const GET_GRO: u32 = 0x2b;
const SET_GRO: u32 = 0x2c;
const FLAG_TX_VLAN: u32 = 1 << 7;
const FLAG_RX_VLAN: u32 = 1 << 8;

/// How ethtool reads and writes one offload: as a bit of a word that it shares with others, or as a
/// word of 0 or 1.
struct Switch {
    get: u32,
    set: u32,
    bit: u32,
}

impl Offload {
    const fn switch(self) -> Switch {
        let (get, set, bit) = match self {
            Self::VlanReceive => (GET_FLAGS, SET_FLAGS, FLAG_RX_VLAN),
            Self::VlanTransmit => (GET_FLAGS, SET_FLAGS, FLAG_TX_VLAN),
            Self::TransmitChecksum => (GET_TX_CHECKSUM, SET_TX_CHECKSUM, 1),
            Self::Segmentation => (GET_TSO, SET_TSO, 1),
            Self::ReceiveMerging => (GET_GRO, SET_GRO, 1),
        };
        Switch { get, set, bit }
    }
}

/// Applies `state` to the interface `name` of the namespace that the socket `fd` is in.
pub(crate) fn set(
    fd: impl AsFd,
    name: &str,
    offload: Offload,
    state: State,
) -> Result<(), LabError> {
    let Switch { get, set, bit } = offload.switch();
    let doing = LabError::doing("switch an offload");
    let word = self::word(&fd, name, get, 0).map_err(&doing)?;
    let wanted = match state {
        State::On => word | bit,
        State::Off => word & !bit,
    };
    self::word(&fd, name, set, wanted).map(drop).map_err(doing)
}

/// The present state.
pub(crate) fn get(fd: impl AsFd, name: &str, offload: Offload) -> Result<State, LabError> {
    let Switch { get, bit, .. } = offload.switch();
    let word = self::word(fd, name, get, 0).map_err(LabError::doing("ask for an offload"))?;
    Ok(if word & bit == 0 {
        State::Off
    } else {
        State::On
    })
}

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

fn word(fd: impl AsFd, name: &str, command: u32, data: u32) -> Result<u32, Errno> {
    let mut value = Value { command, data };
    // SAFETY: a `struct ethtool_value` is all that the commands of this file read or write.
    unsafe { ethtool::ask(fd, name, &mut value) }?;
    Ok(value.data)
}
