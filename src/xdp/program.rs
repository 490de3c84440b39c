//! Loaded programs.

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{AttachError, AttachMode, Attachment, Interface, object};
use crate::error::Error;
use crate::sys::bpf;

/// An XDP program in the kernel. It runs where it is [attached](Self::attach), and does not need this handle
/// for that.
#[doc(alias = "BPF_PROG_TYPE_XDP")]
#[derive(Debug)]
pub struct Program {
    fd: OwnedFd,
}

impl Program {
    pub(super) fn from_loaded(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Takes an XDP program that another library or another process has loaded.
    ///
    /// `bpf(BPF_OBJ_GET_INFO_BY_FD)` makes sure that it is one. The descriptor is closed where it is not.
    ///
    /// # Errors
    ///
    /// [`Error::NotXdpProgram`].
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        object::known(bpf::xdp_program(fd.as_fd()))?.ok_or(Error::NotXdpProgram)?;
        Ok(Self { fd })
    }

    /// Opens the program with this name in a bpffs. `bpf(BPF_OBJ_GET)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: ENOENT where there is no such name, EACCES where its mode forbids it.
    /// [`Error::NotXdpProgram`].
    #[doc(alias = "BPF_OBJ_GET")]
    pub fn open(path: &CStr) -> Result<Self, Error> {
        Self::from_fd(object::open_pinned(path)?)
    }

    /// Gives the program a name in a bpffs, which keeps it when the process ends. `bpf(BPF_OBJ_PIN)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EEXIST where the name is taken, EPERM where the place is in no bpffs.
    #[doc(alias = "BPF_OBJ_PIN")]
    pub fn pin(&self, path: &CStr) -> Result<(), Error> {
        object::pin(self.as_fd(), path)
    }

    /// The kernel's number for the program, as `bpftool prog` and `ip link` show it.
    /// `bpf(BPF_OBJ_GET_INFO_BY_FD)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn id(&self) -> Result<u32, Error> {
        let (id, _) = object::known(bpf::xdp_program(self.as_fd()))?.ok_or(Error::NotXdpProgram)?;
        Ok(id)
    }

    /// Attaches the program to an interface, which has none yet, until the attachment is dropped.
    ///
    /// `bpf(BPF_LINK_CREATE)`, Linux 5.9; where it is refused, what [`Occupant::of`](super::Occupant::of)
    /// calls. The interface is one of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`AttachError`], of which the error is one of these. [`Error::Occupied`] says which program is there: an interface has one, and native and generic ones
    /// exclude each other. [`Error::NoSuchInterface`]. [`Error::System`]: EOPNOTSUPP where the driver has no
    /// native mode; ERANGE where the MTU is too large for a program without
    /// [`fragments`](super::Redirect::fragments); EPERM without CAP_NET_ADMIN.
    #[doc(alias = "BPF_LINK_CREATE")]
    pub fn attach(
        &self,
        interface: Interface,
        mode: AttachMode,
    ) -> Result<Attachment, AttachError> {
        Attachment::create(self, interface, mode)
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Program> for OwnedFd {
    fn from(program: Program) -> Self {
        program.fd
    }
}
