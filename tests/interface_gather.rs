//! An interface whose packets the kernel gathers, as netlink tells of its pollers: its `NAPI`s.

mod data_path;

use core::time::Duration;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{fs, thread};

use packet_ring::xdp::InterfaceGather;
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{
    Link, Namespace, Offload, OffloadState, VethOptions, VethPair, kernel, suite,
};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use data_path::interface;

const TIMEOUT: Duration = Duration::from_micros(50);

/// Where the process is root of the host; elsewhere the kernel lets nobody set these.
fn is_root_of_the_host() -> Result<bool, Stopped> {
    let map = fs::read_to_string("/proc/self/uid_map")?;
    Ok(map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// A pair whose far end has a poller, as it has with an XDP program.
fn polled() -> Result<VethPair, Stopped> {
    let pair = VethPair::create(&VethOptions::default())?;
    pair.far
        .set_offload(Offload::ReceiveMerging, OffloadState::On)?;
    Ok(pair)
}

/// Timeout in nanoseconds and deferrals of the one poller; of the interface where the kernel does not tell of pollers'
/// own.
fn settings(link: &Link) -> Result<(u64, u32), Stopped> {
    if !kernel::is_since(6, 13) {
        let (timeout, defer) = ("gro_flush_timeout", "napi_defer_hard_irqs");
        return Ok((link.sysfs(timeout)?, link.sysfs(defer)?));
    }
    match link.napis()?.as_slice() {
        [napi] => Ok((napi.gro_flush_timeout, napi.defer_hard_irqs)),
        others => Err(format!("{others:?}").into()),
    }
}

/// What the library is refused here, where the process is not the host's root.
fn refused_for_lack_of_privilege(link: &Link) -> TestResult {
    let refused = InterfaceGather::set(interface(link)?, TIMEOUT, 100).err();
    let expected = Error::System {
        operation: Operation::MountSysfs,
        errno: Errno::PERM,
    };
    assert_eq!(refused, Some(expected));
    assert!(expected.to_string().contains("CAP_SYS_ADMIN"), "{expected}");
    // An older kernel does not tell everybody.
    if kernel::is_since(6, 13) {
        assert_eq!(settings(link)?, (0, 0));
    }
    Ok(())
}

fn the_interface_gathers_until_the_guard_is_dropped() -> TestResult {
    let pair = polled()?;
    if !is_root_of_the_host()? {
        return refused_for_lack_of_privilege(&pair.far);
    }
    let far = interface(&pair.far)?;
    let guard = InterfaceGather::set(far, TIMEOUT, 100)?;
    assert_eq!(settings(&pair.far)?, (50_000, 100));
    drop(guard);
    assert_eq!(settings(&pair.far)?, (0, 0));
    Ok(())
}

fn what_was_found_is_restored() -> TestResult {
    let pair = polled()?;
    if !is_root_of_the_host()? {
        return refused_for_lack_of_privilege(&pair.far);
    }
    pair.far.set_sysfs("gro_flush_timeout", "7000")?;
    pair.far.set_sysfs("napi_defer_hard_irqs", "3")?;
    let guard = InterfaceGather::set(interface(&pair.far)?, TIMEOUT, 100)?;
    assert_eq!(settings(&pair.far)?, (50_000, 100));
    // As somebody else might: it is the interface's, and not ours.
    pair.far.set_sysfs("napi_defer_hard_irqs", "9")?;
    assert_eq!(guard.restore(), Ok(()));
    assert_eq!(settings(&pair.far)?, (7000, 3));
    Ok(())
}

fn a_poller_that_is_made_later_gathers_too() -> TestResult {
    let pair = polled()?;
    if !is_root_of_the_host()? {
        return refused_for_lack_of_privilege(&pair.far);
    }
    let guard = InterfaceGather::set(interface(&pair.far)?, TIMEOUT, 100)?;
    let ids = || -> Result<Vec<u32>, Stopped> {
        // Before, the kernel does not tell of pollers.
        if !kernel::is_since(6, 8) {
            return Ok(Vec::new());
        }
        Ok(pair.far.napis()?.iter().map(|napi| napi.id).collect())
    };
    let before = ids()?;
    // As when an XDP program is attached or detached.
    pair.far
        .set_offload(Offload::ReceiveMerging, OffloadState::Off)?;
    pair.far
        .set_offload(Offload::ReceiveMerging, OffloadState::On)?;
    assert_eq!(ids()? != before, kernel::is_since(6, 8));
    assert_eq!(settings(&pair.far)?, (50_000, 100));
    guard.restore()?;
    assert_eq!(settings(&pair.far)?, (0, 0));
    Ok(())
}

fn one_guard_serves_an_interface() -> TestResult {
    let pair = polled()?;
    if !is_root_of_the_host()? {
        return refused_for_lack_of_privilege(&pair.far);
    }
    let (near, far) = (interface(&pair.near)?, interface(&pair.far)?);
    let first = InterfaceGather::set(far, TIMEOUT, 100)?;
    let refused = InterfaceGather::set(far, 2 * TIMEOUT, 7).err();
    let expected = Error::System {
        operation: Operation::LockGatherFile,
        errno: Errno::AGAIN,
    };
    assert_eq!(refused, Some(expected));
    assert!(
        expected.to_string().contains("another InterfaceGather"),
        "{expected}"
    );
    assert_eq!(settings(&pair.far)?, (50_000, 100));
    // Another interface is another matter.
    drop(InterfaceGather::set(near, TIMEOUT, 1)?);
    assert_eq!(settings(&pair.far)?, (50_000, 100));
    first.restore()?;
    let second = InterfaceGather::set(far, 2 * TIMEOUT, 7)?;
    assert_eq!(settings(&pair.far)?, (100_000, 7));
    drop(second);
    assert_eq!(settings(&pair.far)?, (0, 0));
    Ok(())
}

/// A child that has every descriptor of ours, until it is let go: it runs no program before.
fn with_a_forked_child(work: impl FnOnce() -> TestResult) -> TestResult {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new("/bin/true");
    // SAFETY: the closure allocates nothing and takes no lock: it writes and reads a byte.
    unsafe {
        child.pre_exec(move || {
            (&theirs).write_all(&[0])?;
            (&theirs).read_exact(&mut [0])
        })
    };
    // `spawn` waits for the program.
    let child = thread::spawn(move || child.status());
    ours.read_exact(&mut [0])?;
    let done = work();
    ours.write_all(&[0])?;
    let status = child.join().map_err(|_| "the other thread panicked")??;
    assert!(status.success());
    done
}

fn a_forked_child_keeps_no_guard_from_being_set_again() -> TestResult {
    let pair = polled()?;
    if !is_root_of_the_host()? {
        return refused_for_lack_of_privilege(&pair.far);
    }
    let far = interface(&pair.far)?;
    let first = InterfaceGather::set(far, TIMEOUT, 100)?;
    with_a_forked_child(|| {
        first.restore()?;
        drop(InterfaceGather::set(far, TIMEOUT, 100)?);
        drop(InterfaceGather::set(far, TIMEOUT, 100)?);
        Ok(())
    })?;
    assert_eq!(settings(&pair.far)?, (0, 0));
    Ok(())
}

fn a_refused_number_changes_nothing() -> TestResult {
    let pair = polled()?;
    if !is_root_of_the_host()? {
        return refused_for_lack_of_privilege(&pair.far);
    }
    let refused = InterfaceGather::set(interface(&pair.far)?, TIMEOUT, u32::MAX).err();
    let Some(Error::System { operation, errno }) = refused else {
        return Err(format!("{refused:?}").into());
    };
    assert_eq!(operation, Operation::SetInterfaceGather);
    assert!(matches!(errno, Errno::RANGE | Errno::INVAL), "{errno}");
    assert_eq!(settings(&pair.far)?, (0, 0));
    // And nothing is locked.
    InterfaceGather::set(interface(&pair.far)?, TIMEOUT, 1)?.restore()?;
    Ok(())
}

fn the_interface_is_the_one_of_this_namespace() -> TestResult {
    let elsewhere = Namespace::new()?;
    let options = VethOptions {
        names: Some(["same", "other"]),
        ..Default::default()
    };
    // The same name and the same index in two namespaces, neither of which `/sys` shows.
    let here = VethPair::create(&options)?;
    let there = elsewhere.run(|| VethPair::create(&options))??;
    assert_eq!(here.near.index()?, there.near.index()?);
    for link in [&here.near, &there.near] {
        link.set_offload(Offload::ReceiveMerging, OffloadState::On)?;
    }
    if !is_root_of_the_host()? {
        return refused_for_lack_of_privilege(&here.near);
    }
    let guard = InterfaceGather::set(interface(&here.near)?, TIMEOUT, 100)?;
    assert_eq!(settings(&here.near)?, (50_000, 100));
    assert_eq!(settings(&there.near)?, (0, 0));
    // Nor does the other's guard meet ours.
    let index = interface(&there.near)?;
    let other = elsewhere.run(|| InterfaceGather::set(index, 2 * TIMEOUT, 7))??;
    assert_eq!(settings(&there.near)?, (100_000, 7));
    guard.restore()?;
    assert_eq!(settings(&here.near)?, (0, 0));
    assert_eq!(settings(&there.near)?, (100_000, 7));
    drop(other);
    assert_eq!(settings(&there.near)?, (0, 0));
    Ok(())
}

fn an_interface_that_goes_takes_its_settings_along() -> TestResult {
    let pair = polled()?;
    if !is_root_of_the_host()? {
        return refused_for_lack_of_privilege(&pair.far);
    }
    let (near, far) = (interface(&pair.near)?, interface(&pair.far)?);
    let elsewhere = Namespace::new()?;
    let (moved, gone) = (
        InterfaceGather::set(far, TIMEOUT, 100)?,
        InterfaceGather::set(near, TIMEOUT, 100)?,
    );
    pair.far.move_to(&elsewhere)?;
    let there = elsewhere.run(|| Link::named(pair.far.name()))??;
    there.set_up()?;
    assert_eq!(settings(&there)?, (50_000, 100));
    assert_eq!(moved.restore(), Ok(()));
    assert_eq!(settings(&there)?, (0, 0));
    pair.delete()?;
    assert_eq!(gone.restore(), Ok(()));
    assert_eq!(
        InterfaceGather::set(near, TIMEOUT, 1).err(),
        Some(Error::NoSuchInterface)
    );
    Ok(())
}

/// Restores on a thread that has given up what it may.
fn unprivileged(guard: InterfaceGather) -> Result<Result<(), Error>, Errno> {
    set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(guard.restore())
}

fn a_restore_without_privilege_is_heard_of() -> TestResult {
    let pair = polled()?;
    if !is_root_of_the_host()? {
        return refused_for_lack_of_privilege(&pair.far);
    }
    let guard = InterfaceGather::set(interface(&pair.far)?, TIMEOUT, 100)?;
    let expected = Error::System {
        operation: Operation::RestoreInterfaceGather,
        errno: Errno::PERM,
    };
    let restored = thread::scope(|scope| scope.spawn(|| unprivileged(guard)).join());
    assert_eq!(restored.map_err(|_| "the thread panicked")??, Err(expected));
    assert_eq!(settings(&pair.far)?, (50_000, 100));
    Ok(())
}

suite![
    the_interface_gathers_until_the_guard_is_dropped,
    what_was_found_is_restored,
    a_poller_that_is_made_later_gathers_too,
    one_guard_serves_an_interface,
    a_forked_child_keeps_no_guard_from_being_set_again,
    a_refused_number_changes_nothing,
    the_interface_is_the_one_of_this_namespace,
    an_interface_that_goes_takes_its_settings_along,
    a_restore_without_privilege_is_heard_of,
];
