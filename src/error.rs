//! What can go wrong: what was tried, what the kernel answered, and what helps.

mod unsent;

use core::fmt;

use rustix::io::Errno;

use crate::geometry::InvalidGeometry;

pub use self::unsent::Unsent;

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
    /// The interface is down. It comes back by itself, with the same ring.
    LinkDown,
    /// The interface is gone, or has moved to another network namespace: `rebind` to another.
    LinkGone,
    /// The ring holds words that the kernel does not write; no more blocks are handed out.
    Corrupt,
    /// The filter with the snap length woven in has more than 4,096 instructions (`BPF_MAXINSNS`).
    FilterTooLong,
    /// No interface has the name; a name has 1 to 15 bytes.
    NoSuchInterface,
    /// The kernel stopped at a frame that was to be sent. The frames before it were taken.
    Unsent {
        /// The frame's number.
        frame: u64,
        /// Why the kernel stopped.
        why: Unsent,
    },
    /// A frame has fewer bytes than were to be sent from it.
    FrameTooSmall {
        /// The bytes that it has for a packet.
        room: u64,
        /// Where the bytes to be sent would end.
        len: u64,
    },
}

/// What was tried when the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// `socket(AF_PACKET, SOCK_RAW or SOCK_DGRAM, 0)`.
    OpenSocket,
    /// `setsockopt(PACKET_VERSION)`.
    SetVersion,
    /// `setsockopt(PACKET_RESERVE)`.
    SetReserve,
    /// `setsockopt(PACKET_IGNORE_OUTGOING)`.
    IgnoreOutgoing,
    /// `setsockopt(PACKET_TIMESTAMP)`.
    SetTimestamp,
    /// `setsockopt(SO_TIMESTAMPING)`.
    SetTimestamping,
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
    /// `setsockopt(PACKET_TX_RING)`.
    SetTxRing {
        /// The size of the ring that was asked for.
        bytes: u64,
    },
    /// `setsockopt(PACKET_LOSS)`.
    SetLoss,
    /// `setsockopt(PACKET_TX_HAS_OFF)`.
    SetTxHasOff,
    /// `setsockopt(PACKET_VNET_HDR)`.
    SetVnetHeader,
    /// `setsockopt(PACKET_QDISC_BYPASS)`.
    BypassQdisc,
    /// `sendto` without bytes of its own: send what the ring holds.
    Kick,
}

impl Error {
    /// Makes the error of a refused system call; for `map_err`.
    pub(crate) fn system(operation: Operation) -> impl Fn(Errno) -> Self {
        move |errno| Self::System { operation, errno }
    }

    /// Makes the error of a frame at which the kernel stopped.
    pub(crate) fn unsent(frame: u64, errno: Errno) -> Self {
        let why = Unsent::new(errno);
        Self::Unsent { frame, why }
    }

    /// The kernel's answer, where the kernel was asked.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { errno, .. } => Some(*errno),
            Self::Unsent { why, .. } => Some(why.errno()),
            _ => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenSocket => f.write_str("socket(AF_PACKET)"),
            Self::SetVersion => f.write_str("setsockopt(PACKET_VERSION)"),
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
            Self::SetTxRing { bytes } => write!(f, "setsockopt(PACKET_TX_RING) of {bytes} bytes"),
            Self::SetLoss => f.write_str("setsockopt(PACKET_LOSS)"),
            Self::SetTxHasOff => f.write_str("setsockopt(PACKET_TX_HAS_OFF)"),
            Self::SetVnetHeader => f.write_str("setsockopt(PACKET_VNET_HDR)"),
            Self::BypassQdisc => f.write_str("setsockopt(PACKET_QDISC_BYPASS)"),
            Self::Kick => f.write_str("sendto"),
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
        (Operation::SetVersion, Errno::INVAL) => "; TPACKET_V3 needs Linux 3.2",
        (Operation::IgnoreOutgoing, Errno::NOPROTOOPT) => "; it needs Linux 4.20",
        (Operation::SetTxRing { .. }, Errno::INVAL) => {
            "; TPACKET_V3 transmit rings need Linux 4.11"
        }
        (Operation::SetRing { .. } | Operation::SetTxRing { .. }, Errno::NOMEM) => {
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
        Errno::MSGSIZE => "EMSGSIZE",
        Errno::FAULT => "EFAULT",
        Errno::NOSYS => "ENOSYS",
        Errno::ADDRNOTAVAIL => "EADDRNOTAVAIL",
        _ => return None,
    })
}

fn write_errno(f: &mut fmt::Formatter<'_>, errno: Errno) -> fmt::Result {
    match name(errno) {
        Some(name) => f.write_str(name),
        None => write!(f, "error {}", errno.raw_os_error()),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::System { operation, errno } => {
                write!(f, "{operation}: ")?;
                write_errno(f, errno)?;
                f.write_str(remedy(operation, errno))
            }
            Self::Geometry(why) => why.fmt(f),
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
            Self::NoSuchInterface => f.write_str("no interface has this name"),
            Self::Unsent { frame, why } => {
                write!(f, "frame {frame}: ")?;
                write_errno(f, why.errno())?;
                write!(f, "; {}", why.sentence())
            }
            Self::FrameTooSmall { room, len } => {
                write!(f, "a frame has room for {room} bytes, not for {len}")
            }
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
                Error::Unsent { why, .. } => std::io::Error::from(why.errno()).kind(),
                Error::Geometry(_) | Error::FilterTooLong | Error::FrameTooSmall { .. } => {
                    ErrorKind::InvalidInput
                }
                Error::LinkDown => std::io::Error::from(Errno::NETDOWN).kind(),
                Error::LinkGone | Error::NoSuchInterface => ErrorKind::NotFound,
                Error::Corrupt => ErrorKind::InvalidData,
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
    fn an_unsent_frame_is_named_with_what_to_do() {
        let error = Error::unsent(7, Errno::MSGSIZE);
        let text = error.to_string();
        assert!(text.starts_with("frame 7: EMSGSIZE; "), "{text}");
        assert!(text.contains("recall"), "{text}");
        assert_eq!(error.errno(), Some(Errno::MSGSIZE));
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
