//! What this process holds and spends, as the kernel accounts it.
//!
//! Maps, file descriptors and threads are the whole process's: a test that counts them runs alone
//! (see [`suite`](mod@crate::suite)).

use core::time::Duration;
use std::fs;

use rustix::thread::ClockId;
use rustix::time::clock_gettime;

use crate::LabError;

/// How many of this process's memory mappings have `text` in their line of /proc/self/maps:
/// "socket:[" for packet rings.
pub fn maps(text: &str) -> Result<usize, LabError> {
    let maps = fs::read_to_string("/proc/self/maps")
        .map_err(LabError::doing_io("read /proc/self/maps"))?;
    Ok(maps.lines().filter(|line| line.contains(text)).count())
}

/// How many file descriptors this process has open.
pub fn open_fds() -> Result<usize, LabError> {
    // The listing itself holds one while it counts.
    Ok(entries("/proc/self/fd")? - 1)
}

/// How many threads this process has.
pub fn threads() -> Result<usize, LabError> {
    entries("/proc/self/task")
}

/// Processor time that the calling thread has used so far, in user and kernel mode
/// (`CLOCK_THREAD_CPUTIME_ID`).
#[doc(alias = "CLOCK_THREAD_CPUTIME_ID")]
pub fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The clock starts at 0 with the thread and its nanoseconds stay below a second.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What a thread did for a while, as the kernel accounts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// How often it went to sleep and was woken (`voluntary_ctxt_switches`).
    pub sleeps: u64,
    /// Processor time that it used, in user and kernel mode: what a thread that never sleeps shows.
    pub processor: Duration,
}

/// Runs `work` and tells what the calling thread did meanwhile.
#[doc(alias = "voluntary_ctxt_switches")]
pub fn activity_of<T>(work: impl FnOnce() -> T) -> Result<(T, Activity), LabError> {
    let (sleeps, processor) = (thread_sleeps()?, thread_cpu_time());
    let done = work();
    let activity = Activity {
        processor: thread_cpu_time() - processor,
        sleeps: thread_sleeps()? - sleeps,
    };
    Ok((done, activity))
}

fn thread_sleeps() -> Result<u64, LabError> {
    const FILE: &str = "/proc/thread-self/status";
    let status = fs::read_to_string(FILE).map_err(LabError::doing_io("read a thread's status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .and_then(|count| count.trim().parse().ok())
        .ok_or_else(|| LabError::Unreadable(format!("{FILE} without its count of sleeps")))
}

fn entries(directory: &str) -> Result<usize, LabError> {
    Ok(fs::read_dir(directory)
        .map_err(LabError::doing_io("list a directory of /proc/self"))?
        .count())
}
