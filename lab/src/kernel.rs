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
