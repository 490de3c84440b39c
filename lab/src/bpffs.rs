//! A place for names of BPF objects, which the host does not see.

use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;

use crate::{LabError, namespace};

/// Where the kernel keeps a directory for it.
const PLACE: &str = "/sys/fs/bpf";

/// Mounts a bpffs that the calling thread alone sees, in a mount namespace of its own, and returns where. It
/// goes with the thread.
///
/// # References
/// [mount_namespaces(7)](https://man7.org/linux/man-pages/man7/mount_namespaces.7.html)
pub fn mount_bpffs() -> Result<&'static Path, LabError> {
    namespace::unshare(UnshareFlags::NEWNS).map_err(LabError::Refused)?;
    let to_ourselves = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", to_ourselves).map_err(LabError::doing("keep mounts from the host"))?;
    mount("bpf", PLACE, "bpf", MountFlags::empty(), None)
        .map_err(LabError::doing("mount a bpffs"))?;
    Ok(Path::new(PLACE))
}
