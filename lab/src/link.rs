//! One network interface: asking the kernel about it, and changing it.

use core::net::Ipv4Addr;
use std::sync::Arc;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    LinkAttribute, LinkFlags, LinkMessage, LinkXdp, State as Operational,
};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::io::Errno;

use crate::counters::Counters;
use crate::namespace::Namespace;
use crate::offload::{self, Offload, State};
use crate::queue::{self, QueueCounters, TokenBucket};
use crate::rtnl::Rtnl;
use crate::{LabError, address, channels};

/// An interface, known by its name, in one namespace.
///
/// The handle keeps to that namespace whatever thread uses it. It does not own the interface: the
/// name is looked up at every call, so a handle outlives the interface and speaks of a recreated
/// one of the same name.
#[derive(Debug, Clone)]
pub struct Link {
    name: String,
    home: Arc<Home>,
}

/// A namespace with a netlink socket in it.
#[derive(Debug)]
struct Home {
    namespace: Namespace,
    rtnl: Rtnl,
}

/// What the kernel says of an interface at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkFacts {
    /// The interface index. A recreated interface has another.
    pub index: u32,
    /// `IFF_*` of `linux/if.h`.
    pub flags: u32,
    /// Whether the kernel has seen the carrier and acted on it (`IF_OPER_UP`): it passes frames from then on.
    /// [`is_running`](Self::is_running) is before that of an interface that is new. Not said of every kind.
    pub is_operating: bool,
    /// The largest payload of a frame, in bytes, without the Ethernet header.
    pub mtu: u32,
    /// The hardware address.
    pub address: [u8; 6],
    /// How many users have asked for promiscuous mode.
    pub promiscuity: u32,
    /// How many users have asked for every multicast frame (`IFLA_ALLMULTI`, Linux 5.19; 0 before).
    pub all_multicast: u32,
    /// Transmit queues.
    pub tx_queues: u32,
    /// Receive queues.
    pub rx_queues: u32,
    /// The id of the XDP program that runs in the driver, if one does.
    pub native_xdp: Option<u32>,
    /// The id of the XDP program that runs in the network stack, if one does.
    pub generic_xdp: Option<u32>,
    /// The interface's own counters.
    pub counters: Counters,
}

impl LinkFacts {
    /// Whether the interface was set up (`IFF_UP`), be there a carrier or not.
    pub fn is_up(&self) -> bool {
        LinkFlags::from_bits_retain(self.flags).contains(LinkFlags::Up)
    }

    /// Whether the interface is up and passes frames (`IFF_RUNNING`).
    pub fn is_running(&self) -> bool {
        LinkFlags::from_bits_retain(self.flags).contains(LinkFlags::Up | LinkFlags::Running)
    }
}

impl Link {
    /// The interface `name` of the calling thread's namespace, whether it exists yet or not.
    pub fn named(name: &str) -> Result<Self, LabError> {
        let home = Home {
            namespace: Namespace::current()?,
            rtnl: Rtnl::open()?,
        };
        Ok(Self {
            name: name.to_owned(),
            home: Arc::new(home),
        })
    }

