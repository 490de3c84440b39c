//! Switching an interface's offloads, through the ethtool ioctl: what a wire would show instead of what the kernel saves.

#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ptr;

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl};

use crate::LabError;

/// An offload that a veth pair can do without.
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
#[allow(missing_docs, reason = "on is on, off is off")]
pub enum State {
    On,
    Off,
}

/// From linux/sockios.h.
const SIOCETHTOOL: Opcode = 0x8946;
/// `ETHTOOL_*` commands and `ETH_FLAG_*` bits of linux/ethtool.h.
const SET_TX_CHECKSUM: u32 = 0x17;
const SET_TSO: u32 = 0x1f;
const GET_FLAGS: u32 = 0x25;
const SET_FLAGS: u32 = 0x26;
const SET_GRO: u32 = 0x2c;
const FLAG_TX_VLAN: u32 = 1 << 7;
const FLAG_RX_VLAN: u32 = 1 << 8;

/// Applies `state` to the interface `name` of the namespace that the socket `fd` is in.
pub(crate) fn set(
    fd: impl AsFd,
    name: &str,
    offload: Offload,
    state: State,
) -> Result<(), LabError> {
    let on = u32::from(state == State::On);
    let simple = |command| ethtool(&fd, name, command, on).map(drop);
    match offload {
        Offload::TransmitChecksum => simple(SET_TX_CHECKSUM),
        Offload::Segmentation => simple(SET_TSO),
        Offload::ReceiveMerging => simple(SET_GRO),
        Offload::VlanReceive => set_flag(&fd, name, FLAG_RX_VLAN, on),
        Offload::VlanTransmit => set_flag(&fd, name, FLAG_TX_VLAN, on),
    }
    .map_err(LabError::doing("switch an offload"))
}

fn set_flag(fd: impl AsFd, name: &str, flag: u32, on: u32) -> Result<(), Errno> {
    let flags = ethtool(&fd, name, GET_FLAGS, 0)?;
    let wanted = if on == 1 { flags | flag } else { flags & !flag };
    ethtool(&fd, name, SET_FLAGS, wanted).map(drop)
}

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `struct ifreq` with its pointer member; the union's longest member is 24 bytes on 64-bit kernels.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: *mut c_void,
    rest_of_union: [u64; 2],
}

fn ethtool(fd: impl AsFd, name: &str, command: u32, data: u32) -> Result<u32, Errno> {
    let mut value = Value { command, data };
    let mut request = Request {
        name: [0; 16],
        data: ptr::from_mut(&mut value).cast(),
        rest_of_union: [0; 2],
    };
    // The last byte stays 0, the end of the string.
    request.name[..15]
        .get_mut(..name.len())
        .ok_or(Errno::NODEV)?
        .copy_from_slice(name.as_bytes());
    // SAFETY: SIOCETHTOOL takes a `struct ifreq`, which `Request` is in layout and size.
    let update = unsafe { Updater::<SIOCETHTOOL, Request>::new(&mut request) };
    // SAFETY: the kernel follows `data` to the 8 bytes of a `struct ethtool_value`, all that the commands of this file
    // read or write; `value` is live and not referenced until the call has returned.
    unsafe { ioctl(fd, update) }?;
    Ok(value.data)
}
