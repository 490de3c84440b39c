//! The interfaces of this network namespace, as rtnetlink tells them.

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage, Stats64};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use serde::Serialize;

use crate::exit::Failure;

/// One datagram of a dump is at most this long (`NLMSG_GOODSIZE` and more).
const DATAGRAM: usize = 64 << 10;

pub(crate) const DLT_ETHERNET: u16 = 1;
const DLT_RAW_IP: u16 = 101;

/// What an interface is.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) index: u32,
    flags: LinkFlags,
    layer: LinkLayerType,
    pub(crate) counted: Counters,
    /// The largest payload of a frame, in bytes.
    pub(crate) mtu: u32,
}

/// What an interface itself has counted, since it was made as a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) received: Traffic,
    pub(crate) sent: Traffic,
}

/// One way of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Traffic {
    pub(crate) packets: u64,
    /// Ethernet headers included.
    pub(crate) bytes: u64,
    pub(crate) errors: u64,
    /// Received and not wanted by anybody, or without room; not sent.
    pub(crate) drops: u64,
}

impl Counters {
    /// What was counted since `earlier`; `None` where the counters began anew in between.
    pub(crate) fn since(&self, earlier: &Self) -> Option<Self> {
        Some(Self {
            received: self.received.since(&earlier.received)?,
            sent: self.sent.since(&earlier.sent)?,
        })
    }
}

impl Traffic {
    fn since(&self, earlier: &Self) -> Option<Self> {
        Some(Self {
            packets: self.packets.checked_sub(earlier.packets)?,
            bytes: self.bytes.checked_sub(earlier.bytes)?,
            errors: self.errors.checked_sub(earlier.errors)?,
            drops: self.drops.checked_sub(earlier.drops)?,
        })
    }
}

impl From<&Stats64> for Counters {
    fn from(stats: &Stats64) -> Self {
        Self {
            received: Traffic {
                packets: stats.rx_packets,
                bytes: stats.rx_bytes,
                errors: stats.rx_errors,
                drops: stats.rx_dropped + stats.rx_missed_errors,
            },
            sent: Traffic {
                packets: stats.tx_packets,
                bytes: stats.tx_bytes,
                errors: stats.tx_errors,
                drops: stats.tx_dropped,
            },
        }
    }
}

/// The first header of every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkType {
    Ethernet,
    /// An IP packet with nothing before it, as from a tun interface.
    RawIp,
}

impl LinkType {
    /// The number in a capture file.
    pub(crate) const fn number(self) -> u16 {
        match self {
            Self::Ethernet => DLT_ETHERNET,
            Self::RawIp => DLT_RAW_IP,
        }
    }
}

impl LinkType {
    /// As tcpdump says it when it begins.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::Ethernet => "EN10MB (Ethernet)",
            Self::RawIp => "RAW (Raw IP)",
        }
    }
}

impl Interface {
    pub(crate) fn is_up(&self) -> bool {
        self.flags.contains(LinkFlags::Up)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.flags.contains(LinkFlags::Running)
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.flags.contains(LinkFlags::Loopback)
    }

    /// `None` for a link layer that this tool cannot name in a file.
    pub(crate) fn link_type(&self) -> Option<LinkType> {
        match self.layer {
            LinkLayerType::Ether | LinkLayerType::Loopback => Some(LinkType::Ethernet),
            LinkLayerType::None
            | LinkLayerType::Rawip
            | LinkLayerType::Tunnel
            | LinkLayerType::Tunnel6
            | LinkLayerType::Sit
            | LinkLayerType::Ipgre => Some(LinkType::RawIp),
            _ => None,
        }
    }

    /// Up, running, loopback: in words.
    pub(crate) fn state(&self) -> String {
        let up = if !self.is_up() {
            "down"
        } else if self.is_running() {
            "up, running"
        } else {
            "up, no carrier"
        };
        if self.is_loopback() {
            format!("{up}, loopback")
        } else {
            up.to_owned()
        }
    }

    /// What the link layer is called where there is no [`LinkType`].
    pub(crate) fn layer(&self) -> String {
        format!("{:?}", self.layer)
    }
}

/// All interfaces, in the kernel's order.
pub(crate) fn list() -> Result<Vec<Interface>, Failure> {
    dump().map_err(|error| Failure::io("cannot list the interfaces", &error))
}

/// The interface of this name.
pub(crate) fn named(name: &str) -> Result<Interface, Failure> {
    let found = list()?.into_iter().find(|interface| interface.name == name);
    found.ok_or_else(|| {
        let why = if name == "any" {
            "'any' is not supported: packets come from one interface".to_owned()
        } else {
            format!("there is no interface {name}")
        };
        Failure::interface(format_args!("{why} (packet-ring capture -D lists them)"))
    })
}

/// The interface that had this index and this name when it was looked up before, whatever it is called now.
pub(crate) fn again(interface: &Interface) -> Result<Interface, Failure> {
    let mut all = list()?.into_iter();
    let found = all.find(|found| found.index == interface.index);
    found.ok_or_else(|| Failure::interface(format_args!("{} went away", interface.name)))
}

/// The first that is up and not loopback, else the loopback.
pub(crate) fn default() -> Result<Interface, Failure> {
    let all = list()?;
    let usable = |interface: &&Interface| interface.is_up() && interface.link_type().is_some();
    let first = all
        .iter()
        .filter(usable)
        .find(|interface| !interface.is_loopback());
    let found = first.or_else(|| all.iter().find(|interface| interface.is_loopback()));
    found
        .cloned()
        .ok_or_else(|| Failure::interface("there is no interface to capture from"))
}

fn dump() -> std::io::Result<Vec<Interface>> {
    // NETLINK_ROUTE is protocol 0.
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetLink(LinkMessage::default()));
    request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    rustix::net::sendto(
        &socket,
        &bytes,
        SendFlags::empty(),
        &netlink::SocketAddrNetlink::new(0, 0),
    )?;

    let mut interfaces = Vec::new();
    let mut datagram = vec![0; DATAGRAM];
    loop {
        let (len, _) = rustix::net::recv(&socket, &mut datagram[..], RecvFlags::empty())?;
        let mut rest = &datagram[..len];
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(std::io::Error::other)?;
            let length = (message.header.length as usize).next_multiple_of(4);
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(interfaces),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                    interfaces.extend(interface(&link));
                }
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

fn interface(link: &LinkMessage) -> Option<Interface> {
    let attributes = || link.attributes.iter();
    let name = attributes().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })?;
    let counted = attributes().find_map(|attribute| match attribute {
        LinkAttribute::Stats64(stats) => Some(Counters::from(stats)),
        _ => None,
    });
    let mtu = attributes().find_map(|attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    });
    Some(Interface {
        name,
        index: link.header.index,
        flags: link.header.flags,
        layer: link.header.link_layer_type,
        counted: counted.unwrap_or_default(),
        mtu: mtu.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_has_a_loopback() {
        let lo = named("lo").unwrap();
        assert!(lo.is_loopback());
        assert_eq!(lo.link_type(), Some(LinkType::Ethernet));
    }

    #[test]
    fn an_interface_that_does_not_exist_is_named() {
        assert!(
            named("no-such-if")
                .unwrap_err()
                .to_string()
                .contains("no-such-if")
        );
    }
}
