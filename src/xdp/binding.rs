//! Binding a socket to a queue, and what makes the queue busy.

use core::time::Duration;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::thread::nanosleep;

use super::Queue;
use crate::error::{Error, Operation};
use crate::sys;
use crate::wait::Deadline;

/// How long [`until_released`] lets alone what is still taken.
const RETRY: Duration = Duration::from_millis(1);

/// Whether the interface has a receive queue of this number, as far as it tells.
///
/// The kernel notes a bound socket at the receive and at the transmit queue of its number, of those that there are,
/// and whoever binds after it is told by the receive queue alone, if there is one. A receive queue that is added
/// later knows of no socket: then the number is free although one is bound.
pub(super) fn receives(fd: BorrowedFd<'_>, queue: Queue) -> bool {
    // Every interface has one.
    if queue.index() == 0 {
        return true;
    }
    // AF_XDP sockets answer no ioctl.
    let Ok(socket) = sys::link::any_socket() else {
        return false;
    };
    let cookie = sys::namespace_cookie(socket.as_fd());
    let queues = sys::link::queues(socket.as_fd(), queue.interface().index());
    cookie.is_ok()
        && cookie == sys::namespace_cookie(fd)
        && queues.is_ok_and(|(receive, _)| queue.index() < receive)
}

/// Binds a socket to a queue.
pub(super) fn bind(fd: BorrowedFd<'_>, queue: Queue) -> Result<(), Error> {
    let (interface, index) = (queue.interface().index(), queue.index());
    sys::bind_xdp(fd, interface, index, queue.flags()).map_err(|errno| match errno {
        Errno::BUSY => Error::QueueBusy {
            interface,
            queue: index,
        },
        errno => Error::System {
            operation: Operation::BindQueue {
                interface,
                queue: index,
            },
            errno,
        },
    })
}

/// What the kernel made of a bound socket, and can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granted {
    pub(super) zero_copy: bool,
    /// It knows of packets in several frames.
    pub(super) fragments: bool,
}

/// What came of binding a socket to this queue.
pub(super) fn granted(fd: BorrowedFd<'_>, queue: Queue) -> Result<Granted, Error> {
    let zero_copy = sys::is_zero_copy(fd).map_err(Error::system(Operation::ReadXdpOptions))?;
    let fragments = queue.is_multi_buffer() || knows_fragments(fd, queue)?;
    Ok(Granted {
        zero_copy,
        fragments,
    })
}

/// Whether the kernel knows of packets in several frames: a bound socket is busy for one that knows the flag, and the
/// flag is invalid for another. Before Linux 6.6 a frame that says that its packet goes on is dropped, and the packet's
/// last one is sent as if it were whole.
fn knows_fragments(fd: BorrowedFd<'_>, queue: Queue) -> Result<bool, Error> {
    match bind(fd, queue.multi_buffer()) {
        Ok(()) | Err(Error::QueueBusy { .. }) => Ok(true),
        Err(Error::System {
            errno: Errno::INVAL,
            ..
        }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tries again while what somebody had is not released: a queue, memory that was locked, or rings that are left.
pub(super) fn until_released<T>(
    deadline: Deadline,
    mut attempt: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let pause = rustix::time::Timespec {
        tv_sec: 0,
        tv_nsec: RETRY.subsec_nanos().into(),
    };
    loop {
        match attempt() {
            Err(error) if is_taken(error) && !deadline.has_passed() => {
                // A signal ends it early: the deadline decides.
                let _ = nanosleep(&pause);
            }
            tried => return tried,
        }
    }
}

fn is_taken(error: Error) -> bool {
    match error {
        Error::QueueBusy { .. } | Error::RingsLeft => true,
        Error::System {
            operation: Operation::RegisterUmem { .. },
            errno,
        } => errno == Errno::NOBUFS,
        _ => false,
    }
}
