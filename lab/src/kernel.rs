//! Which Linux runs.

/// Whether it is of this version or later, by its own word (`uname`).
///
/// For tests of what a kernel has or lacks: they expect the feature where it is, and its documented error where it is
/// not, so that neither goes unseen.
#[doc(alias = "uname")]
#[must_use]
pub fn is_since(major: u32, minor: u32) -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release
        .split(|byte: char| !byte.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    let running: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    running >= (major, minor)
}

/// Whether socket filters may be as long as any (`net.core.optmem_max`): since Linux 6.8, where nobody has set less. Else
/// the kernel answers ENOMEM to some that it would take.
#[doc(alias = "optmem_max")]
#[must_use]
pub fn takes_long_filters() -> bool {
    let allowed = std::fs::read_to_string("/proc/sys/net/core/optmem_max").unwrap_or_default();
    allowed
        .trim()
        .parse()
        .is_ok_and(|bytes: u32| bytes >= 1 << 17)
}
