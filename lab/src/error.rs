//! What the lab can be refused, in sentences that say what to do about it.

use core::fmt;

use rustix::io::Errno;

/// Why a namespace, an interface or a raw socket could not be had.
///
/// Every variant prints as one sentence that says what was tried and, where something can be done,
/// what.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabError {
    /// The kernel refused a network namespace, with privilege and through a user namespace alike.
    Refused(Errno),
    /// The process had started threads before [`enter`](fn@crate::enter): they would stay in the
    /// host's namespace.
    ThreadsAlreadyStarted(usize),
    /// The calling thread is in a namespace that the lab did not make, and the lab changes nothing
    /// there.
    NotInTheLab,
    /// No interface of this name in the namespace that was asked.
    NoSuchInterface(String),
    /// Both ends of a pair are up, yet the kernel did not report a carrier within two seconds.
    NoCarrier(String),
    /// Any other system call or netlink request that failed.
    System {
        /// What was being done, as in "could not {doing}".
        doing: &'static str,
        /// What the kernel answered.
        errno: Errno,
    },
    /// The kernel answered a netlink request, or filled a file of /proc, with something that this
    /// crate cannot read.
    Unreadable(String),
}

impl LabError {
    /// For `map_err`: the errno of a call that was `doing` something.
    pub(crate) fn doing(doing: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::System { doing, errno }
    }

    /// The same for the errors of `std::fs`.
    pub(crate) fn doing_io(doing: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::System {
            doing,
            errno: Errno::from_io_error(&error).unwrap_or(Errno::IO),
        }
    }

    /// The errno behind this error, where there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused(errno) | Self::System { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(errno) => {
                write!(
                    f,
                    "the kernel refused a network namespace ({errno}): {ALLOW}"
                )
            }
            Self::ThreadsAlreadyStarted(count) => write!(
                f,
                "the process runs {count} threads already: enter the lab first thing in main, \
                 before any thread starts"
            ),
            Self::NotInTheLab => f.write_str(
                "this thread is not in a namespace of the lab: call enter() or Namespace::run() \
                 first",
            ),
            Self::NoSuchInterface(name) => {
                write!(f, "there is no interface {name} in this namespace")
            }
            Self::NoCarrier(name) => {
                write!(
                    f,
                    "{name} and its peer are up, but no carrier came within two seconds"
                )
            }
            Self::System { doing, errno } => write!(f, "could not {doing}: {errno}"),
            Self::Unreadable(what) => {
                write!(f, "the kernel's netlink answer could not be read: {what}")
            }
        }
    }
}

/// What to do about a refused namespace.
const ALLOW: &str = "run as root, or allow user namespaces to this user \
    (sysctl user.max_user_namespaces above 0, kernel.unprivileged_userns_clone=1 on Debian, \
    kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu); \
    a container needs a seccomp profile that permits unshare(2)";

impl core::error::Error for LabError {}
