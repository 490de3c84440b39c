//! What kind of pages the kernel has given: `/proc/self/smaps`.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read};

/// Bytes in huge pages of the mappings that overlap the addresses from `start` up to `end`.
pub(crate) fn huge_bytes(start: usize, end: usize) -> Result<u64, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = open("/proc/self/smaps", flags, Mode::empty())?;
    let mut lines = Lines {
        line: [0; LINE],
        len: 0,
    };
    let mut count = Count {
        start: start as u64,
        end: end as u64,
        within: false,
        bytes: 0,
    };
    let mut chunk = [0; 1024];
    loop {
        let read = match read(&file, &mut chunk) {
            Err(Errno::INTR) => continue,
            read => read?,
        };
        if read == 0 {
            return Ok(count.bytes);
        }
        for &byte in &chunk[..read] {
            lines.push(byte, |line| count.line(line));
        }
    }
}

/// Longer than the beginnings of lines that matter: what is behind this is a file's name.
const LINE: usize = 64;

/// Puts bytes together to lines, of which the beginning is kept.
struct Lines {
    line: [u8; LINE],
    len: usize,
}

impl Lines {
    fn push(&mut self, byte: u8, mut whole: impl FnMut(&[u8])) {
        if byte == b'\n' {
            whole(&self.line[..self.len]);
            self.len = 0;
        } else if let Some(place) = self.line.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }
}

/// Adds up what the lines tell.
struct Count {
    start: u64,
    end: u64,
    /// Whether the lines are of a mapping that overlaps.
    within: bool,
    bytes: u64,
}

impl Count {
    fn line(&mut self, line: &[u8]) {
        let Ok(line) = core::str::from_utf8(line) else {
            return;
        };
        if let Some((start, end)) = addresses(line) {
            self.within = start < self.end && self.start < end;
        } else if self.within {
            let huge = ["AnonHugePages:", "Private_Hugetlb:"];
            let kilobytes = huge.iter().find_map(|name| line.strip_prefix(name));
            let kilobytes = kilobytes.and_then(|rest| rest.trim().strip_suffix(" kB"));
            self.bytes += kilobytes
                .and_then(|number| number.parse().ok())
                .unwrap_or(0)
                * 1024;
        }
    }
}

/// The addresses of a mapping, of the line that begins it.
fn addresses(line: &str) -> Option<(u64, u64)> {
    let (start, rest) = line.split_once('-')?;
    let (end, _) = rest.split_once(' ')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    Some((number(start)?, number(end)?))
}
