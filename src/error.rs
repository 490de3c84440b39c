//! What can go wrong: what was tried, what the kernel answered, and what helps.

use core::fmt;

use rustix::io::Errno;

use crate::geometry::InvalidGeometry;

/// Why an operation failed.
///
/// `Copy`, and made without allocating. Its text, in `Debug` too, says what helps, where something does.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused a system call.
    System {
        /// What was tried.
        operation: Operation,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The sizes cannot make a ring on this machine.
    Geometry(InvalidGeometry),
    /// The kernel's header of a packet has another length than the 48 bytes of `struct tpacket3_hdr`: the
    /// ring would be misread.
    HeaderLength {
        /// The length that the kernel tells.
        bytes: u32,
    },
    /// The interface is down. It comes back by itself, with the same ring.
    LinkDown,
    /// The interface is gone, or has moved to another network namespace: `rebind` to another.
    LinkGone,
    /// The ring holds words that the kernel does not write; no more blocks are handed out.
    Corrupt,
    /// The filter with the snap length woven in has more than 4,096 instructions (`BPF_MAXINSNS`).
    FilterTooLong,
    /// No interface here has the name, which has 1 to 15 bytes, or the index.
    NoSuchInterface,
}

/// What was tried when the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// `socket(AF_PACKET, SOCK_RAW or SOCK_DGRAM, 0)`.
    OpenSocket,
    /// `open("/proc/thread-self/ns/net")`, or `setns` with it or with the namespace to enter. The thread
    /// has stayed where it was.
    EnterNamespace,
    /// `setns` back. **The thread has stayed in the other network namespace**, and no socket is open.
    LeaveNamespace,
    /// `setsockopt(PACKET_VERSION, TPACKET_V3)`.
    SetVersion,
    /// `getsockopt(PACKET_HDRLEN)`.
    ReadHeaderLength,
    /// `setsockopt(PACKET_RESERVE)`.
    SetReserve,
    /// `setsockopt(PACKET_IGNORE_OUTGOING)`.
    IgnoreOutgoing,
    /// `setsockopt(PACKET_TIMESTAMP)`.
    SetTimestamp,
    /// `setsockopt(SO_TIMESTAMPING)`.
    SetTimestamping,
    /// `setsockopt(PACKET_ORIGDEV)`.
    SetOrigdev,
    /// `setsockopt(SO_ATTACH_FILTER)`.
    AttachFilter,
    /// `setsockopt(PACKET_RX_RING)`.
    SetRing {
        /// The size of the ring that was asked for.
        bytes: u64,
    },
    /// `mmap` of the ring.
    MapRing {
        /// The size of the ring.
        bytes: u64,
    },
    /// `madvise(MADV_DONTFORK)` on the ring.
    KeepFromChildren,
    /// `bind` to the interface with this index.
    Bind {
        /// The interface's index.
        interface: u32,
    },
    /// `setsockopt(PACKET_ADD_MEMBERSHIP)`.
    AddMembership,
    /// `fcntl(F_DUPFD_CLOEXEC)` of the socket.
    DuplicateDescriptor,
    /// `getsockopt(PACKET_STATISTICS)`.
    ReadStatistics,
    /// `getsockopt(SO_ERROR)`, `getsockname`, `ioctl(SIOCGIFNAME)` or `ioctl(SIOCGIFFLAGS)`.
    ReadLink,
    /// `ppoll`.
    Wait,
    /// `socket(AF_UNIX)` and `ioctl(SIOCGIFINDEX)`.
    FindInterface,
    /// `ioctl` with SIOCGIFNAME, SIOCGIFMTU, SIOCGIFFLAGS, SIOCGIFHWADDR or SIOCETHTOOL.
    ReadInterface,
}

impl Error {
    /// Makes the error of a refused system call; for `map_err`.
    pub(crate) fn system(operation: Operation) -> impl Fn(Errno) -> Self {
        move |errno| Self::System { operation, errno }
    }

