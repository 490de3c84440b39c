//! Error numbers by name.

use core::fmt;

use rustix::io::Errno;

/// The names of the error numbers that these system calls are known to return.
fn name(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::PERM => "EPERM",
        Errno::ACCESS => "EACCES",
        Errno::INTR => "EINTR",
        Errno::NOENT => "ENOENT",
        Errno::NODEV => "ENODEV",
        Errno::NXIO => "ENXIO",
        Errno::NOMEM => "ENOMEM",
        Errno::NOSPC => "ENOSPC",
        Errno::NOBUFS => "ENOBUFS",
        Errno::AGAIN => "EAGAIN",
        Errno::BUSY => "EBUSY",
        Errno::INVAL => "EINVAL",
        Errno::MFILE => "EMFILE",
        Errno::NFILE => "ENFILE",
        Errno::NETDOWN => "ENETDOWN",
        Errno::NOPROTOOPT => "ENOPROTOOPT",
        Errno::AFNOSUPPORT => "EAFNOSUPPORT",
        Errno::OPNOTSUPP => "EOPNOTSUPP",
        Errno::BADF => "EBADF",
        Errno::MSGSIZE => "EMSGSIZE",
        Errno::FAULT => "EFAULT",
        Errno::NOSYS => "ENOSYS",
        Errno::RANGE => "ERANGE",
        Errno::ADDRNOTAVAIL => "EADDRNOTAVAIL",
        Errno::EXIST => "EEXIST",
        Errno::TOOBIG => "E2BIG",
        Errno::NOTSOCK => "ENOTSOCK",
        Errno::NOLINK => "ENOLINK",
        _ => return None,
    })
}

pub(super) fn write_errno(f: &mut fmt::Formatter<'_>, errno: Errno) -> fmt::Result {
    match name(errno) {
        Some(name) => f.write_str(name),
        None => write!(f, "error {}", errno.raw_os_error()),
    }
}
