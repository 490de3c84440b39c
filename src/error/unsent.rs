//! Why a frame was not sent.

use rustix::io::Errno;

/// Why the kernel stopped at a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsent {
    /// The packet is longer than the interface's MTU or than its frame allows: EMSGSIZE. The frame was
    /// refused: `refused` gives it back, `recall` drops it.
    TooLong,
    /// The packet is shorter than a link-layer header, or its vnet header makes no sense: EINVAL. The
    /// frame was refused, as for `TooLong`.
    Malformed,
    /// The interface's queue has no room: ENOBUFS. The frame stays queued; kick again later.
    NoBuffers,
    /// The interface is down: ENETDOWN. The frame stays queued; it goes out once the link is up.
    LinkDown,
    /// The interface is gone: ENXIO. The frame stays queued; rebind to another.
    LinkGone,
    /// Something else, as EFAULT for a packet of more pages than the kernel puts into one (17 of 4 KiB).
    /// Where the frame was refused, `refused` gives it back.
    Other(Errno),
}

impl Unsent {
    pub(super) fn new(errno: Errno) -> Self {
        match errno {
            Errno::MSGSIZE => Self::TooLong,
            Errno::INVAL => Self::Malformed,
            Errno::NOBUFS => Self::NoBuffers,
            Errno::NETDOWN => Self::LinkDown,
            Errno::NXIO | Errno::NODEV => Self::LinkGone,
            errno => Self::Other(errno),
        }
    }

    pub(super) fn errno(self) -> Errno {
        match self {
            Self::TooLong => Errno::MSGSIZE,
            Self::Malformed => Errno::INVAL,
            Self::NoBuffers => Errno::NOBUFS,
            Self::LinkDown => Errno::NETDOWN,
            Self::LinkGone => Errno::NXIO,
            Self::Other(errno) => errno,
        }
    }

    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::TooLong => {
                "the packet is longer than the MTU or the frame allows: mend or recall it"
            }
            Self::Malformed => "the packet or its vnet header is malformed: mend or recall it",
            Self::NoBuffers => "the interface's queue is full: kick again later",
            Self::LinkDown => "the interface is down: the frame goes out once it is up",
            Self::LinkGone => "the interface is gone: rebind to another",
            Self::Other(_) => "the kernel did not send it",
        }
    }
}
