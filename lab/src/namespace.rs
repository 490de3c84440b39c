//! Network namespaces: making them, being in them, and knowing which are ours.
//!
//! A network namespace belongs to a thread, not to the process: [`Namespace::run`] lends a thread
//! to a closure. A socket, once opened, stays in the namespace of the thread that opened it,
//! wherever it is used.

#![allow(unsafe_code)]

use core::panic::AssertUnwindSafe;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::LabError;
use crate::link::Link;

/// Inode numbers of the namespaces that the lab made. The host's namespace outlives us all, so none
/// of these can be it.
static OURS: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

/// A network namespace, alive for as long as this handle, a thread or a socket in it.
#[derive(Debug, Clone)]
pub struct Namespace {
    link: Arc<File>,
    inode: u64,
}

impl Namespace {
    /// A fresh namespace, with `lo` up, IPv6 off and nothing else. The calling thread stays where
    /// it is.
    ///
    /// # Errors
    /// [`LabError::Refused`] where the process has not called [`enter`](fn@crate::enter) and has no
    /// privilege either.
    pub fn new() -> Result<Self, LabError> {
        on_a_thread("namespace", || {
            unshare(UnshareFlags::NEWNET).map_err(LabError::Refused)?;
            settle()?;
            Self::current()
        })?
    }

    /// The namespace that the calling thread is in, be it the lab's or not.
    pub fn current() -> Result<Self, LabError> {
        let link = File::open("/proc/thread-self/ns/net")
            .map_err(LabError::doing_io("open the network namespace"))?;
        let inode = fstat(&link)
            .map_err(LabError::doing("stat the network namespace"))?
            .st_ino;
        Ok(Self {
            link: Arc::new(link),
            inode,
        })
    }

    /// Runs `work` on a thread of its own that is in this namespace, and returns what it returned.
    ///
    /// Sockets opened by `work` stay in this namespace. The thread has the caller's name; a panic
    /// goes on in the caller.
    #[doc(alias = "setns")]
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let name = thread::current().name().unwrap_or("lab").to_owned();
        self.run_as(&name, work)
    }

    /// The same, on a thread of this name.
    pub(crate) fn run_as<T: Send>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, LabError> {
        on_a_thread(name, || {
            move_into_link_name_space(self.fd(), Some(LinkNameSpaceType::Network))
                .map_err(LabError::doing("move a thread into the network namespace"))?;
            Ok(work())
        })?
    }

    /// The file descriptor of the namespace, as setns(2) and `IFLA_NET_NS_FD` take it.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }

    /// Whether the lab made this namespace; links are made and changed in no other.
    pub fn is_ours(&self) -> bool {
        OURS.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&self.inode)
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        self.inode == other.inode
    }
}

impl Eq for Namespace {}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

/// unshare(2) of user, network and mount namespaces only: callers pass no other flag.
pub(crate) fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    let namespaces = UnshareFlags::NEWUSER | UnshareFlags::NEWNET | UnshareFlags::NEWNS;
    assert!(namespaces.contains(flags));
    // SAFETY: the danger is in `UnshareFlags::FILES`, after which threads disagree about file
    // descriptors; the assertion above excludes it.
    unsafe { unshare_unsafe(flags) }
}

/// Makes the calling thread's fresh namespace habitable, and ours: IPv6 off for every interface to
/// come, `lo` up.
pub(crate) fn settle() -> Result<(), LabError> {
    let here = Namespace::current()?;
    OURS.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(here.inode);
    for path in [
        "/proc/sys/net/ipv6/conf/default/disable_ipv6",
        "/proc/sys/net/ipv6/conf/all/disable_ipv6",
    ] {
        match fs::write(path, "1") {
            // A kernel without IPv6 has nothing to silence.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.map_err(LabError::doing_io(
                "turn IPv6 off in the namespace (/proc/sys must be writable)",
            ))?,
        }
    }
    Link::named("lo")?.set_up()
}

/// `work` on a fresh thread, which ends with it, so that no other work meets a thread that has
/// moved.
fn on_a_thread<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn_scoped(scope, AssertUnwindSafe(work))
            .map_err(LabError::doing_io("start a thread"))?;
        Ok(thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
