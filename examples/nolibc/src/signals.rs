//! Signals as something to wait for beside packets: no handler, so no moment in which one is missed.
//!
//! # Safety
//!
//! Each system call reads the set, a value of the kernel's own layout, and writes nothing.
#![allow(unsafe_code)]

use core::ptr;

use linux_raw_sys::general::{
    O_CLOEXEC, SIG_BLOCK, SIGINT, SIGPIPE, SIGTERM, kernel_sigset_t as Set,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use syscalls::{Sysno, syscall};

/// AF_XDP does not tell when the interface goes: the program looks as often as this.
const NAP: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// SIGINT and SIGTERM.
pub(crate) struct Signals(OwnedFd);

impl Signals {
    /// Has them wait instead of ending the program; SIGPIPE too, so that writing fails with EPIPE.
    pub(crate) fn hold() -> Result<Self, Errno> {
        change_mask(&set(&[SIGINT, SIGTERM, SIGPIPE]))?;
        signalfd(&set(&[SIGINT, SIGTERM])).map(Self)
    }

    /// Sleeps until there is something to receive, or a second has passed. Whether to go on.
    pub(crate) fn wait_beside(&self, socket: &impl AsFd) -> Result<bool, Errno> {
        let mut both = [
            PollFd::new(socket, PollFlags::IN),
            PollFd::new(&self.0, PollFlags::IN),
        ];
        poll(&mut both, Some(&NAP))?;
        Ok(both[1].revents().is_empty())
    }
}

fn set(signals: &[u32]) -> Set {
    let bits = signals
        .iter()
        .fold(0, |bits, signal| bits | 1 << (signal - 1));
    Set { sig: [bits] }
}

fn change_mask(set: &Set) -> Result<(), Errno> {
    let (set, size) = (ptr::from_ref(set), size_of::<Set>());
    // SAFETY: a whole set, and nowhere to write the old one.
    let done = unsafe { syscall!(Sysno::rt_sigprocmask, SIG_BLOCK, set, 0, size) };
    done.map(drop).map_err(errno)
}

fn signalfd(set: &Set) -> Result<OwnedFd, Errno> {
    let (set, size) = (ptr::from_ref(set), size_of::<Set>());
    // SAFETY: a whole set; -1 asks for a new descriptor.
    let fd = unsafe { syscall!(Sysno::signalfd4, -1_i32, set, size, O_CLOEXEC) }.map_err(errno)?;
    // SAFETY: the descriptor is new, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn errno(error: syscalls::Errno) -> Errno {
    Errno::from_raw_os_error(error.into_raw())
}