    /// Another interface of the same namespace.
    pub(crate) fn sibling(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            home: Arc::clone(&self.home),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace that the interface is in.
    pub fn namespace(&self) -> &Namespace {
        &self.home.namespace
    }

    /// What the kernel says of the interface now (`RTM_GETLINK`).
    ///
    /// # Errors
    /// [`LabError::NoSuchInterface`] when it is gone.
    #[doc(alias = "RTM_GETLINK")]
    pub fn facts(&self) -> Result<LinkFacts, LabError> {
        self.answer().map(|answer| facts_of(&answer))
    }

    /// All that the kernel says of it.
    pub(crate) fn answer(&self) -> Result<LinkMessage, LabError> {
        let request = self.message([]);
        match self.home.rtnl.get(
            "ask for the interface",
            RouteNetlinkMessage::GetLink(request),
        ) {
            Ok(RouteNetlinkMessage::NewLink(answer)) => Ok(answer),
            Ok(other) => Err(LabError::Unreadable(format!("{other:?}"))),
            Err(error) => Err(self.named_error(error)),
        }
    }

    /// The interface index.
    #[doc(alias = "if_nametoindex")]
    pub fn index(&self) -> Result<u32, LabError> {
        self.facts().map(|facts| facts.index)
    }

    /// The interface's own counters: the judge of every claim about packets.
    pub fn counters(&self) -> Result<Counters, LabError> {
        self.facts().map(|facts| facts.counters)
    }

    /// Sets the interface up. A veth passes frames once both ends are up and the kernel has seen
    /// the carrier, which
    /// [`VethPair::set_up`](crate::VethPair::set_up) waits for.
    pub fn set_up(&self) -> Result<(), LabError> {
        self.set_flags(LinkFlags::Up)
    }

    /// Sets the interface down. The other end of a veth loses its carrier.
    pub fn set_down(&self) -> Result<(), LabError> {
        self.set_flags(LinkFlags::empty())
    }

    fn set_flags(&self, flags: LinkFlags) -> Result<(), LabError> {
        let mut message = self.message([]);
        message.header.flags = flags;
        message.header.change_mask = LinkFlags::Up;
        self.change("set the interface up or down", message)
    }

    /// Sets the largest payload of a frame, in bytes.
    pub fn set_mtu(&self, mtu: u32) -> Result<(), LabError> {
        self.change("set the MTU", self.message([LinkAttribute::Mtu(mtu)]))
    }

    /// Sets the hardware address.
    pub fn set_address(&self, address: [u8; 6]) -> Result<(), LabError> {
        self.change(
            "set the hardware address",
            self.message([LinkAttribute::Address(address.to_vec())]),
        )
    }

    /// Gives the interface an IPv4 address, as in `10.0.0.1/24`. The kernel then speaks on it: it
    /// answers ARP and ICMP, and asks by ARP for those it sends to.
    pub fn add_ipv4(&self, address: Ipv4Addr, prefix_len: u8) -> Result<(), LabError> {
        self.must_be_ours()?;
        address::add(&self.home.rtnl, self.index()?, address, prefix_len)
    }

    /// Sets how many queues each way the interface uses, of those that it was made with (`ETHTOOL_SCHANNELS`).
    #[doc(alias = "ETHTOOL_SCHANNELS")]
    pub fn set_queues(&self, receive: u32, transmit: u32) -> Result<(), LabError> {
        self.must_be_ours()?;
        channels::set(&self.home.rtnl, &self.name, receive, transmit)
            .map_err(|error| self.named_error(error))
    }

    /// Turns one of the interface's offloads on or off (ethtool).
    #[doc(alias = "ethtool")]
    pub fn set_offload(&self, offload: Offload, state: State) -> Result<(), LabError> {
        self.must_be_ours()?;
        offload::set(&self.home.rtnl, &self.name, offload, state)
            .map_err(|error| self.named_error(error))
    }

    /// Whether the interface has this offload on.
    pub fn offload(&self, offload: Offload) -> Result<State, LabError> {
        offload::get(&self.home.rtnl, &self.name, offload).map_err(|error| self.named_error(error))
    }

    /// Sends what the interface sends through a token bucket; a veth has no queue of its own.
    pub fn set_token_bucket(&self, bucket: &TokenBucket) -> Result<(), LabError> {
        self.must_be_ours()?;
        queue::set(&self.home.rtnl, self.index()?, bucket)
    }

    /// Takes the token bucket away, and drops what waits in it.
    pub fn remove_token_bucket(&self) -> Result<(), LabError> {
        self.must_be_ours()?;
        queue::remove(&self.home.rtnl, self.index()?)
    }

    /// What the token bucket has counted.
    pub fn queue_counters(&self) -> Result<QueueCounters, LabError> {
        queue::counters(&self.home.rtnl, self.index()?)
    }

    /// Moves the interface to another namespace, where it arrives under its name, and down. This
    /// handle stays where it is.
    #[doc(alias = "IFLA_NET_NS_FD")]
    pub fn move_to(&self, namespace: &Namespace) -> Result<(), LabError> {
        self.change(
            "move the interface to another namespace",
            self.message([LinkAttribute::NetNsFd(namespace.fd().as_raw_fd())]),
        )
    }

    /// Deletes the interface, and with one end of a veth the other.
    pub fn delete(&self) -> Result<(), LabError> {
        self.must_be_ours()?;
        let request = RouteNetlinkMessage::DelLink(self.message([]));
        self.home
            .rtnl
            .change("delete the interface", request)
            .map_err(|error| self.named_error(error))
    }

    /// Makes the interface that `attributes` describe, under this name.
    pub(crate) fn create(
        &self,
        attributes: impl IntoIterator<Item = LinkAttribute>,
    ) -> Result<(), LabError> {
        self.must_be_ours()?;
        self.home.rtnl.create(
            "make the interface",
            RouteNetlinkMessage::NewLink(self.message(attributes)),
        )
    }

    pub(crate) fn change(&self, doing: &'static str, message: LinkMessage) -> Result<(), LabError> {
        self.must_be_ours()?;
        let request = RouteNetlinkMessage::SetLink(message);
        self.home
            .rtnl
            .change(doing, request)
            .map_err(|error| self.named_error(error))
    }

    /// A message about this interface, found by its name.
    pub(crate) fn message(
        &self,
        attributes: impl IntoIterator<Item = LinkAttribute>,
    ) -> LinkMessage {
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::IfName(self.name.clone()));
        message.attributes.extend(attributes);
        message
    }

