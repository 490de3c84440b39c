//! The process's limits, lowered for a while.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::LabError;

/// Runs `work` while the process may lock this many bytes at most (`RLIMIT_MEMLOCK`, the soft limit), and
/// sets what was there before again. It is the whole process's: such a test runs alone.
///
/// Root of the host is not held to it (`CAP_IPC_LOCK`).
#[doc(alias = "RLIMIT_MEMLOCK")]
pub fn with_locked_memory<T>(bytes: u64, work: impl FnOnce() -> T) -> Result<T, LabError> {
    let doing = LabError::doing("set RLIMIT_MEMLOCK");
    let before = getrlimit(Resource::Memlock);
    let restore = Restore(before);
    let lowered = Rlimit {
        current: Some(bytes),
        maximum: before.maximum,
    };
    setrlimit(Resource::Memlock, lowered).map_err(doing)?;
    let done = work();
    drop(restore);
    Ok(done)
}

/// Also where `work` panics.
struct Restore(Rlimit);

impl Drop for Restore {
    fn drop(&mut self) {
        // What was there before is no more than the hard limit, which stands: the kernel takes it.
        let _ = setrlimit(Resource::Memlock, self.0);
    }
}
