//! rtnetlink: which XDP programs are attached to an interface.

use linux_raw_sys::netlink as raw;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use super::scratch::Scratch;

/// Bytes of an answer at the most: that of an interface without virtual functions is below 4 KiB.
const ANSWER: usize = 64 << 10;
/// Sizes of `struct nlmsghdr` and `struct ifinfomsg`.
const MESSAGE_HEADER: usize = 16;
const INTERFACE_HEADER: usize = 16;
/// Size of `struct nlattr`, and what attributes are aligned to.
const ATTRIBUTE_HEADER: usize = 4;

/// The ids of the programs on an interface, by where they run; 0 where none does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct XdpPrograms {
    pub(crate) native: u32,
    pub(crate) generic: u32,
    pub(crate) hardware: u32,
}

/// `RTM_GETLINK`: the XDP programs of an interface of the calling thread's network namespace. ENODEV where
/// there is no such interface.
pub(crate) fn xdp_programs(interface: u32) -> Result<XdpPrograms, Errno> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE is protocol 0.
        None,
    )?;
    send(&socket, &request(interface), SendFlags::empty())?;
    let mut answer = Scratch::<u8>::new(ANSWER)?;
    let (_, len) = recv(&socket, &mut answer[..], RecvFlags::TRUNC)?;
    programs_in(answer.get(..len).ok_or(Errno::MSGSIZE)?)
}

/// `struct nlmsghdr` and `struct ifinfomsg`; numbers that do not matter are zeros.
fn request(interface: u32) -> [u8; MESSAGE_HEADER + INTERFACE_HEADER] {
    let mut message = [0; MESSAGE_HEADER + INTERFACE_HEADER];
    let len = message.len() as u32;
    let kind = raw::RTM_GETLINK as u16;
    message[0..4].copy_from_slice(&len.to_ne_bytes());
    message[4..6].copy_from_slice(&kind.to_ne_bytes());
    message[6..8].copy_from_slice(&(raw::NLM_F_REQUEST as u16).to_ne_bytes());
    message[20..24].copy_from_slice(&interface.to_ne_bytes());
    message
}

/// Reads the answer: an interface, or an error number.
fn programs_in(message: &[u8]) -> Result<XdpPrograms, Errno> {
    let (header, body) = message
        .split_first_chunk::<MESSAGE_HEADER>()
        .ok_or(Errno::BADMSG)?;
    let [_, _, _, _, kind @ .., _, _, _, _, _, _, _, _, _, _] = header;
    if u32::from(u16::from_ne_bytes(*kind)) == raw::NLMSG_ERROR {
        let errno = word(body).ok_or(Errno::BADMSG)?.cast_signed();
        return Err(Errno::from_raw_os_error(errno.saturating_neg()));
    }
    let attributes = body.get(INTERFACE_HEADER..).ok_or(Errno::BADMSG)?;
    let mut programs = XdpPrograms::default();
    for (_, xdp) in of_kind(attributes, raw::IFLA_XDP as u16) {
        for (kind, value) in Attributes(xdp) {
            let id = word(value).unwrap_or(0);
            if kind == raw::IFLA_XDP_DRV_PROG_ID as u16 {
                programs.native = id;
            } else if kind == raw::IFLA_XDP_SKB_PROG_ID as u16 {
                programs.generic = id;
            } else if kind == raw::IFLA_XDP_HW_PROG_ID as u16 {
                programs.hardware = id;
            }
        }
    }
    Ok(programs)
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|word| u32::from_ne_bytes(*word))
}

fn of_kind(attributes: &[u8], wanted: u16) -> impl Iterator<Item = (u16, &[u8])> {
    Attributes(attributes).filter(move |&(kind, _)| kind == wanted)
}

/// Kind and value of each attribute; ends where one is not whole.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let &[l0, l1, k0, k1] = self.0.first_chunk::<ATTRIBUTE_HEADER>()?;
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        // Two bits of the kind are flags.
        let kind = u16::from_ne_bytes([k0, k1]) & raw::NLA_TYPE_MASK as u16;
        let value = self.0.get(ATTRIBUTE_HEADER..len)?;
        let next = len.next_multiple_of(ATTRIBUTE_HEADER);
        self.0 = self.0.get(next..).unwrap_or_default();
        Some((kind, value))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    fn attribute(kind: u32, value: &[u8]) -> Vec<u8> {
        let len = (ATTRIBUTE_HEADER + value.len()) as u16;
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend((kind as u16).to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn answer(attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut message = std::vec![0; MESSAGE_HEADER + INTERFACE_HEADER];
        message[4] = raw::RTM_NEWLINK as u8;
        message.extend(attributes.concat());
        message
    }

    #[test]
    fn programs_are_found_among_other_attributes_and_by_their_modes() {
        let xdp = [
            attribute(raw::IFLA_XDP_ATTACHED as u32, &[4]),
            attribute(raw::IFLA_XDP_SKB_PROG_ID as u32, &7_u32.to_ne_bytes()),
            attribute(raw::IFLA_XDP_HW_PROG_ID as u32, &9_u32.to_ne_bytes()),
        ];
        let nested = raw::IFLA_XDP as u32 | raw::NLA_F_NESTED;
        let message = answer(&[attribute(3, b"veth0\0"), attribute(nested, &xdp.concat())]);
        let programs = XdpPrograms {
            native: 0,
            generic: 7,
            hardware: 9,
        };
        assert_eq!(programs_in(&message), Ok(programs));
        // Whatever is cut off, reading it ends.
        for len in 0..message.len() {
            let _ = programs_in(&message[..len]);
        }
    }

    #[test]
    fn an_attribute_shorter_than_its_header_ends_the_list() {
        let message = answer(&[std::vec![0; 4], attribute(raw::IFLA_XDP as u32, &[0; 8])]);
        assert_eq!(programs_in(&message), Ok(XdpPrograms::default()));
    }

    #[test]
    fn an_interface_that_is_not_there_is_enodev() {
        assert_eq!(xdp_programs(0x7fff_fffe), Err(Errno::NODEV));
    }
}
