//! Classic BPF programs as socket options: `SO_ATTACH_FILTER`.
//!
//! # Safety
//!
//! [`Program`] is the kernel's `struct sock_fprog`: a count and a pointer to as many instructions,
//! which the kernel copies during the call.

use core::ffi::c_ushort;

use linux_raw_sys::net::{SO_ATTACH_FILTER, SOL_SOCKET};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use static_assertions::assert_eq_size;
use syscalls::{Sysno, syscall};

use super::sockopt::errno;
use crate::bpf::Instruction;

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    len: c_ushort,
    instructions: *const Instruction,
}

assert_eq_size!(Program, linux_raw_sys::ptrace::sock_fprog);

/// Attaches a classic BPF program, in place of the one that was there.
pub(crate) fn attach_filter(fd: BorrowedFd<'_>, program: &[Instruction]) -> Result<(), Errno> {
    set_program(fd, SOL_SOCKET, SO_ATTACH_FILTER, program)
}

/// `setsockopt(fd, level, name)` with a classic BPF program.
pub(super) fn set_program(
    fd: BorrowedFd<'_>,
    level: u32,
    name: u32,
    program: &[Instruction],
) -> Result<(), Errno> {
    let len = c_ushort::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = Program {
        len,
        instructions: program.as_ptr(),
    };
    // SAFETY: `program` and the instructions it points at are initialised and live through the call;
    // the kernel only reads them.
    let done = unsafe {
        syscall!(
            Sysno::setsockopt,
            fd.as_raw_fd(),
            level,
            name,
            &raw const program,
            size_of::<Program>()
        )
    };
    done.map(drop).map_err(errno)
}
