//! The way in: the whole process moves to a network namespace of its own, once, before it has
//! threads.

use std::fs;

use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

use crate::LabError;
use crate::namespace;
use crate::procfs;

/// Which way [`enter`] went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entered {
    /// A network namespace alone: the process had the privilege (`CAP_SYS_ADMIN`), and keeps it.
    Privileged,
    /// A user namespace, where the user appears as root, and a network namespace within it.
    UserNamespace,
}

/// Moves the calling process to a fresh network namespace, with `lo` up, IPv6 off and nothing else.
///
/// The caller needs no privilege: where a network namespace alone is refused, a user namespace
/// comes around it, with the present user as its root. Nothing of the host can be reached from then
/// on, and what is made in the namespace goes with the process.
///
/// Call it first thing in `main`: threads that run already would stay behind, so their presence is
/// an error.
///
/// # Errors
/// [`LabError::ThreadsAlreadyStarted`], and [`LabError::Refused`] where this user may not have
/// namespaces at all.
///
/// # References
/// [unshare(2)](https://man7.org/linux/man-pages/man2/unshare.2.html),
/// [user_namespaces(7)](https://man7.org/linux/man-pages/man7/user_namespaces.7.html)
#[doc(alias = "unshare")]
pub fn enter() -> Result<Entered, LabError> {
    let threads = procfs::threads()?;
    if threads > 1 {
        return Err(LabError::ThreadsAlreadyStarted(threads));
    }
    let entered = match namespace::unshare(UnshareFlags::NEWNET) {
        Ok(()) => Entered::Privileged,
        Err(Errno::PERM) => {
            enter_as_user()?;
            Entered::UserNamespace
        }
        Err(errno) => return Err(LabError::Refused(errno)),
    };
    namespace::settle()?;
    Ok(entered)
}

/// A user namespace maps one user, whom the kernel lets map itself alone, and only once setgroups
/// is given up.
fn enter_as_user() -> Result<(), LabError> {
    let (user, group) = (geteuid(), getegid());
    namespace::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET).map_err(LabError::Refused)?;
    // Where a security module takes the privileges of a new user namespace away, this is the first
    // call to notice.
    let write = |path, text: String| {
        fs::write(path, text)
            .map_err(|error| LabError::Refused(Errno::from_io_error(&error).unwrap_or(Errno::IO)))
    };
    write("/proc/self/setgroups", "deny".into())?;
    write("/proc/self/uid_map", format!("0 {} 1", user.as_raw()))?;
    write("/proc/self/gid_map", format!("0 {} 1", group.as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{VethOptions, VethPair};

    // Cargo's own harness runs tests on threads, in the host's namespace: what must be refused
    // there.

    #[test]
    fn a_process_with_threads_cannot_enter() {
        assert!(matches!(enter(), Err(LabError::ThreadsAlreadyStarted(2..))));
    }

    #[test]
    fn nothing_is_made_or_changed_outside_the_lab() {
        let made = VethPair::create(&VethOptions::default());
        assert_eq!(made.unwrap_err(), LabError::NotInTheLab);
        let lo = crate::Link::named("lo").unwrap();
        assert_eq!(lo.set_mtu(1500), Err(LabError::NotInTheLab));
        assert_eq!(lo.delete(), Err(LabError::NotInTheLab));
    }
}
