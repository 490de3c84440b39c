//! What a `LinkWatch` tells of an interface, and that it wakes for it.

mod data_path;

use core::time::Duration;
use std::thread;

use packet_ring::packet::{Interface, LinkState, LinkWatch};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Link, Namespace, VethOptions, VethPair, suite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use data_path::{PATIENCE, interface};

fn pair() -> Result<VethPair, Stopped> {
    Ok(VethPair::create(&VethOptions::default())?)
}

/// Whether the watch's descriptor wakes within this time.
fn wakes(watch: &LinkWatch, time: Duration) -> Result<bool, Stopped> {
    let time = Timespec::try_from(time)?;
    Ok(poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&time))? > 0)
}

/// Sleeps until there is a change.
fn next(watch: &mut LinkWatch) -> Result<Result<LinkState, Error>, Stopped> {
    loop {
        match watch.take() {
            Ok(Some(state)) => return Ok(Ok(state)),
            Ok(None) => {}
            Err(error) => return Ok(Err(error)),
        }
        if !wakes(watch, PATIENCE)? {
            return Err("nothing was told".into());
        }
    }
}

fn a_link_is_followed_down_and_up_again() -> TestResult {
    let pair = pair()?;
    let mut watch = LinkWatch::new(interface(&pair.near)?)?;
    assert_eq!(watch.interface(), interface(&pair.near)?);
    assert_eq!(watch.state(), Ok(LinkState::Running));
    assert_eq!(watch.take(), Ok(None));
    pair.far.set_down()?;
    assert_eq!(next(&mut watch)?, Ok(LinkState::NoCarrier));
    pair.near.set_down()?;
    assert_eq!(next(&mut watch)?, Ok(LinkState::Down));
    assert_eq!(watch.state(), Ok(LinkState::Down));
    pair.near.set_up()?;
    assert_eq!(next(&mut watch)?, Ok(LinkState::NoCarrier));
    pair.far.set_up()?;
    assert_eq!(next(&mut watch)?, Ok(LinkState::Running));
    assert_eq!(watch.take(), Ok(None));
    Ok(())
}

fn what_changed_meanwhile_is_told_in_order() -> TestResult {
    let pair = pair()?;
    let mut watch = LinkWatch::new(interface(&pair.near)?)?;
    pair.near.set_down()?;
    pair.set_up()?;
    pair.near.set_down()?;
    let mut told = Vec::new();
    while let Some(state) = watch.take()? {
        told.push(state);
    }
    // Whether the kernel tells of the time without a carrier is its own affair.
    told.retain(|&state| state != LinkState::NoCarrier);
    assert_eq!(told, [LinkState::Down, LinkState::Running, LinkState::Down]);
    Ok(())
}

fn other_links_and_other_news_are_not_told() -> TestResult {
    let (pair, other) = (pair()?, pair()?);
    let mut watch = LinkWatch::new(interface(&pair.near)?)?;
    other.near.set_down()?;
    other.delete()?;
    pair.near.set_mtu(1400)?;
    assert!(wakes(&watch, PATIENCE)?, "the test does not test");
    assert_eq!(watch.take(), Ok(None));
    assert!(
        !wakes(&watch, Duration::ZERO)?,
        "what was taken wakes again"
    );
    assert_eq!(watch.state(), Ok(LinkState::Running));
    Ok(())
}

fn a_deleted_link_is_gone_for_good() -> TestResult {
    let pair = pair()?;
    let mut watch = LinkWatch::new(interface(&pair.near)?)?;
    pair.delete()?;
    let mut last = next(&mut watch)?;
    while last.is_ok() {
        last = next(&mut watch)?;
    }
    assert_eq!(last, Err(Error::LinkGone));
    assert_eq!(watch.take(), Err(Error::LinkGone));
    assert_eq!(watch.state(), Err(Error::LinkGone));
    Ok(())
}

