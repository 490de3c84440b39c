//! Loading eBPF programs, which only the privileged may where
//! `kernel.unprivileged_bpf_disabled` says so.

#![allow(unsafe_code)]

use core::mem::size_of;
use core::ptr;
use std::fs;

use rustix::fd::{FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;
use syscalls::{Sysno, syscall};

use crate::LabError;

/// One eBPF instruction: `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "bpf_insn")]
pub struct EbpfInstruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

impl EbpfInstruction {
    /// An instruction that works on registers, with the offset of a jump or of memory and an operand.
    pub const fn new(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Self {
        // Bit fields: the first lies where the byte order begins.
        let registers = if cfg!(target_endian = "little") {
            source << 4 | destination
        } else {
            destination << 4 | source
        };
        Self {
            code,
            registers,
            offset,
            immediate,
        }
    }
}

/// The members of `union bpf_attr` that loading a program needs.
#[repr(C)]
struct Load {
    program_type: u32,
    instructions_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
}

/// `BPF_PROG_LOAD`.
const PROG_LOAD: u32 = 5;
/// `BPF_PROG_TYPE_SOCKET_FILTER`.
const SOCKET_FILTER: u32 = 1;
/// `BPF_PROG_TYPE_XDP`.
const XDP: u32 = 6;

/// Loads a program of type `BPF_PROG_TYPE_SOCKET_FILTER`; `None` for an ordinary user, root of a user
/// namespace, whom the system keeps from it (`EPERM`).
///
/// # Errors
/// The host's root is told what the kernel answered, `EPERM` too.
///
/// # References
/// [bpf(2)](https://man7.org/linux/man-pages/man2/bpf.2.html)
pub fn load_socket_filter(program: &[EbpfInstruction]) -> Result<Option<OwnedFd>, LabError> {
    load_where_permitted(SOCKET_FILTER, program)
}

/// Loads a program of type `BPF_PROG_TYPE_XDP`, with the same exception.
///
/// # Errors
/// As [`load_socket_filter`].
pub fn load_xdp_program(program: &[EbpfInstruction]) -> Result<Option<OwnedFd>, LabError> {
    load_where_permitted(XDP, program)
}

fn load_where_permitted(
    program_type: u32,
    program: &[EbpfInstruction],
) -> Result<Option<OwnedFd>, LabError> {
    match load(program_type, program) {
        Ok(program) => Ok(Some(program)),
        Err(Errno::PERM) if !is_root_of_the_host()? => Ok(None),
        Err(errno) => Err(LabError::doing("load an eBPF program")(errno)),
    }
}

/// Whether the process is in the host's user namespace: every user is mapped to itself.
fn is_root_of_the_host() -> Result<bool, LabError> {
    let map = fs::read_to_string("/proc/self/uid_map")
        .map_err(LabError::doing_io("read the user namespace's map"))?;
    Ok(map.split_whitespace().eq(["0", "0", "4294967295"]))
}

fn load(program_type: u32, program: &[EbpfInstruction]) -> Result<OwnedFd, Errno> {
    let load = Load {
        program_type,
        instructions_count: u32::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: program.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
    };
    // SAFETY: the kernel reads `load`, the instructions and the license, all of which live through the
    // call, and without a log it writes nothing.
    let loaded = unsafe {
        syscall!(
            Sysno::bpf,
            PROG_LOAD,
            ptr::from_ref(&load),
            size_of::<Load>()
        )
    };
    let fd = loaded.map_err(|errno| Errno::from_raw_os_error(errno.into_raw()))?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}
