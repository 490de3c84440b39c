//! Loading eBPF programs, which only the privileged may where
//! `kernel.unprivileged_bpf_disabled` says so.

use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::LabError;
use crate::bpf::{self, is_root_of_the_host};

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

/// Loads a program of type `BPF_PROG_TYPE_SOCKET_FILTER`; `None` for an ordinary user, root of a user
/// namespace, whom the system keeps from it (`EPERM`).
///
/// # Errors
/// The host's root is told what the kernel answered, `EPERM` too.
///
/// # References
/// [bpf(2)](https://man7.org/linux/man-pages/man2/bpf.2.html)
pub fn load_socket_filter(program: &[EbpfInstruction]) -> Result<Option<OwnedFd>, LabError> {
    load_where_permitted(bpf::SOCKET_FILTER, program)
}

/// Loads a program of type `BPF_PROG_TYPE_XDP`, with the same exception.
///
/// # Errors
/// As [`load_socket_filter`].
pub fn load_xdp_program(program: &[EbpfInstruction]) -> Result<Option<OwnedFd>, LabError> {
    load_where_permitted(bpf::PROG_TYPE_XDP, program)
}

fn load_where_permitted(
    program_type: u32,
    program: &[EbpfInstruction],
) -> Result<Option<OwnedFd>, LabError> {
    match bpf::load(program_type, 0, program) {
        Ok(program) => Ok(Some(program)),
        Err(Errno::PERM) if !is_root_of_the_host()? => Ok(None),
        Err(errno) => Err(LabError::doing("load an eBPF program")(errno)),
    }
}