fn a_link_that_moved_away_and_came_back_is_gone() -> TestResult {
    let pair = pair()?;
    let (home, elsewhere) = (Namespace::current()?, Namespace::new()?);
    let near = interface(&pair.near)?;
    let mut watch = LinkWatch::new(near)?;
    pair.near.move_to(&elsewhere)?;
    elsewhere.run(|| Link::named(pair.near.name()).and_then(|near| near.move_to(&home)))??;
    pair.set_up()?;
    // Index and all: but sockets that were bound to it are not any more.
    assert_eq!(interface(&pair.near)?, near);
    let mut last = next(&mut watch)?;
    while last.is_ok() {
        last = next(&mut watch)?;
    }
    assert_eq!(last, Err(Error::LinkGone));
    assert_eq!(LinkWatch::new(near)?.state(), Ok(LinkState::Running));
    Ok(())
}

/// Has the kernel send more messages than a socket holds.
fn overrun(link: &Link) -> TestResult {
    for round in 0..1000 {
        link.set_mtu(1000 + round)?;
    }
    Ok(())
}

fn lost_messages_are_made_up_for_by_asking() -> TestResult {
    let pair = pair()?;
    let near = interface(&pair.near)?;
    for (end, expected) in [
        (Link::set_down as fn(&Link) -> _, Ok(LinkState::Down)),
        (Link::delete, Err(Error::LinkGone)),
    ] {
        pair.set_up()?;
        let mut watch = LinkWatch::new(near)?;
        overrun(&pair.far)?;
        end(&pair.near)?;
        assert!(wakes(&watch, PATIENCE)?);
        let told = match watch.take() {
            Ok(Some(state)) => Ok(state),
            Ok(None) => return Err("nothing was told".into()),
            Err(error) => Err(error),
        };
        assert_eq!(told, expected);
        assert_eq!(watch.state(), expected);
        assert_eq!(watch.take().err(), expected.err());
        assert!(!wakes(&watch, Duration::ZERO)? || expected.is_err());
    }
    Ok(())
}

fn lost_messages_without_a_change_tell_none() -> TestResult {
    let pair = pair()?;
    let mut watch = LinkWatch::new(interface(&pair.near)?)?;
    overrun(&pair.near)?;
    assert_eq!(watch.take(), Ok(None));
    assert!(!wakes(&watch, Duration::ZERO)?);
    // It listens on.
    pair.near.set_down()?;
    assert_eq!(next(&mut watch)?, Ok(LinkState::Down));
    Ok(())
}

fn a_link_of_another_namespace_is_watched_from_here() -> TestResult {
    let elsewhere = Namespace::new()?;
    let there = elsewhere.run(pair)??;
    let near = interface(&there.near)?;
    let mut watch = LinkWatch::new_in(&elsewhere, near)?;
    there.near.set_down()?;
    assert_eq!(next(&mut watch)?, Ok(LinkState::Down));
    Ok(())
}

fn an_absent_link_is_refused() -> TestResult {
    let absent = Interface::by_index(i32::MAX as u32).ok_or("no index")?;
    assert_eq!(LinkWatch::new(absent).err(), Some(Error::NoSuchInterface));
    let file = std::fs::File::open("/proc/self/status")?;
    let refused = Error::System {
        operation: Operation::EnterNamespace,
        errno: Errno::INVAL,
    };
    assert_eq!(LinkWatch::new_in(&file, absent).err(), Some(refused));
    Ok(())
}

/// Watches from a thread that has given up what it may.
fn watch_unprivileged(interface: Interface) -> Result<LinkWatch, Stopped> {
    set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(LinkWatch::new(interface)?)
}

fn watching_needs_no_privilege() -> TestResult {
    let pair = pair()?;
    let near = interface(&pair.near)?;
    let watch = thread::scope(|scope| scope.spawn(|| watch_unprivileged(near)).join());
    let mut watch = watch.map_err(|_| "the thread panicked")??;
    pair.near.set_down()?;
    assert_eq!(next(&mut watch)?, Ok(LinkState::Down));
    Ok(())
}

suite![
    a_link_is_followed_down_and_up_again,
    what_changed_meanwhile_is_told_in_order,
    other_links_and_other_news_are_not_told,
    a_deleted_link_is_gone_for_good,
    a_link_that_moved_away_and_came_back_is_gone,
    lost_messages_are_made_up_for_by_asking,
    lost_messages_without_a_change_tell_none,
    a_link_of_another_namespace_is_watched_from_here,
    an_absent_link_is_refused,
    watching_needs_no_privilege,
];