    /// A socket in the interface's namespace.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.home.rtnl.as_fd()
    }

    pub(crate) fn must_be_ours(&self) -> Result<(), LabError> {
        if self.home.namespace.is_ours() {
            Ok(())
        } else {
            Err(LabError::NotInTheLab)
        }
    }

    fn named_error(&self, error: LabError) -> LabError {
        match error.errno() {
            Some(Errno::NODEV) => LabError::NoSuchInterface(self.name.clone()),
            _ => error,
        }
    }
}

fn facts_of(answer: &LinkMessage) -> LinkFacts {
    let mut facts = LinkFacts {
        index: answer.header.index,
        flags: answer.header.flags.bits(),
        is_operating: false,
        mtu: 0,
        address: [0; 6],
        promiscuity: 0,
        all_multicast: 0,
        tx_queues: 0,
        rx_queues: 0,
        native_xdp: None,
        generic_xdp: None,
        counters: Counters::default(),
    };
    for attribute in &answer.attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => facts.mtu = *mtu,
            LinkAttribute::OperState(state) => facts.is_operating = *state == Operational::Up,
            LinkAttribute::Address(bytes) => {
                facts.address = bytes.as_slice().try_into().unwrap_or_default()
            }
            LinkAttribute::Promiscuity(count) => facts.promiscuity = *count,
            LinkAttribute::AllMulticast(count) => facts.all_multicast = *count,
            LinkAttribute::NumTxQueues(count) => facts.tx_queues = *count,
            LinkAttribute::NumRxQueues(count) => facts.rx_queues = *count,
            LinkAttribute::Xdp(programs) => {
                for program in programs {
                    match program {
                        LinkXdp::DrvProgId(id) => facts.native_xdp = Some(*id),
                        LinkXdp::SkbProgId(id) => facts.generic_xdp = Some(*id),
                        _ => {}
                    }
                }
            }
            LinkAttribute::Stats64(stats) => facts.counters = Counters::from(stats),
            _ => {}
        }
    }
    facts
}
