//! Loading eBPF socket filters, which only the privileged may where
//! `kernel.unprivileged_bpf_disabled` says so.

#![allow(unsafe_code)]

use core::mem::size_of;
use core::ptr;

use rustix::fd::{FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;
use syscalls::{Sysno, syscall};

use crate::LabError;

/// One eBPF instruction: `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "bpf_insn")]
pub struct EbpfInstruction {
    /// What it does.
    pub code: u8,
    /// The destination register in the low half, the source register in the high one.
    pub registers: u8,
    /// The offset of a jump or of memory.
    pub offset: i16,
    /// The operand.
    pub immediate: i32,
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

/// Loads a program of type `BPF_PROG_TYPE_SOCKET_FILTER`.
///
/// # Errors
/// `EPERM` for an ordinary user, in a user namespace too.
///
/// # References
/// [bpf(2)](https://man7.org/linux/man-pages/man2/bpf.2.html)
pub fn load_socket_filter(program: &[EbpfInstruction]) -> Result<OwnedFd, LabError> {
    let doing = LabError::doing("load an eBPF program");
    let load = Load {
        program_type: SOCKET_FILTER,
        instructions_count: u32::try_from(program.len()).map_err(|_| doing(Errno::TOOBIG))?,
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
    let fd = loaded.map_err(|error| doing(Errno::from_raw_os_error(error.into_raw())))?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}
