//! Sockets in another network namespace than their thread.

mod data_path;

use std::fs::File;
use std::process::{Command, ExitCode};
use std::{env, thread};

use packet_ring::packet::{Interface, LinkState, Membership, Rx, Socket};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{self, Company, Stopped, Test, TestResult};
use packet_ring_lab::{Injector, Namespace, VethOptions, VethPair, frame};
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, UnshareFlags, move_into_link_name_space,
    set_capabilities, unshare_unsafe,
};

use data_path::{FRAME, PROMPT, next, numbers};

/// Set where this program is the one that [`cannot_come_back`].
const INSIDE: &str = "PACKET_RING_NAMESPACES_INSIDE";

/// Leaves the calling thread, which is the test's alone, these privileges and no other.
fn keep(capabilities: CapabilitySet) -> TestResult {
    Ok(set_capabilities(
        None,
        CapabilitySets {
            effective: capabilities,
            permitted: capabilities,
            inheritable: CapabilitySet::empty(),
        },
    )?)
}

/// Why a socket is refused, from where its thread must not have moved.
fn refused(namespace: impl AsFd) -> Result<Option<Error>, Stopped> {
    let here = Namespace::current()?;
    let refused = Socket::configure_in(namespace, Rx::new(PROMPT)).err();
    assert!(Namespace::current()? == here, "the thread has moved");
    Ok(refused)
}

fn system(operation: Operation, errno: Errno) -> Option<Error> {
    Some(Error::System { operation, errno })
}

fn a_socket_receives_in_the_namespace_that_it_was_opened_in() -> TestResult {
    let here = Namespace::current()?;
    let elsewhere = Namespace::new()?;
    let pair = VethPair::create(&VethOptions {
        far_namespace: Some(&elsewhere),
        ..Default::default()
    })?;
    let socket = Socket::configure_in(&elsewhere, Rx::new(PROMPT))?;
    assert!(Namespace::current()? == here);

    let name = pair.far.name();
    let far = Interface::by_name_in(&socket, name)?;
    assert_eq!(far.index(), pair.far.index()?);
    assert_eq!(Interface::by_name(name), Err(Error::NoSuchInterface));
    assert_eq!(far.link_state(&socket)?, LinkState::Running);

    let mut socket = socket.map()?.bind(far)?;
    let joined = Membership::Promiscuous.join(&socket, far)?;
    assert_eq!(pair.far.facts()?.promiscuity, 1);
    drop(joined);
    Injector::on(&pair.near)?.send(&frame::numbered(7, FRAME))?;
    assert_eq!(numbers(&next(&mut socket)?), [7]);
    assert_eq!(pair.far.counters()?.rx_packets, 1);
    Ok(socket.take_error()?)
}

fn what_is_no_network_namespace_is_refused_where_the_thread_is() -> TestResult {
    let not_one = system(Operation::EnterNamespace, Errno::INVAL);
    assert_eq!(refused(File::open("/proc/self/ns/mnt")?)?, not_one);
    assert_eq!(refused(File::open("/proc/self/status")?)?, not_one);
    Ok(())
}

fn without_privilege_the_thread_does_not_move() -> TestResult {
    let elsewhere = Namespace::new()?;
    keep(CapabilitySet::NET_RAW)?;
    let not_permitted = system(Operation::EnterNamespace, Errno::PERM);
    assert_eq!(refused(&elsewhere)?, not_permitted);
    Ok(())
}

fn a_socket_that_is_refused_there_leaves_the_thread_here() -> TestResult {
    let elsewhere = Namespace::new()?;
    keep(CapabilitySet::SYS_ADMIN)?;
    let not_permitted = system(Operation::OpenSocket, Errno::PERM);
    assert_eq!(refused(&elsewhere)?, not_permitted);
    Ok(())
}

/// The process that cannot come back: it is root of a user namespace that does not own the network
/// namespace it is in, and owns another.
fn cannot_come_back() -> TestResult {
    // SAFETY: descriptors stay shared, which is the danger; and there is one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }?;
    let own = thread::spawn(|| {
        // SAFETY: descriptors stay shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
        File::open("/proc/thread-self/ns/net")
    });
    let own = own.join().map_err(|_| "the thread panicked")??;
    let not_permitted = system(Operation::EnterNamespace, Errno::PERM);
    assert_eq!(refused(&own)?, not_permitted);
    // It is the way back that was not permitted.
    move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::Network))?;
    Socket::configure(Rx::new(PROMPT))?;
    Ok(())
}

fn a_thread_that_could_not_come_back_does_not_go() -> TestResult {
    let child = Command::new(env::current_exe()?)
        .env(INSIDE, "1")
        .output()?;
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    Ok(())
}

fn main() -> ExitCode {
    if env::var_os(INSIDE).is_some() {
        return match cannot_come_back() {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{why:?}");
                ExitCode::FAILURE
            }
        };
    }
    let test = |name, body| Test {
        name,
        company: Company::Any,
        body,
    };
    suite::run(&[
        test(
            "a_socket_receives_in_the_namespace_that_it_was_opened_in",
            a_socket_receives_in_the_namespace_that_it_was_opened_in,
        ),
        test(
            "what_is_no_network_namespace_is_refused_where_the_thread_is",
            what_is_no_network_namespace_is_refused_where_the_thread_is,
        ),
        test(
            "without_privilege_the_thread_does_not_move",
            without_privilege_the_thread_does_not_move,
        ),
        test(
            "a_socket_that_is_refused_there_leaves_the_thread_here",
            a_socket_that_is_refused_there_leaves_the_thread_here,
        ),
        test(
            "a_thread_that_could_not_come_back_does_not_go",
            a_thread_that_could_not_come_back_does_not_go,
        ),
    ])
}
