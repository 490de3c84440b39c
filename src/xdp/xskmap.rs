//! The map by which a program finds the socket of a queue.

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::object;
use crate::error::{Error, Operation};
use crate::sys::bpf;

/// An XSKMAP: for each queue the AF_XDP socket that gets its packets, or none.
///
/// A program redirects to what the map holds at that moment: sockets can come and go while packets flow. A
/// socket that is closed leaves by itself. The map lives for as long as this handle, a loaded program that
/// uses it, or a name in a bpffs.
#[doc(alias = "BPF_MAP_TYPE_XSKMAP")]
#[derive(Debug)]
pub struct Xskmap {
    fd: OwnedFd,
    entries: u32,
}

impl Xskmap {
    /// Makes a map for the queues from 0 to `entries`, which is not one of them.
    ///
    /// `bpf(BPF_MAP_CREATE)`, Linux 4.18. As many as the interface has receive queues are enough:
    /// [`Interface::queues`](super::Interface::queues).
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EPERM without CAP_BPF and CAP_NET_ADMIN, which root of a user namespace does not
    /// have, and before Linux 5.11 where RLIMIT_MEMLOCK is too small; EINVAL for no entries.
    #[doc(alias = "BPF_MAP_CREATE")]
    pub fn create(entries: u32) -> Result<Self, Error> {
        let fd = bpf::create_xskmap(entries).map_err(Error::system(Operation::CreateXskmap))?;
        Ok(Self { fd, entries })
    }

    /// Takes the XSKMAP that another library or another process has made.
    ///
    /// `bpf(BPF_OBJ_GET_INFO_BY_FD)` makes sure that it is one. The descriptor is closed where it is not.
    ///
    /// # Errors
    ///
    /// [`Error::NotXskmap`].
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Error> {
        let entries = object::known(bpf::xskmap_entries(fd.as_fd()))?.ok_or(Error::NotXskmap)?;
        Ok(Self { fd, entries })
    }

    /// Opens the map with this name in a bpffs. `bpf(BPF_OBJ_GET)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: ENOENT where there is no such name, EACCES where its mode forbids it.
    /// [`Error::NotXskmap`].
    #[doc(alias = "BPF_OBJ_GET")]
    pub fn open(path: &CStr) -> Result<Self, Error> {
        Self::from_fd(object::open_pinned(path)?)
    }

    /// Gives the map a name in a bpffs, which keeps it when the process ends. `bpf(BPF_OBJ_PIN)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EEXIST where the name is taken, EPERM where the place is in no bpffs.
    #[doc(alias = "BPF_OBJ_PIN")]
    pub fn pin(&self, path: &CStr) -> Result<(), Error> {
        object::pin(self.as_fd(), path)
    }

    /// How many queues the map has room for.
    #[must_use]
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// Gives the packets of a queue to a socket, in place of the one that had them.
    ///
    /// The socket may be bound later; until then its packets are dropped. `bpf(BPF_MAP_UPDATE_ELEM)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: E2BIG where the map has no such queue, EOPNOTSUPP or ENOTSOCK where the
    /// descriptor is that of no AF_XDP socket.
    #[doc(alias = "BPF_MAP_UPDATE_ELEM")]
    pub fn insert(&self, queue: u32, socket: impl AsFd) -> Result<(), Error> {
        bpf::update_xskmap(self.as_fd(), queue, socket.as_fd())
            .map_err(Error::system(Operation::InsertSocket { queue }))
    }

    /// Takes the packets of a queue from its socket, if it has one. `bpf(BPF_MAP_DELETE_ELEM)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EINVAL where the map has no such queue.
    #[doc(alias = "BPF_MAP_DELETE_ELEM")]
    pub fn remove(&self, queue: u32) -> Result<(), Error> {
        bpf::delete_from_xskmap(self.as_fd(), queue)
            .map_err(Error::system(Operation::RemoveSocket { queue }))
    }
}

impl AsFd for Xskmap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Xskmap> for OwnedFd {
    fn from(map: Xskmap) -> Self {
        map.fd
    }
}
