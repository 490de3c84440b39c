//! What an interface says of itself, against what rtnetlink says of it.

mod data_path;

use packet_ring::packet::{Interface, LinkState, LinkWatch, Queues, Rx, Socket};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Link, VethOptions, VethPair, suite};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use data_path::{PROMPT, interface};

fn pair_of(queues: u32) -> Result<VethPair, Stopped> {
    Ok(VethPair::create(&VethOptions {
        queues,
        ..Default::default()
    })?)
}

fn the_mtu_is_the_interfaces() -> TestResult {
    let pair = pair_of(1)?;
    let near = interface(&pair.near)?;
    let socket = Socket::configure(Rx::new(PROMPT))?;
    for mtu in [1500, 68, 65_535] {
        pair.near.set_mtu(mtu)?;
        assert_eq!(near.mtu(&socket)?, mtu);
        assert_eq!(pair.near.facts()?.mtu, mtu);
    }
    Ok(())
}

fn the_link_state_follows_both_ends_of_the_cable() -> TestResult {
    let pair = pair_of(1)?;
    let near = interface(&pair.near)?;
    let socket = Socket::configure(Rx::new(PROMPT))?;
    assert_eq!(near.link_state(&socket)?, LinkState::Running);
    pair.far.set_down()?;
    // The kernel tells of a lost carrier in its own time.
    while pair.near.facts()?.is_running() {
        std::thread::yield_now();
    }
    assert_eq!(near.link_state(&socket)?, LinkState::NoCarrier);
    pair.near.set_down()?;
    assert_eq!(near.link_state(&socket)?, LinkState::Down);
    pair.set_up()?;
    assert_eq!(near.link_state(&socket)?, LinkState::Running);
    Ok(())
}

fn the_queues_are_the_interfaces() -> TestResult {
    let socket = Socket::configure(Rx::new(PROMPT))?;
    for count in [1, 3] {
        let pair = pair_of(count)?;
        let facts = pair.near.facts()?;
        assert_eq!((facts.rx_queues, facts.tx_queues), (count, count));
        let queues = interface(&pair.near)?.queues(&socket)?;
        let expected = Queues {
            receive: count,
            transmit: count,
        };
        assert_eq!(queues, expected);
    }
    // What has no channels says so, and not that it has none.
    let lo = interface(&Link::named("lo")?)?;
    let refused = Error::System {
        operation: Operation::ReadInterface,
        errno: Errno::OPNOTSUPP,
    };
    assert_eq!(lo.queues(&socket), Err(refused));
    assert!(refused.to_string().contains("does not tell"), "{refused}");
    Ok(())
}

fn a_socket_of_af_xdp_does_not_answer_and_the_error_names_one_that_does() -> TestResult {
    let pair = pair_of(1)?;
    let near = interface(&pair.near)?;
    let xdp = socket_with(
        AddressFamily::XDP,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let refused = near.link_state(&xdp).unwrap_err();
    assert_eq!(refused.errno(), Some(Errno::OPNOTSUPP));
    assert!(refused.to_string().contains("`LinkWatch`"), "{refused}");
    assert_eq!(
        near.link_state(LinkWatch::new(near)?),
        Ok(LinkState::Running)
    );
    Ok(())
}

fn only_ethernet_has_an_ethernet_address() -> TestResult {
    let pair = pair_of(1)?;
    let socket = Socket::configure(Rx::new(PROMPT))?;
    for address in [[0x02, 1, 2, 3, 4, 5], [0x02, 0, 0, 0, 0, 0xff]] {
        pair.near.set_address(address)?;
        let near = interface(&pair.near)?;
        assert_eq!(near.ethernet_address(&socket)?, Some(address));
    }
    let lo = interface(&Link::named("lo")?)?;
    assert_eq!(lo.ethernet_address(&socket)?, None);
    Ok(())
}

fn an_interface_that_is_gone_says_nothing() -> TestResult {
    let pair = pair_of(1)?;
    let near = interface(&pair.near)?;
    let socket = Socket::configure(Rx::new(PROMPT))?;
    assert_eq!(Interface::by_name_in(&socket, pair.near.name())?, near);
    pair.delete()?;
    let gone = Some(Error::NoSuchInterface);
    assert_eq!(near.mtu(&socket).err(), gone);
    assert_eq!(near.link_state(&socket).err(), gone);
    assert_eq!(near.queues(&socket).err(), gone);
    assert_eq!(near.ethernet_address(&socket).err(), gone);
    assert_eq!(Interface::by_name(pair.near.name()).err(), gone);
    assert_eq!(Interface::by_name_in(&socket, pair.near.name()).err(), gone);
    Ok(())
}

fn asking_needs_no_privilege() -> TestResult {
    let pair = pair_of(1)?;
    let socket = Socket::configure(Rx::new(PROMPT))?;
    // This test's thread alone.
    set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        },
    )?;
    let refused = Socket::configure(Rx::new(PROMPT)).err();
    assert_eq!(refused.and_then(|error| error.errno()), Some(Errno::PERM));
    let near = Interface::by_name(pair.near.name())?;
    assert_eq!(near.mtu(&socket)?, 1500);
    assert_eq!(near.link_state(&socket)?, LinkState::Running);
    assert_eq!(near.queues(&socket)?.receive, 1);
    let address = pair.near.facts()?.address;
    assert_eq!(near.ethernet_address(&socket)?, Some(address));
    Ok(())
}

fn what_the_kernel_would_ignore_of_a_name_is_refused() -> TestResult {
    assert!(Interface::by_name("lo").is_ok());
    for name in ["lo:", "lo:1", "lo\0", "lo\0x", "", "a-name-of-16-byte"] {
        assert_eq!(
            Interface::by_name(name),
            Err(Error::NoSuchInterface),
            "{name:?}"
        );
    }
    Ok(())
}

suite![
    what_the_kernel_would_ignore_of_a_name_is_refused,
    the_mtu_is_the_interfaces,
    the_link_state_follows_both_ends_of_the_cable,
    the_queues_are_the_interfaces,
    a_socket_of_af_xdp_does_not_answer_and_the_error_names_one_that_does,
    only_ethernet_has_an_ethernet_address,
    an_interface_that_is_gone_says_nothing,
    asking_needs_no_privilege,
];
