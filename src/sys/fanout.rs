//! Fanout groups: joining them, and what can be asked and told of them afterwards.

use core::ffi::c_int;

use linux_raw_sys::if_packet as raw;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use static_assertions::assert_eq_size;

use super::filter::set_program;
use super::sockopt::{Answer, OptionValue, get, set};
use crate::bpf::Instruction;

pub(crate) use linux_raw_sys::if_packet::tpacket_rollover_stats as RolloverCounts;

/// `struct fanout_args`: the group in the low half of the first word, the mode and the flags in its
/// high half, on machines of either byte order; then the maximum of members.
type FanoutArgs = [u32; 2];
assert_eq_size!(FanoutArgs, raw::fanout_args);
impl OptionValue for FanoutArgs {}

impl Answer for RolloverCounts {}

/// `PACKET_FANOUT`: joins a group, and makes it where there is none.
///
/// Without a maximum the argument is the one word that Linux before 5.11 takes.
pub(crate) fn join_fanout(
    fd: BorrowedFd<'_>,
    group: u16,
    mode_and_flags: u16,
    max_members: Option<u16>,
) -> Result<(), Errno> {
    let word = u32::from(mode_and_flags) << 16 | u32::from(group);
    match max_members {
        None => set(fd, raw::PACKET_FANOUT, &word),
        Some(max) => set(fd, raw::PACKET_FANOUT, &[word, max.into()]),
    }
}

/// `PACKET_FANOUT`: the group of a member.
pub(crate) fn fanout_group(fd: BorrowedFd<'_>) -> Result<u16, Errno> {
    let word: u32 = get(fd, raw::PACKET_FANOUT, 0)?;
    Ok(word as u16)
}

/// `PACKET_IGNORE_OUTGOING`: whether the socket was told to; it was not where the kernel has no such
/// option.
pub(crate) fn ignores_outgoing(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    match get::<u32>(fd, raw::PACKET_IGNORE_OUTGOING, 0) {
        Ok(value) => Ok(value != 0),
        Err(Errno::NOPROTOOPT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// `PACKET_FANOUT_DATA`: the program of a group whose mode is classic BPF.
pub(crate) fn set_fanout_program(fd: BorrowedFd<'_>, program: &[Instruction]) -> Result<(), Errno> {
    set_program(
        fd,
        linux_raw_sys::net::SOL_PACKET,
        raw::PACKET_FANOUT_DATA,
        program,
    )
}

/// `PACKET_FANOUT_DATA`: the program of a group whose mode is eBPF.
pub(crate) fn set_fanout_ebpf(fd: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    let program: c_int = program.as_raw_fd();
    set(fd, raw::PACKET_FANOUT_DATA, &program)
}

/// `PACKET_ROLLOVER_STATS`.
pub(crate) fn rollover_statistics(fd: BorrowedFd<'_>) -> Result<RolloverCounts, Errno> {
    let none = RolloverCounts {
        tp_all: 0,
        tp_huge: 0,
        tp_failed: 0,
    };
    get(fd, raw::PACKET_ROLLOVER_STATS, none)
}