    /// The kernel's answer, where the kernel was asked.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenSocket => f.write_str("socket(AF_PACKET)"),
            Self::EnterNamespace => f.write_str("entering the network namespace"),
            Self::LeaveNamespace => f.write_str("leaving the network namespace again"),
            Self::SetVersion => f.write_str("setsockopt(PACKET_VERSION)"),
            Self::ReadHeaderLength => f.write_str("getsockopt(PACKET_HDRLEN)"),
            Self::SetOrigdev => f.write_str("setsockopt(PACKET_ORIGDEV)"),
            Self::SetReserve => f.write_str("setsockopt(PACKET_RESERVE)"),
            Self::IgnoreOutgoing => f.write_str("setsockopt(PACKET_IGNORE_OUTGOING)"),
            Self::SetTimestamp => f.write_str("setsockopt(PACKET_TIMESTAMP)"),
            Self::SetTimestamping => f.write_str("setsockopt(SO_TIMESTAMPING)"),
            Self::AttachFilter => f.write_str("setsockopt(SO_ATTACH_FILTER)"),
            Self::SetRing { bytes } => write!(f, "setsockopt(PACKET_RX_RING) of {bytes} bytes"),
            Self::MapRing { bytes } => write!(f, "mmap of a ring of {bytes} bytes"),
            Self::KeepFromChildren => f.write_str("madvise(MADV_DONTFORK)"),
            Self::Bind { interface } => write!(f, "bind to interface {interface}"),
            Self::AddMembership => f.write_str("setsockopt(PACKET_ADD_MEMBERSHIP)"),
            Self::DuplicateDescriptor => f.write_str("fcntl(F_DUPFD_CLOEXEC)"),
            Self::ReadStatistics => f.write_str("getsockopt(PACKET_STATISTICS)"),
            Self::ReadLink => f.write_str("reading the link state"),
            Self::Wait => f.write_str("ppoll"),
            Self::FindInterface => f.write_str("looking the interface up"),
            Self::ReadInterface => f.write_str("asking about the interface"),
        }
    }
}

/// What helps against `errno` here; empty where nothing general does.
fn remedy(operation: Operation, errno: Errno) -> &'static str {
    match (operation, errno) {
        (Operation::OpenSocket, Errno::PERM | Errno::ACCESS) => {
            "; packet sockets need CAP_NET_RAW: run as root, or `sudo setcap cap_net_raw=ep PROGRAM`, \
             or enter a user and network namespace of your own"
        }
        (Operation::OpenSocket, Errno::AFNOSUPPORT) => "; the kernel lacks CONFIG_PACKET",
        (Operation::EnterNamespace, Errno::PERM) => {
            "; it takes CAP_SYS_ADMIN here, in the namespace to enter and for the way back"
        }
        (Operation::EnterNamespace, Errno::INVAL) => "; it is no network namespace",
        (Operation::LeaveNamespace, _) => "; this thread has stayed in it",
        (Operation::SetVersion, Errno::INVAL) => "; TPACKET_V3 needs Linux 3.2",
        (Operation::IgnoreOutgoing, Errno::NOPROTOOPT) => "; it needs Linux 4.20",
        (Operation::SetRing { .. }, Errno::NOMEM) => {
            "; the kernel has no such memory in blocks of this size: ask for smaller blocks or fewer"
        }
        (Operation::MapRing { .. }, Errno::NOMEM | Errno::AGAIN) => {
            "; the address space, or RLIMIT_AS, is too small for the ring"
        }
        (Operation::AttachFilter, Errno::INVAL) => "; the kernel's checker refuses the program",
        (Operation::AttachFilter, Errno::NOMEM) => {
            "; the program is larger than net.core.optmem_max allows"
        }
        (Operation::Bind { .. } | Operation::AddMembership, Errno::NODEV) => {
            "; no such interface here"
        }
        (Operation::ReadInterface, Errno::OPNOTSUPP) => "; its driver does not tell",
        _ => "",
    }
}

/// The names of the error numbers that these system calls are known to return.
fn name(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::PERM => "EPERM",
        Errno::ACCESS => "EACCES",
        Errno::INTR => "EINTR",
        Errno::NODEV => "ENODEV",
        Errno::NXIO => "ENXIO",
        Errno::NOMEM => "ENOMEM",
        Errno::NOBUFS => "ENOBUFS",
        Errno::AGAIN => "EAGAIN",
        Errno::BUSY => "EBUSY",
        Errno::INVAL => "EINVAL",
        Errno::MFILE => "EMFILE",
        Errno::NFILE => "ENFILE",
        Errno::NETDOWN => "ENETDOWN",
        Errno::NOPROTOOPT => "ENOPROTOOPT",
        Errno::AFNOSUPPORT => "EAFNOSUPPORT",
        Errno::OPNOTSUPP => "EOPNOTSUPP",
        Errno::BADF => "EBADF",
        Errno::FAULT => "EFAULT",
        Errno::NOSYS => "ENOSYS",
        Errno::ADDRNOTAVAIL => "EADDRNOTAVAIL",
        _ => return None,
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::System { operation, errno } => {
                write!(f, "{operation}: ")?;
                match name(errno) {
                    Some(name) => f.write_str(name)?,
                    None => write!(f, "error {}", errno.raw_os_error())?,
                }
                f.write_str(remedy(operation, errno))
            }
            Self::Geometry(why) => why.fmt(f),
            Self::HeaderLength { bytes } => write!(
                f,
                "the kernel's header of a packet has {bytes} bytes in place of 48: it is laid out otherwise"
            ),
            Self::LinkDown => {
                f.write_str("the interface is down; packets come again when it is up")
            }
            Self::LinkGone => f.write_str("the interface is gone; rebind to another"),
            Self::Corrupt => f.write_str(
                "the ring holds words that the kernel does not write; open another socket",
            ),
            Self::FilterTooLong => f.write_str(
                "the filter, with the snap length woven in, has more than 4096 instructions",
            ),
            Self::NoSuchInterface => f.write_str("there is no such interface here"),
        }
    }
}

