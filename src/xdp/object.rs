//! What maps, programs and links have in common: each is a descriptor of a BPF object, and can have a name.

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;

use crate::error::{Error, Operation};
use crate::sys::bpf;

/// What the kernel tells of an object; EINVAL is what it says of descriptors of other kinds.
pub(super) fn known<T>(told: Result<Option<T>, Errno>) -> Result<Option<T>, Error> {
    match told {
        Err(Errno::INVAL) => Ok(None),
        told => told.map_err(Error::system(Operation::ReadObject)),
    }
}

pub(super) fn open_pinned(path: &CStr) -> Result<OwnedFd, Error> {
    bpf::open_pinned(path).map_err(Error::system(Operation::OpenPinned))
}

pub(super) fn pin(object: BorrowedFd<'_>, path: &CStr) -> Result<(), Error> {
    bpf::pin(object, path).map_err(Error::system(Operation::Pin))
}
