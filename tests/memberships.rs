//! Memberships, seen on the interface: who has asked it for what.

mod data_path;

use std::{fs, thread};

use packet_ring::packet::{Direction, Membership, MembershipGuard, Rx, Socket};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Link, VethOptions, VethPair, frame, procfs, suite};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use data_path::{Bench, FRAME, PROMPT, interface, next, receive_on};

const GROUP: [u8; 6] = [0x01, 0, 0x5e, 0, 0, 0x99];
const SECOND: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];

/// How many have asked for every frame, and how many for every multicast frame.
fn modes(link: &Link) -> Result<(u32, u32), Stopped> {
    let facts = link.facts()?;
    Ok((facts.promiscuity, facts.all_multicast))
}

/// How many users of [`GROUP`] the kernel counts on the interface.
fn users_of_the_group(link: &Link) -> Result<u32, Stopped> {
    let index = link.index()?.to_string();
    let table = fs::read_to_string("/proc/thread-self/net/dev_mcast")?;
    let hex: String = GROUP.iter().map(|byte| format!("{byte:02x}")).collect();
    // Index, name, users, users of the kind that sockets are not, address.
    let row = table.lines().map(|line| line.split_whitespace().collect());
    row.filter(|row: &Vec<_>| row.first() == Some(&&*index) && row.last() == Some(&&*hex))
        .map(|row| Ok(row.get(2).ok_or("a short row")?.parse::<u32>()?))
        .sum()
}

/// Joins on the interface that the bench's socket is bound to.
fn join(bench: &Bench, membership: Membership) -> Result<MembershipGuard, Error> {
    membership.join(&bench.socket, bench.socket.interface())
}

fn promiscuous_is_counted_on_the_interface_and_given_up() -> TestResult {
    let bench = Bench::new(PROMPT)?;
    let far = bench.pair.far.clone();
    let other = receive_on(&far, Rx::new(PROMPT))?;
    assert_eq!(modes(&far)?, (0, 0));
    let first = join(&bench, Membership::Promiscuous)?;
    assert_eq!(modes(&far)?, (1, 0));
    let second = Membership::Promiscuous.join(&other, interface(&far)?)?;
    assert_eq!(modes(&far)?, (2, 0));
    drop(first);
    assert_eq!(modes(&far)?, (1, 0));
    drop(second);
    assert_eq!(modes(&far)?, (0, 0));
    Ok(())
}

fn a_membership_that_is_held_twice_ends_with_the_last() -> TestResult {
    let bench = Bench::new(PROMPT)?;
    let far = &bench.pair.far;
    let first = join(&bench, Membership::Promiscuous)?;
    let second = join(&bench, Membership::Promiscuous)?;
    // The kernel asks the interface once a socket.
    assert_eq!(modes(far)?, (1, 0));
    drop(first);
    assert_eq!(modes(far)?, (1, 0));
    drop(second);
    assert_eq!(modes(far)?, (0, 0));
    Ok(())
}

fn packets_to_other_hosts_are_marked() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let _promiscuous = join(&bench, Membership::Promiscuous)?;
    let mut sent = frame::numbered(7, FRAME);
    sent[..6].copy_from_slice(&SECOND);
    bench.injector.send(&sent)?;
    let block = next(&mut bench.socket)?;
    let packet = block.packets().next().ok_or("no packet")?;
    assert_eq!(packet.direction(), Direction::OtherHost);
    assert_eq!(packet.data(), sent);
    Ok(())
}

fn all_multicast_is_set_on_the_interface_and_given_up() -> TestResult {
    let bench = Bench::new(PROMPT)?;
    let far = &bench.pair.far;
    let joined = join(&bench, Membership::AllMulticast)?;
    assert_eq!(modes(far)?, (0, 1));
    drop(joined);
    assert_eq!(modes(far)?, (0, 0));
    Ok(())
}

fn a_group_is_joined_and_left() -> TestResult {
    let bench = Bench::new(PROMPT)?;
    let far = &bench.pair.far;
    assert_eq!(users_of_the_group(far)?, 0);
    let joined = join(&bench, Membership::Multicast(GROUP))?;
    assert_eq!(users_of_the_group(far)?, 1);
    assert_eq!(modes(far)?, (0, 0));
    let mut another = GROUP;
    another[5] ^= 1;
    drop(join(&bench, Membership::Multicast(another))?);
    assert_eq!(users_of_the_group(far)?, 1);
    drop(joined);
    assert_eq!(users_of_the_group(far)?, 0);
    Ok(())
}

fn a_second_address_is_taken_and_given_up() -> TestResult {
    let bench = Bench::new(PROMPT)?;
    let far = &bench.pair.far;
    // A veth cannot filter by address: the kernel makes it promiscuous instead.
    let joined = join(&bench, Membership::Unicast(SECOND))?;
    assert_eq!(modes(far)?, (1, 0));
    drop(joined);
    assert_eq!(modes(far)?, (0, 0));
    Ok(())
}

