//! The conversion to std's own error.

extern crate std;

use super::{Errno, Error};

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind;
        let kind = match error {
            Error::System { errno, .. } => std::io::Error::from(errno).kind(),
            Error::Unsent { why, .. } => std::io::Error::from(why.errno()).kind(),
            Error::Geometry(_)
            | Error::FilterTooLong
            | Error::SnapLengthNotKept
            | Error::FrameTooSmall { .. }
            | Error::FrameTooShort { .. }
            | Error::LinkHeaderRemoved
            | Error::ForeignPool
            | Error::NoTxMetadata
            | Error::OddPacketStart
            | Error::NotXdpSocket
            | Error::OtherNamespace => ErrorKind::InvalidInput,
            Error::QueueBusy { .. } | Error::RingsLeft => ErrorKind::ResourceBusy,
            Error::TooManySockets => ErrorKind::QuotaExceeded,
            Error::Occupied { errno, .. } => std::io::Error::from(errno).kind(),
            Error::Untranslatable(_)
            | Error::NotXskmap
            | Error::NotXdpProgram
            | Error::NotXdpLink
            | Error::NotEthernet
            | Error::PoolTooSmall => ErrorKind::InvalidInput,
            Error::OldPackets { .. } => ErrorKind::TimedOut,
            Error::LinkDown => std::io::Error::from(Errno::NETDOWN).kind(),
            Error::LinkGone | Error::NoSuchInterface => ErrorKind::NotFound,
            Error::Corrupt => ErrorKind::InvalidData,
            Error::HeaderLength { .. } => ErrorKind::Unsupported,
        };
        Self::new(kind, error)
    }
}
