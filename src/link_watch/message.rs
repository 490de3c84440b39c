//! The beginning of an rtnetlink message about a link: all that is looked at.

use linux_raw_sys::net::net_device_flags;

/// `NETLINK_ROUTE` message types of `linux/rtnetlink.h`.
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;

/// Sizes of `struct nlmsghdr` and of `struct ifinfomsg` in bytes.
const HEADER: usize = 16;
const BODY: usize = 16;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The index of the interface that it is about.
    pub(super) interface: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `RTM_DELLINK`: removed, or moved to another network namespace.
    Gone,
    /// `RTM_NEWLINK`: new or changed.
    Is {
        /// `IFF_UP`.
        up: bool,
        /// `IFF_RUNNING`.
        running: bool,
    },
}

impl Message {
    /// How many bytes are looked at.
    pub(super) const LEN: usize = HEADER + BODY;

    /// Reads the beginning of a message, which may be all that there is of it; `None` where it is too
    /// short, of another type, or about another family than the interfaces themselves.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, body) = bytes.get(..Self::LEN)?.split_at(HEADER);
        let length = u32::from_ne_bytes(*header.first_chunk()?);
        let kind = u16::from_ne_bytes(*header.get(4..)?.first_chunk()?);
        // Bridges tell of their ports under a family of their own (AF_BRIDGE), and remove ports that stay.
        let family = *body.first()?;
        let index = i32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
        let flags = u32::from_ne_bytes(*body.get(8..)?.first_chunk()?);
        if (length as usize) < Self::LEN || family != 0 {
            return None;
        }
        let has = |flag: net_device_flags| flags & flag as u32 != 0;
        let kind = match kind {
            RTM_NEWLINK => Kind::Is {
                up: has(net_device_flags::IFF_UP),
                running: has(net_device_flags::IFF_RUNNING),
            },
            RTM_DELLINK => Kind::Gone,
            _ => return None,
        };
        Some(Self {
            interface: u32::try_from(index).ok()?,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// A message as the kernel lays it out.
    fn message(kind: u16, family: u8, index: u32, flags: u32, rest: &[u8]) -> Vec<u8> {
        let length = (Message::LEN + rest.len()) as u32;
        let mut bytes = Vec::new();
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend([family, 0, 1, 0]);
        bytes.extend(index.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(rest);
        bytes
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(read) = Message::parse(&bytes) {
                prop_assert!(bytes.len() >= Message::LEN);
                prop_assert!(read.interface <= i32::MAX as u32);
            }
        }

        #[test]
        fn what_the_kernel_lays_out_is_read(
            index in 0..=i32::MAX as u32,
            flags in any::<u32>(),
            rest in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let (up, running) = (flags & 1 != 0, flags & 0x40 != 0);
            for (number, kind) in [(16, Kind::Is { up, running }), (17, Kind::Gone)] {
                let bytes = message(number, 0, index, flags, &rest);
                let read = Message { interface: index, kind };
                prop_assert_eq!(Message::parse(&bytes), Some(read));
                prop_assert_eq!(Message::parse(&bytes[..Message::LEN]), Some(read));
                for short in 0..Message::LEN {
                    prop_assert_eq!(Message::parse(&bytes[..short]), None);
                }
            }
        }

        #[test]
        fn other_messages_are_none(kind in any::<u16>(), family in any::<u8>(), index in any::<u32>()) {
            let bytes = message(kind, family, index, 1, &[]);
            let link = matches!(kind, 16 | 17) && family == 0 && index <= i32::MAX as u32;
            prop_assert_eq!(Message::parse(&bytes).is_some(), link);
        }
    }
}
