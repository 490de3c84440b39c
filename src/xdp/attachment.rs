//! Attached programs: a bpf_link each.

use core::ffi::CStr;
use core::fmt;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::occupant::{self, AttachedMode, Occupant};
use super::{Interface, Program, object};
use crate::abi::bpf::{XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};
use crate::error::{Error, Operation};
use crate::sys::bpf;

/// Where a program is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttachMode {
    /// In the driver, or nowhere: `XDP_FLAGS_DRV_MODE`.
    #[doc(alias = "XDP_FLAGS_DRV_MODE")]
    Native,
    /// In the network stack, which every interface can: `XDP_FLAGS_SKB_MODE`.
    #[doc(alias = "XDP_FLAGS_SKB_MODE")]
    Generic,
    /// In the driver where it knows XDP, else in the network stack: the kernel chooses by the driver alone,
    /// and does not fall back where a driver that knows XDP refuses.
    /// [`Attachment::mode`] says which it was.
    Either,
}

impl AttachMode {
    const fn flags(self) -> u32 {
        match self {
            Self::Native => XDP_FLAGS_DRV_MODE,
            Self::Generic => XDP_FLAGS_SKB_MODE,
            Self::Either => 0,
        }
    }
}

/// A program that is attached to an interface: a bpf_link, which detaches it when the last handle is gone.
///
/// Dropping this detaches, unless the link was [pinned](Self::pin), its descriptor duplicated, or a child
/// forked that has it still. When the process ends, however it does, the kernel drops it.
#[doc(alias = "bpf_link")]
#[derive(Debug)]
pub struct Attachment {
    fd: OwnedFd,
}

impl Attachment {
    pub(super) fn create(
        program: &Program,
        interface: Interface,
        mode: AttachMode,
    ) -> Result<Self, AttachError> {
        match bpf::create_link(program.as_fd(), interface.index(), mode.flags()) {
            Ok(fd) => Ok(Self { fd }),
            Err(errno) => Err(AttachError::new(interface, errno)),
        }
    }

    /// Takes the XDP link that another library or another process has made.
    ///
    /// `bpf(BPF_OBJ_GET_INFO_BY_FD)` makes sure that it is one. The descriptor is closed where it is not.
    ///
    /// # Errors
    ///
    /// [`Error::NotXdpLink`].
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        object::known(bpf::xdp_link(fd.as_fd()))?.ok_or(Error::NotXdpLink)?;
        Ok(Self { fd })
    }

    /// Opens the link with this name in a bpffs. `bpf(BPF_OBJ_GET)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: ENOENT where there is no such name, EACCES where its mode forbids it.
    /// [`Error::NotXdpLink`].
    #[doc(alias = "BPF_OBJ_GET")]
    pub fn open(path: &CStr) -> Result<Self, Error> {
        Self::from_fd(object::open_pinned(path)?)
    }

    /// Gives the link a name in a bpffs: the program stays attached when this is dropped and the process
    /// ends, until the name is removed (`unlink`). `bpf(BPF_OBJ_PIN)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EEXIST where the name is taken, EPERM where the place is in no bpffs.
    #[doc(alias = "BPF_OBJ_PIN")]
    pub fn pin(&self, path: &CStr) -> Result<(), Error> {
        object::pin(self.as_fd(), path)
    }

    /// Puts another program in the place of the one that is attached, between one packet and the next.
    ///
    /// `expected` is the program that is there now: where another process has put its own there, nothing
    /// changes. `bpf(BPF_LINK_UPDATE)` with `BPF_F_REPLACE`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EPERM where another program than `expected` is attached; ENOLINK where the
    /// interface is gone or the link was detached; EINVAL where one of the programs was loaded for another
    /// kind of attachment.
    #[doc(alias = "BPF_LINK_UPDATE")]
    #[doc(alias = "BPF_F_REPLACE")]
    pub fn replace(&self, expected: &Program, program: &Program) -> Result<(), Error> {
        bpf::update_link(self.as_fd(), expected.as_fd(), program.as_fd())
            .map_err(Error::system(Operation::ReplaceProgram))
    }

    /// Detaches the program now, whoever else holds the link or has pinned it.
    ///
    /// `bpf(BPF_LINK_DETACH)`, Linux 5.9.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    #[doc(alias = "BPF_LINK_DETACH")]
    pub fn detach(self) -> Result<(), Error> {
        bpf::detach_link(self.as_fd()).map_err(Error::system(Operation::DetachProgram))
    }

    /// The interface that the program is attached to; `None` where it is gone, or the link was detached. In
    /// another network namespace than the interface's the number means another interface.
    ///
    /// `bpf(BPF_OBJ_GET_INFO_BY_FD)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn interface(&self) -> Result<Option<Interface>, Error> {
        let (_, interface) = self.program_and_interface()?;
        Ok(Interface::by_index(interface))
    }

    /// Where the program runs: what [`AttachMode::Either`] has come to.
    ///
    /// `bpf(BPF_OBJ_GET_INFO_BY_FD)` and rtnetlink (`RTM_GETLINK`), in the network namespace of the calling
    /// thread, which is to be the interface's.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`] where the interface is gone, or the link was detached.
    #[doc(alias = "IFLA_XDP_ATTACHED")]
    pub fn mode(&self) -> Result<AttachedMode, Error> {
        let (program, interface) = self.program_and_interface()?;
        let interface = Interface::by_index(interface).ok_or(Error::NoSuchInterface)?;
        occupant::mode_of(program, interface)?.ok_or(Error::NoSuchInterface)
    }

    fn program_and_interface(&self) -> Result<(u32, u32), Error> {
        object::known(bpf::xdp_link(self.as_fd()))?.ok_or(Error::NotXdpLink)
    }
}

impl AsFd for Attachment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The link's descriptor: the program stays attached for as long as it is open.
impl From<Attachment> for OwnedFd {
    fn from(attachment: Attachment) -> Self {
        attachment.fd
    }
}

/// Why a program was not attached, and which one is there instead.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AttachError {
    error: Error,
    occupant: Option<Occupant>,
}

impl AttachError {
    /// Tells a conflict from other refusals, and who is there; and an interface that is not there from
    /// programs that its driver refuses, of which the kernel says the same.
    fn new(interface: Interface, errno: Errno) -> Self {
        let there = Occupant::of(interface);
        let interface = interface.index();
        match (errno, there) {
            (Errno::INVAL | Errno::NODEV, Err(Error::NoSuchInterface)) => Self {
                error: Error::NoSuchInterface,
                occupant: None,
            },
            (Errno::BUSY | Errno::EXIST, Ok(Some(occupant))) => Self {
                error: Error::Occupied {
                    interface,
                    errno,
                    program: occupant.id(),
                    mode: occupant.mode(),
                },
                occupant: Some(occupant),
            },
            _ => {
                let operation = Operation::AttachProgram { interface };
                Self {
                    error: Error::System { operation, errno },
                    occupant: None,
                }
            }
        }
    }

    /// What was refused, and why. `?` makes this of it as well.
    #[must_use]
    pub fn error(&self) -> Error {
        self.error
    }

    /// The program that is there, of an [`Error::Occupied`].
    #[must_use]
    pub fn occupant(&self) -> Option<Occupant> {
        self.occupant
    }
}

impl From<AttachError> for Error {
    fn from(refused: AttachError) -> Self {
        refused.error
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        match self.occupant.as_ref().and_then(Occupant::name) {
            Some(name) => write!(f, "; it is called {name}"),
            None => Ok(()),
        }
    }
}

/// The same text: it is what `main` prints of an error that it returns.
impl fmt::Debug for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for AttachError {}
