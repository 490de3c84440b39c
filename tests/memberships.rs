//! Memberships, seen on the interface: who has asked it for what.

mod data_path;

use std::fs;

use packet_ring::packet::{Direction, Membership, Rx};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Link, VethOptions, VethPair, frame, suite};
use rustix::io::Errno;

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

fn promiscuous_is_counted_on_the_interface_and_given_up() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let far = bench.pair.far.clone();
    let mut other = receive_on(&far, Rx::new(PROMPT))?;
    assert_eq!(modes(&far)?, (0, 0));
    bench.socket.add_membership(Membership::Promiscuous)?;
    assert_eq!(modes(&far)?, (1, 0));
    other.add_membership(Membership::Promiscuous)?;
    assert_eq!(modes(&far)?, (2, 0));
    bench.socket.drop_membership(Membership::Promiscuous)?;
    assert_eq!(modes(&far)?, (1, 0));
    // One that this socket does not have; the other's stays.
    bench.socket.drop_membership(Membership::Promiscuous)?;
    assert_eq!(modes(&far)?, (1, 0));
    drop(other);
    assert_eq!(modes(&far)?, (0, 0));
    Ok(())
}

fn packets_to_other_hosts_are_marked() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    bench.socket.add_membership(Membership::Promiscuous)?;
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
    let mut bench = Bench::new(PROMPT)?;
    let far = bench.pair.far.clone();
    bench.socket.add_membership(Membership::AllMulticast)?;
    assert_eq!(modes(&far)?, (0, 1));
    bench.socket.drop_membership(Membership::AllMulticast)?;
    assert_eq!(modes(&far)?, (0, 0));
    bench.socket.add_membership(Membership::AllMulticast)?;
    drop(bench);
    assert_eq!(modes(&far)?, (0, 0));
    Ok(())
}

fn a_group_is_joined_and_left() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let far = bench.pair.far.clone();
    assert_eq!(users_of_the_group(&far)?, 0);
    bench.socket.add_membership(Membership::Multicast(GROUP))?;
    assert_eq!(users_of_the_group(&far)?, 1);
    assert_eq!(modes(&far)?, (0, 0));
    let mut another = GROUP;
    another[5] ^= 1;
    bench
        .socket
        .drop_membership(Membership::Multicast(another))?;
    assert_eq!(users_of_the_group(&far)?, 1);
    bench.socket.drop_membership(Membership::Multicast(GROUP))?;
    assert_eq!(users_of_the_group(&far)?, 0);
    Ok(())
}

fn a_second_address_is_taken_and_given_up() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let far = bench.pair.far.clone();
    // A veth cannot filter by address: the kernel makes it promiscuous instead.
    bench.socket.add_membership(Membership::Unicast(SECOND))?;
    assert_eq!(modes(&far)?, (1, 0));
    bench.socket.drop_membership(Membership::Unicast(SECOND))?;
    assert_eq!(modes(&far)?, (0, 0));
    Ok(())
}

fn a_membership_does_not_move_along_when_the_socket_is_bound_elsewhere() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let pair = bench.pair.clone();
    bench.socket.add_membership(Membership::Promiscuous)?;
    bench.socket.rebind(interface(&pair.near)?)?;
    assert_eq!((modes(&pair.near)?, modes(&pair.far)?), ((0, 0), (1, 0)));
    bench.socket.add_membership(Membership::Promiscuous)?;
    assert_eq!((modes(&pair.near)?, modes(&pair.far)?), ((1, 0), (1, 0)));
    drop(bench);
    assert_eq!((modes(&pair.near)?, modes(&pair.far)?), ((0, 0), (0, 0)));
    Ok(())
}

fn an_interface_that_is_gone_takes_no_membership() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(PROMPT))?;
    socket.add_membership(Membership::Promiscuous)?;
    pair.delete()?;
    assert_eq!(
        socket.add_membership(Membership::AllMulticast),
        Err(Error::System {
            operation: Operation::AddMembership,
            errno: Errno::NODEV,
        })
    );
    Ok(socket.drop_membership(Membership::Promiscuous)?)
}

suite![
    promiscuous_is_counted_on_the_interface_and_given_up,
    packets_to_other_hosts_are_marked,
    all_multicast_is_set_on_the_interface_and_given_up,
    a_group_is_joined_and_left,
    a_second_address_is_taken_and_given_up,
    a_membership_does_not_move_along_when_the_socket_is_bound_elsewhere,
    an_interface_that_is_gone_takes_no_membership,
];
