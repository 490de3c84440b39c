//! The socket's filter: `SO_ATTACH_FILTER` and its kin.
//!
//! # Safety
//!
//! [`Program`] is the kernel's `struct sock_fprog`: a count and a pointer to as many instructions,
//! which the kernel copies during the call.

use core::ffi::{c_int, c_ushort};

use linux_raw_sys::net::{
    SO_ATTACH_BPF, SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER, SOL_SOCKET,
};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use rustix::thread::{MembarrierCommand, membarrier};
use static_assertions::assert_eq_size;
use syscalls::{Sysno, syscall};

use super::sockopt::{errno, set_at};
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

/// Attaches an eBPF program, in place of the filter that was there.
pub(crate) fn attach_ebpf(fd: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), Errno> {
    set_at(fd, SOL_SOCKET, SO_ATTACH_BPF, &program.as_raw_fd())
}

/// Takes the filter away, of whichever kind.
pub(crate) fn detach_filter(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    const UNUSED: c_int = 0;
    set_at(fd, SOL_SOCKET, SO_DETACH_FILTER, &UNUSED)
}

/// Keeps the filter, or that there is none, for as long as the socket lives.
pub(crate) fn lock_filter(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    const LOCKED: c_int = 1;
    set_at(fd, SOL_SOCKET, SO_LOCK_FILTER, &LOCKED)
}

/// Waits until no processor runs a filter, or uses the verdict of one, that was replaced before.
///
/// The kernel runs a socket's filter and stores the packet in one RCU read-side critical section, and
/// `MEMBARRIER_CMD_GLOBAL` waits until every such section has ended that had begun.
pub(crate) fn wait_for_readers() -> Result<(), Errno> {
    membarrier(MembarrierCommand::Global)
}
