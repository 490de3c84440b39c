//! AF_XDP: rings of descriptors over memory that the program and the kernel share.
//!
//! # Programs
//!
//! Packets reach a socket by an XDP program on the interface, which redirects those of each queue to the
//! socket that an [`Xskmap`] has for it. [`Redirect`] says what the program is to do, with a filter of classic
//! BPF if need be (any expression of tcpdump's); [`Redirect::load`] translates and loads it as a [`Program`];
//! [`Program::attach`] makes an [`Attachment`], which detaches when it is dropped. Maps, programs and links of
//! other libraries are taken as descriptors: `from_fd`.
//!
//! | | [`AttachMode::Native`] | [`AttachMode::Generic`] | [`AttachMode::Either`] |
//! |---|---|---|---|
//! | the driver knows XDP | native | generic | native |
//! | it does not (loopback, dummy) | EOPNOTSUPP | generic | generic |
//! | the MTU is too large for one piece (veth: above some 3,500) | ERANGE without [`fragments`](Redirect::fragments) | generic | as native |
//! | a program is there, in the same mode | [`Error::Occupied`] (EBUSY) | the same | the same |
//! | one is there, in the other mode | `Occupied` (EEXIST) | the same | by the mode |
//!
//! Loading takes CAP_BPF and CAP_NET_ADMIN in the host's user namespace, and CAP_PERFMON for most filters:
//! `sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon=ep PROGRAM`. Who gets the descriptors from
//! somebody with these rights needs none of them. bpf_link needs Linux 5.9.
//!
//! See the [kernel's document](https://docs.kernel.org/networking/af_xdp.html).

mod attachment;
mod occupant;
mod program;
mod redirect;
mod translate;
mod xskmap;

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;

pub use self::attachment::{AttachError, AttachMode, Attachment};
pub use self::occupant::{AttachedMode, Occupant};
pub use self::program::Program;
pub use self::redirect::{LoadError, Redirect, Rejected};
pub use self::translate::Untranslatable;
pub use self::xskmap::Xskmap;
use crate::error::{Error, Operation};
pub use crate::interface::{Interface, LinkState, Queues};
use crate::sys::bpf;

/// What the kernel tells of an object; EINVAL is what it says of descriptors of other kinds.
fn known<T>(told: Result<Option<T>, Errno>) -> Result<Option<T>, Error> {
    match told {
        Err(Errno::INVAL) => Ok(None),
        told => told.map_err(Error::system(Operation::ReadObject)),
    }
}

fn open_pinned(path: &CStr) -> Result<OwnedFd, Error> {
    bpf::open_pinned(path).map_err(Error::system(Operation::OpenPinned))
}

fn pin(object: BorrowedFd<'_>, path: &CStr) -> Result<(), Error> {
    bpf::pin(object, path).map_err(Error::system(Operation::Pin))
}
