//! A place for names of BPF objects, which the host does not see.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;

use crate::{LabError, namespace};

/// Mounts a bpffs that the calling thread alone sees, in a mount namespace of its own, and returns where.
///
/// It goes with the thread; its empty directory stays among the temporary files.
///
/// # References
/// [mount_namespaces(7)](https://man7.org/linux/man-pages/man7/mount_namespaces.7.html)
pub fn mount_bpffs() -> Result<PathBuf, LabError> {
    let place = env::temp_dir().join(format!("packet-ring-bpffs-{}", process::id()));
    fs::create_dir_all(&place).map_err(LabError::doing_io("make a directory"))?;
    namespace::unshare(UnshareFlags::NEWNS).map_err(LabError::Refused)?;
    let to_ourselves = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change(Path::new("/"), to_ourselves)
        .map_err(LabError::doing("keep mounts from the host"))?;
    mount("bpf", &place, "bpf", MountFlags::empty(), None)
        .map_err(LabError::doing("mount a bpffs"))?;
    Ok(place)
}
