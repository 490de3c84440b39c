//! Letting the kernel gather packets before it wakes anybody: for a whole interface.

use core::time::Duration;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::Interface;
use crate::error::{Error, Operation};
use crate::sys::{link, sysfs};

/// Has the kernel gather what an interface receives, until dropped.
///
/// The interface's `gro_flush_timeout` and `napi_defer_hard_irqs`: once the kernel has found a queue
/// empty it does not listen for the next packet at once, but looks at the queue again when a timer has
/// run out, and only when it has found nothing a number of times does it listen again. A flood is then
/// taken in one go for each turn of the timer, and wakes its readers as often. It serves every executor
/// and every socket of the interface, and spares the sender on a veth pair too.
///
/// What it costs: **every packet** of the interface, for whomever, can come later by up to the timeout,
/// whether packets are many or few. A round trip that spins took 3.8 microseconds without it on a veth
/// pair and 62 with a timeout of 50.
/// It is therefore never a default. A timeout of tens of microseconds with a `defer` of 100 is a place to
/// begin; [`Gather`](super::Gather) does without privilege and leaves others alone.
///
/// On a veth pair it takes effect while the interface has an XDP program or has
/// `generic-receive-offload` on: without, the kernel has no queue there to look at.
///
/// # Whose settings
///
/// They are the interface's, whoever else sets them:
///
/// - One guard serves an interface. A second is refused while it lives, in whatever process: two that
///   end in another order than they began would restore each other's settings. What refuses it is a lock
///   (`flock`) that the kernel takes back when the process ends.
/// - What is restored is what was found, even if somebody has set something else since.
/// - A process that is killed restores nothing: its settings stay, and the next guard finds them.
/// - A network interface that moves to another network namespace keeps its settings, and the guard
///   restores them there.
/// - Setting an interface sets each of its queues, and what was set of a single queue by netlink
///   (`NAPI_SET`, Linux 6.13) is not restored.
#[doc(alias = "gro_flush_timeout")]
#[doc(alias = "napi_defer_hard_irqs")]
#[must_use = "dropping it restores what was set before"]
#[derive(Debug)]
pub struct InterfaceGather {
    timeout: Setting,
    defer: Setting,
    restored: bool,
}

/// A file that holds a number, and the number that was found there.
#[derive(Debug)]
struct Setting {
    file: OwnedFd,
    found: u64,
}

impl Setting {
    fn open(directory: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Error> {
        sysfs::file(directory, name, OFlags::RDWR).map_err(refused(Operation::OpenGatherFile))
    }

    fn found_in(file: OwnedFd) -> Result<Self, Error> {
        let found = sysfs::read(file.as_fd()).map_err(refused(Operation::OpenGatherFile))?;
        Ok(Self { file, found })
    }

    fn set(&self, number: u64) -> Result<(), Errno> {
        sysfs::write(self.file.as_fd(), number)
    }

    /// An interface that is gone has taken its settings with it.
    fn restore(&self) -> Result<(), Error> {
        match self.set(self.found) {
            Ok(()) | Err(Errno::NODEV) => Ok(()),
            Err(errno) => Err(Error::System {
                operation: Operation::RestoreInterfaceGather,
                errno,
            }),
        }
    }
}

impl InterfaceGather {
    /// Has the kernel look at an empty queue of this interface again after `timeout`, and listen again
    /// once it has found nothing `defer` times in a row.
    ///
    /// The interface is one of the calling thread's network namespace. `timeout` is rounded down to
    /// nanoseconds; with a timeout or a `defer` of zero nothing is gathered, which is what an interface
    /// has at first.
    ///
    /// `fsopen`, `fsconfig` and `fsmount` of sysfs: `/sys` may show the interfaces of another network
    /// namespace, and what is mounted for this, at no path, shows ours. Then the files
    /// `gro_flush_timeout` and `napi_defer_hard_irqs` of the interface are opened, locked, read and
    /// written. Three descriptors are kept open for them at most. Linux 5.8.
    ///
    /// Needs CAP_SYS_ADMIN for the mount, and CAP_NET_ADMIN in the first user namespace: root of another
    /// user namespace cannot.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`]. [`Error::System`]: EPERM without these privileges, EACCES where the
    /// files are another user's, EAGAIN of [`Operation::LockGatherFile`] where there is a guard of this
    /// interface already. Nothing has changed after an error, except as [`Operation::RestoreInterfaceGather`]
    /// says that half of it could not be taken back.
    pub fn set(interface: Interface, timeout: Duration, defer: u32) -> Result<Self, Error> {
        let socket = link::any_socket().map_err(refused(Operation::FindInterface))?;
        let mount = sysfs::mount().map_err(refused(Operation::MountSysfs))?;
        let directory = sysfs::interface(mount.as_fd(), socket.as_fd(), interface.index())
            .map_err(refused(Operation::FindInterface))?;
        let timeout_file = Setting::open(directory.as_fd(), "gro_flush_timeout")?;
        let defer_file = Setting::open(directory.as_fd(), "napi_defer_hard_irqs")?;
        // Before anything is read: what a guard before us has set is not to be restored.
        flock(&timeout_file, FlockOperation::NonBlockingLockExclusive)
            .map_err(refused(Operation::LockGatherFile))?;
        let guard = Self {
            timeout: Setting::found_in(timeout_file)?,
            defer: Setting::found_in(defer_file)?,
            restored: false,
        };
        // A number that is too large for the kernel's `unsigned long` is for the kernel to refuse.
        let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        // Beyond the kernel's `int`, which older kernels take for a negative number, and gather nothing.
        let deferrals = i32::try_from(defer).map_err(|_| Errno::RANGE);
        let set = deferrals
            .and_then(|_| guard.timeout.set(nanoseconds))
            .and_then(|()| guard.defer.set(u64::from(defer)));
        match set {
            Ok(()) => Ok(guard),
            Err(errno) => {
                guard.restore()?;
                Err(refused(Operation::SetInterfaceGather)(errno))
            }
        }
    }

    /// Restores what was found, as dropping does, and tells whether that worked.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EPERM where the thread has given up CAP_NET_ADMIN, as the kernel looks at the
    /// privileges of whoever writes, and not of whoever opened. What the interface had taken with it when it
    /// went is no error.
    pub fn restore(mut self) -> Result<(), Error> {
        self.put_back()
    }

    /// Once: the lock is given up with it, and what is set then is another's.
    fn put_back(&mut self) -> Result<(), Error> {
        if self.restored {
            return Ok(());
        }
        self.restored = true;
        // Both are tried, whatever becomes of the first.
        let (timeout, defer) = (self.timeout.restore(), self.defer.restore());
        // A child made by `fork` shares the lock, and would keep it.
        let unlocked = flock(&self.timeout.file, FlockOperation::Unlock)
            .map_err(refused(Operation::LockGatherFile));
        timeout.and(defer).and(unlocked)
    }
}

impl Drop for InterfaceGather {
    fn drop(&mut self) {
        // Who wants to hear of it calls `restore`.
        let _ = self.put_back();
    }
}

fn refused(operation: Operation) -> impl Fn(Errno) -> Error {
    move |errno| match errno {
        Errno::NODEV | Errno::NXIO => Error::NoSuchInterface,
        errno => Error::System { operation, errno },
    }
}
