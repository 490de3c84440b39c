//! Why the program fails, and what it says.

use packet_ring::Error;
use rustix::io::Errno;

use crate::streams::{Decimal, say};

const RIGHTS: &str = "a right is missing: CAP_NET_RAW; for echo CAP_NET_ADMIN and CAP_BPF too";

/// Ends the program.
pub(crate) enum Failure {
    /// The arguments are not those that it takes.
    Usage,
    /// What packet-ring says.
    Ring(Error),
    /// The standard output cannot be written to.
    Output(Errno),
    /// Signals cannot be waited for.
    Signals(Errno),
    /// A packet cannot be sent back.
    Answer,
    /// A packet is none of Ethernet.
    NotEthernet,
}

/// Whatever becomes an error of the library.
impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Ring(error.into())
    }
}

impl Failure {
    /// Tells of it, and what the program exits with.
    ///
    /// The library has better words: whoever has 18 KiB for them prints `error` itself.
    pub(crate) fn tell(self) -> i32 {
        let (what, errno) = match self {
            Self::Usage => {
                say(&[
                    "usage: nolibc capture INTERFACE PACKETS > FILE\n       nolibc echo INTERFACE QUEUE PACKETS\n",
                ]);
                return 2;
            }
            Self::Ring(Error::NoSuchInterface) => ("there is no such interface", None),
            Self::Ring(Error::LinkDown) => ("the interface is down", None),
            Self::Ring(Error::LinkGone) => ("the interface is gone", None),
            Self::Ring(Error::QueueBusy { .. }) => ("the queue has another socket", None),
            Self::Ring(Error::Occupied { .. }) => ("the interface has another XDP program", None),
            Self::Ring(error) => match error.errno() {
                Some(Errno::PERM | Errno::ACCESS) => (RIGHTS, error.errno()),
                errno => ("the kernel refuses", errno),
            },
            Self::Output(Errno::PIPE) => ("nobody reads the standard output", None),
            Self::Output(errno) => ("standard output", Some(errno)),
            Self::Signals(errno) => ("signals", Some(errno)),
            Self::Answer => ("a packet cannot be sent back", None),
            Self::NotEthernet => ("the interface is not one of Ethernet", None),
        };
        match errno {
            None => say(&["nolibc: ", what, "\n"]),
            Some(errno) => {
                let number = Decimal::new(errno.raw_os_error() as u64);
                say(&["nolibc: ", what, ": errno ", number.text(), "\n"]);
            }
        }
        1
    }
}
