//! The standard output and the standard error.
//!
//! # Safety
//!
//! The program asks `are_open` before it opens anything, and ends where they are not; nobody closes them. Where they
//! are not, only that call and the word of it use their numbers, which then are nobody's.
#![allow(unsafe_code)]

use rustix::fd::BorrowedFd;
use rustix::io::{Errno, IoSlice, fcntl_getfd, retry_on_intr, write, writev};
use rustix::stdio::{stderr, stdout};

/// Both are open. A socket would get the number of one that is not, and a capture be written into it.
pub(crate) fn are_open() -> Result<(), Errno> {
    fcntl_getfd(errors())?;
    fcntl_getfd(output()).map(drop)
}

/// Writes all pieces to the standard output, one behind the other.
pub(crate) fn print(pieces: &[&[u8]; 5]) -> Result<(), Errno> {
    let mut written = retry_on_intr(|| writev(output(), &pieces.map(IoSlice::new)))?;
    // A write to a full pipe that a stop and a continue came across is cut short: the rest goes the slow way.
    for piece in pieces {
        let before = written.min(piece.len());
        written -= before;
        write_all(output(), &piece[before..])?;
    }
    Ok(())
}

/// Writes text to the standard error, as far as it can be.
pub(crate) fn say(pieces: &[&str]) {
    for piece in pieces {
        let _unheard = write_all(errors(), piece.as_bytes());
    }
}

/// A number in digits.
pub(crate) struct Decimal {
    digits: [u8; 20],
    first: usize,
}

impl Decimal {
    pub(crate) fn new(mut number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        for (i, digit) in digits.iter_mut().enumerate().rev() {
            *digit += (number % 10) as u8;
            first = i;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        Self { digits, first }
    }

    pub(crate) fn text(&self) -> &str {
        core::str::from_utf8(&self.digits[self.first..]).unwrap_or_default()
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = retry_on_intr(|| write(to, bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

fn output() -> BorrowedFd<'static> {
    // SAFETY: it is open and stays open, or nobody's.
    unsafe { stdout() }
}

fn errors() -> BorrowedFd<'static> {
    // SAFETY: it is open and stays open, or nobody's.
    unsafe { stderr() }
}
