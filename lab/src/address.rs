//! An IPv4 address on an interface, so that the kernel's own stack answers there.

use core::net::{IpAddr, Ipv4Addr};

use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::LabError;
use crate::rtnl::Rtnl;

/// Adds `address/prefix_len` to the interface `index` (`RTM_NEWADDR`).
pub(crate) fn add(
    rtnl: &Rtnl,
    index: u32,
    address: Ipv4Addr,
    prefix_len: u8,
) -> Result<(), LabError> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.index = index;
    message.header.prefix_len = prefix_len;
    let address = IpAddr::V4(address);
    message.attributes = vec![
        AddressAttribute::Local(address),
        AddressAttribute::Address(address),
    ];
    rtnl.create(
        "add an address to the interface",
        RouteNetlinkMessage::NewAddress(message),
    )
}