fn a_membership_keeps_to_its_interface_when_the_socket_is_bound_elsewhere() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let pair = bench.pair.clone();
    let far = join(&bench, Membership::Promiscuous)?;
    bench.socket.rebind(interface(&pair.near)?)?;
    assert_eq!((modes(&pair.near)?, modes(&pair.far)?), ((0, 0), (1, 0)));
    let near = join(&bench, Membership::Promiscuous)?;
    assert_eq!((modes(&pair.near)?, modes(&pair.far)?), ((1, 0), (1, 0)));
    drop(far);
    assert_eq!((modes(&pair.near)?, modes(&pair.far)?), ((1, 0), (0, 0)));
    drop(near);
    assert_eq!((modes(&pair.near)?, modes(&pair.far)?), ((0, 0), (0, 0)));
    Ok(())
}

fn every_state_and_the_receiver_can_join() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let far = interface(&pair.far)?;
    let promiscuous = Membership::Promiscuous;
    let configured = Socket::configure(Rx::new(PROMPT))?;
    drop(promiscuous.join(&configured, far)?);
    let mapped = configured.map()?;
    let before_bind = promiscuous.join(&mapped, far)?;
    assert_eq!(modes(&pair.far)?, (1, 0));
    let mut socket = mapped.bind(far)?;
    // While the socket is borrowed, and blocks are out.
    let receiver = socket.receiver();
    let multicast = Membership::AllMulticast.join(receiver.fd(), receiver.interface())?;
    assert_eq!(modes(&pair.far)?, (1, 1));
    let shared = socket.into_shared();
    let unicast = Membership::Unicast(SECOND).join(&shared, shared.interface())?;
    assert_eq!(modes(&pair.far)?, (2, 1));
    drop((before_bind, multicast, unicast));
    assert_eq!(modes(&pair.far)?, (0, 0));
    Ok(())
}

fn a_guard_is_kept_beside_the_socket_and_dropped_in_any_order() -> TestResult {
    let Bench { pair, socket, .. } = Bench::new(PROMPT)?;
    let rings = || procfs::maps("socket:[");
    let (fds, maps) = (procfs::open_fds()?, rings()?);
    let joined = Membership::Promiscuous.join(&socket, socket.interface())?;
    let waiting = thread::spawn(move || joined);
    let joined = waiting.join().map_err(|_| "the thread panicked")?;
    assert_eq!(procfs::open_fds()?, fds + 1);
    // The memory goes with the socket; the membership stays with its guard.
    drop(socket);
    assert_eq!(rings()?, maps - 1);
    assert_eq!(modes(&pair.far)?, (1, 0));
    drop(joined);
    assert_eq!(modes(&pair.far)?, (0, 0));
    assert_eq!(procfs::open_fds()?, fds - 1);
    Ok(())
}

fn joining_needs_no_privilege() -> TestResult {
    let bench = Bench::new(PROMPT)?;
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
    let joined = join(&bench, Membership::Promiscuous)?;
    assert_eq!(modes(&bench.pair.far)?, (1, 0));
    drop(joined);
    assert_eq!(modes(&bench.pair.far)?, (0, 0));
    Ok(())
}

fn an_interface_that_is_gone_takes_no_membership() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let socket = receive_on(&pair.far, Rx::new(PROMPT))?;
    let gone = socket.interface();
    let joined = Membership::Promiscuous.join(&socket, gone)?;
    pair.delete()?;
    let refused = Membership::AllMulticast.join(&socket, gone).err();
    assert_eq!(
        refused,
        Some(Error::System {
            operation: Operation::AddMembership,
            errno: Errno::NODEV,
        })
    );
    // Of the same names: the guard of the old pair leaves it alone.
    let [near, far] = [pair.near.name(), pair.far.name()];
    VethPair::create(&VethOptions {
        names: Some([near, far]),
        ..Default::default()
    })?;
    let _new = Membership::Promiscuous.join(&socket, interface(&pair.far)?)?;
    drop(joined);
    assert_eq!(modes(&pair.far)?, (1, 0));
    Ok(())
}

suite![
    promiscuous_is_counted_on_the_interface_and_given_up,
    a_membership_that_is_held_twice_ends_with_the_last,
    packets_to_other_hosts_are_marked,
    all_multicast_is_set_on_the_interface_and_given_up,
    a_group_is_joined_and_left,
    a_second_address_is_taken_and_given_up,
    a_membership_keeps_to_its_interface_when_the_socket_is_bound_elsewhere,
    every_state_and_the_receiver_can_join,
    joining_needs_no_privilege,
    an_interface_that_is_gone_takes_no_membership;
    alone: a_guard_is_kept_beside_the_socket_and_dropped_in_any_order,
];
