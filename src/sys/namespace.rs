//! Opening a socket in another network namespace: the calling thread goes there and comes back.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::SocketType;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Error, Operation};

/// Opens a packet socket in the network namespace that `namespace` refers to.
pub(crate) fn open_in(namespace: BorrowedFd<'_>, kind: SocketType) -> Result<OwnedFd, Error> {
    run_in(namespace, || {
        super::open(kind).map_err(Error::system(Operation::OpenSocket))
    })
}

/// Opens something in the network namespace that `namespace` refers to.
///
/// The thread is where it was afterwards, but for an error of [`Operation::LeaveNamespace`].
pub(crate) fn run_in<T>(
    namespace: BorrowedFd<'_>,
    open_there: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let enter = Error::system(Operation::EnterNamespace);
    let home = open(
        "/proc/thread-self/ns/net",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(&enter)?;
    // Moving to where we are moves nothing, and is refused where the way back would be.
    move_to(home.as_fd()).map_err(&enter)?;
    move_to(namespace).map_err(&enter)?;
    let opened = open_there();
    move_to(home.as_fd()).map_err(Error::system(Operation::LeaveNamespace))?;
    opened
}

fn move_to(namespace: BorrowedFd<'_>) -> Result<(), Errno> {
    move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))
}
