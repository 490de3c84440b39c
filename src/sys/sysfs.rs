//! An interface's files in sysfs.
//!
//! What is mounted at `/sys` shows the interfaces of whoever mounted it, which may be another network
//! namespace's, with names and indices that are used here too, and nothing there tells which. A sysfs
//! that is mounted anew is that of the calling thread's network namespace; attached to no directory, it
//! is gone with its last open file.

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, pread, pwrite};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use super::link;

/// The longest decimal number of 64 bits, with a sign and the line's end.
const LONGEST: usize = 22;

/// A sysfs of the calling thread's network namespace.
pub(crate) fn mount() -> Result<OwnedFd, Errno> {
    let context = fsopen("sysfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// The directory of the interface with this index. `socket` and `mount` are of one network namespace.
/// ENODEV or ENXIO where it is gone.
pub(crate) fn interface(
    mount: BorrowedFd<'_>,
    socket: BorrowedFd<'_>,
    index: u32,
) -> Result<OwnedFd, Errno> {
    link::by_name(socket, index, |name| {
        let name = CStr::from_bytes_until_nul(&name).map_err(|_| Errno::NODEV)?;
        let class = openat(mount, "class/net", DIRECTORY, Mode::empty())?;
        let found = openat(&class, name, DIRECTORY, Mode::empty())?;
        // Another may have taken the name; who keeps the directory keeps to the interface.
        let own = file(found.as_fd(), "ifindex", OFlags::RDONLY)?;
        if read(own.as_fd())? == u64::from(index) {
            Ok(found)
        } else {
            Err(Errno::NODEV)
        }
    })
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Opens a file of the directory.
pub(crate) fn file(
    directory: BorrowedFd<'_>,
    name: &str,
    access: OFlags,
) -> Result<OwnedFd, Errno> {
    openat(directory, name, access | OFlags::CLOEXEC, Mode::empty())
}

/// Reads a file that holds a number.
pub(crate) fn read(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut text = [0; LONGEST];
    let len = pread(file, &mut text, 0)?;
    let text = core::str::from_utf8(text.get(..len).unwrap_or_default()).unwrap_or_default();
    text.trim_end().parse().map_err(|_| Errno::INVAL)
}

/// Writes a number into a file that holds one.
pub(crate) fn write(file: BorrowedFd<'_>, number: u64) -> Result<(), Errno> {
    let mut text = [0; LONGEST];
    let start = digits(number, &mut text);
    pwrite(file, text.get(start..).unwrap_or_default(), 0).map(drop)
}

/// Writes the number's digits to the end of `text`, and tells where they begin.
fn digits(mut number: u64, text: &mut [u8; LONGEST]) -> usize {
    let mut start = text.len();
    for (place, digit) in text.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start = place;
        if number == 0 {
            break;
        }
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_digits() {
        for number in [0, 7, 10, 50_000, u64::MAX] {
            let mut text = [0; LONGEST];
            let start = digits(number, &mut text);
            let text = core::str::from_utf8(&text[start..]).unwrap();
            assert_eq!(text.parse(), Ok(number), "{text}");
            assert!(text == "0" || !text.starts_with('0'), "{text}");
        }
    }
}