/// The same text: it is what `main` prints of an error that it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for Error {}

impl From<InvalidGeometry> for Error {
    fn from(why: InvalidGeometry) -> Self {
        Self::Geometry(why)
    }
}

#[cfg(feature = "std")]
mod with_std {
    extern crate std;

    use super::{Errno, Error};

    impl From<Error> for std::io::Error {
        fn from(error: Error) -> Self {
            use std::io::ErrorKind;
            let kind = match error {
                Error::System { errno, .. } => std::io::Error::from(errno).kind(),
                Error::Geometry(_) | Error::FilterTooLong => ErrorKind::InvalidInput,
                Error::LinkDown => std::io::Error::from(Errno::NETDOWN).kind(),
                Error::LinkGone | Error::NoSuchInterface => ErrorKind::NotFound,
                Error::Corrupt => ErrorKind::InvalidData,
                Error::HeaderLength { .. } => ErrorKind::Unsupported,
            };
            Self::new(kind, error)
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::ToString;

    fn text(operation: Operation, errno: Errno) -> std::string::String {
        Error::System { operation, errno }.to_string()
    }

    #[test]
    fn a_refused_socket_names_the_setcap_line() {
        let text = text(Operation::OpenSocket, Errno::PERM);
        assert!(text.starts_with("socket(AF_PACKET): EPERM"), "{text}");
        assert!(
            text.contains("sudo setcap cap_net_raw=ep PROGRAM"),
            "{text}"
        );
    }

    #[test]
    fn memory_that_is_not_there_is_named_with_its_size() {
        let bytes = 64 << 20;
        for operation in [Operation::SetRing { bytes }, Operation::MapRing { bytes }] {
            let text = text(operation, Errno::NOMEM);
            assert!(text.contains("67108864 bytes: ENOMEM; "), "{text}");
        }
    }

    #[test]
    fn an_absent_interface_is_named() {
        let text = text(Operation::Bind { interface: 7 }, Errno::NODEV);
        assert_eq!(text, "bind to interface 7: ENODEV; no such interface here");
    }

    #[test]
    fn an_unknown_error_number_is_printed() {
        let text = text(Operation::Wait, Errno::from_raw_os_error(133));
        assert_eq!(text, "ppoll: error 133");
    }

    #[test]
    fn link_states_say_what_comes_next() {
        let (down, gone) = (Error::LinkDown.to_string(), Error::LinkGone.to_string());
        assert!(down.contains("again when it is up"), "{down}");
        assert!(gone.contains("rebind"), "{gone}");
    }

    #[test]
    fn only_the_kernels_answers_have_a_number() {
        let errno = Errno::BUSY;
        let operation = Operation::Wait;
        assert_eq!(Error::System { operation, errno }.errno(), Some(errno));
        assert_eq!(Error::LinkDown.errno(), None);
    }

    #[cfg(feature = "std")]
    #[test]
    fn std_knows_the_kind_and_keeps_the_text() {
        use std::io::{self, ErrorKind};
        let refused = Error::System {
            operation: Operation::OpenSocket,
            errno: Errno::PERM,
        };
        for (error, kind) in [
            (refused, ErrorKind::PermissionDenied),
            (Error::LinkDown, ErrorKind::NetworkDown),
            (Error::LinkGone, ErrorKind::NotFound),
            (Error::Corrupt, ErrorKind::InvalidData),
            (InvalidGeometry::NoBlocks.into(), ErrorKind::InvalidInput),
        ] {
            let converted = io::Error::from(error);
            assert_eq!(converted.kind(), kind);
            assert_eq!(converted.to_string(), error.to_string());
        }
    }
}
