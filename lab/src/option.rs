//! Socket options of four bytes, past the library: to see what it has set, and to set what it does not.
//!
//! # Safety
//!
//! [`option`] and [`set_option`] hand the kernel a pointer to four bytes, and say that they are four.

#![allow(unsafe_code)]

use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Errno;
use syscalls::{Sysno, syscall};

use crate::LabError;

fn told(doing: &'static str) -> impl Fn(syscalls::Errno) -> LabError {
    move |errno| LabError::doing(doing)(Errno::from_raw_os_error(errno.into_raw()))
}

/// What the kernel holds of an option.
pub fn option(socket: impl AsFd, level: u32, name: u32) -> Result<u32, LabError> {
    let (mut value, mut len) = (u32::MAX, size_of::<u32>() as u32);
    // SAFETY: the kernel writes at most `len` bytes to `value`, and four to `len`.
    unsafe {
        syscall!(
            Sysno::getsockopt,
            socket.as_fd().as_raw_fd(),
            level,
            name,
            &raw mut value,
            &raw mut len
        )
    }
    .map_err(told("read a socket option"))?;
    Ok(value)
}

/// Sets an option.
pub fn set_option(socket: impl AsFd, level: u32, name: u32, value: u32) -> Result<(), LabError> {
    // SAFETY: the kernel reads the four bytes of `value`.
    unsafe {
        syscall!(
            Sysno::setsockopt,
            socket.as_fd().as_raw_fd(),
            level,
            name,
            &raw const value,
            size_of::<u32>()
        )
    }
    .map_err(told("set a socket option"))?;
    Ok(())
}
