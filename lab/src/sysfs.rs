//! A sysfs that shows a namespace's own interfaces: `/sys` shows those of whoever mounted it.

use core::str::FromStr;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{pread, pwrite};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use crate::{LabError, Link};

impl Link {
    /// What a file of the interface in sysfs holds, as in `gro_flush_timeout`: of the interface of the
    /// handle's namespace, for which sysfs is mounted anew, at no path. That takes the host's root, or a
    /// mount namespace of one's own.
    pub fn sysfs<T: FromStr>(&self, file: &str) -> Result<T, LabError> {
        let fd = self.open_sysfs(file, OFlags::RDONLY)?;
        let mut text = [0; 4096];
        let len = pread(&fd, &mut text[..], 0).map_err(LabError::doing("read a file of sysfs"))?;
        let text = String::from_utf8_lossy(&text[..len]);
        text.trim()
            .parse()
            .map_err(|_| LabError::Unreadable(format!("{file}: {text}")))
    }

    /// Writes to a file of the interface in sysfs.
    pub fn set_sysfs(&self, file: &str, value: &str) -> Result<(), LabError> {
        self.must_be_ours()?;
        let fd = self.open_sysfs(file, OFlags::WRONLY)?;
        pwrite(&fd, value.as_bytes(), 0)
            .map_err(LabError::doing("write a file of sysfs"))
            .map(drop)
    }

    fn open_sysfs(&self, file: &str, access: OFlags) -> Result<OwnedFd, LabError> {
        let mount = self.namespace().run(mount)??;
        let path = format!("class/net/{}/{file}", self.name());
        openat(mount, path, access | OFlags::CLOEXEC, Mode::empty())
            .map_err(LabError::doing("open a file of sysfs"))
    }
}

/// A sysfs of the calling thread's namespace, which is there for as long as the descriptor or a file of
/// it.
fn mount() -> Result<OwnedFd, LabError> {
    let doing = LabError::doing("mount sysfs");
    let context = fsopen("sysfs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(&doing)?;
    fsconfig_create(&context).map_err(&doing)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(&doing)
}
