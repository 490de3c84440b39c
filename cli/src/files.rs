//! The files of `-w`: one, standard output, or a ring of them as dumpcap names and deletes them.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::clock;
use crate::exit::Failure;
use crate::frame::Frame;
use crate::limits::Rotation;
use crate::writer::{Format, Interface, Statistics, Writer};

/// Where packets are written, and when one file ends.
#[derive(Debug)]
pub(crate) struct Output {
    writer: Writer<File>,
    interface: Interface,
    path: PathBuf,
    ring: Option<Ring>,
    /// Where a file is full.
    full: Full,
    /// Packets in the present file.
    packets: u64,
    opened: Instant,
    state: State,
    /// Files that were ended.
    finished: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Ended; the next file begins with the next packet.
    Between,
}

/// Limits of one file; without a limit, the largest number.
#[derive(Clone, Copy, Debug)]
struct Full {
    packets: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Ring {
    rotation: Rotation,
    /// The number of the newest file, from 1.
    number: u64,
    /// Files that are kept, the oldest first.
    kept: VecDeque<PathBuf>,
}

impl Output {
    /// Opens the first file, so that a path that cannot be written is told before the capture begins.
    ///
    /// `file_size` is the size in bytes at which a file is full where no ring of files says so.
    pub(crate) fn create(
        path: &Path,
        format: Format,
        rotation: Option<Rotation>,
        file_size: Option<u64>,
        interface: Interface,
    ) -> Result<Self, Failure> {
        let mut ring = rotation.map(|rotation| Ring {
            rotation,
            number: 0,
            kept: VecDeque::new(),
        });
        if ring.is_some() && is_standard_output(path) {
            return Err(Failure::usage(
                "-b needs files: standard output is only one",
            ));
        }
        let failed = |error: io::Error| Failure::io(path.display(), &error);
        let file = open(path, ring.as_mut()).map_err(failed)?;
        let writer = Writer::new(file, format, &interface).map_err(failed)?;
        let limits = rotation.unwrap_or_default();
        let full = Full {
            packets: limits.packets.unwrap_or(u64::MAX),
            bytes: limits.file_size.or(file_size).unwrap_or(u64::MAX),
        };
        Ok(Self {
            writer,
            interface,
            path: path.to_owned(),
            ring,
            full,
            packets: 0,
            opened: Instant::now(),
            state: State::Open,
            finished: 0,
        })
    }

    /// Adds a packet, to a new file where the one before has ended.
    #[inline(always)]
    pub(crate) fn packet(&mut self, frame: &Frame<'_>, drops: Option<u64>) -> io::Result<()> {
        if self.state == State::Between {
            self.begin()?;
        }
        self.packets += 1;
        self.writer.packet(frame, drops)
    }

    /// Whether the open file has all the packets or bytes that it is to have.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        (self.packets >= self.full.packets || self.writer.len() >= self.full.bytes)
            && self.state == State::Open
    }

    /// Whether another file follows one that is full.
    pub(crate) fn rotates(&self) -> bool {
        self.ring.is_some()
    }

    /// Whether `-b duration:` ends the file now.
    pub(crate) fn is_old(&self) -> bool {
        let duration = self.ring.as_ref().and_then(|ring| ring.rotation.duration);
        self.state == State::Open
            && duration.is_some_and(|duration| self.opened.elapsed() >= duration)
    }

    /// Ends the present file, if there is one, with these statistics.
    pub(crate) fn end_file(&mut self, statistics: &Statistics) -> io::Result<()> {
        if self.state == State::Between {
            return Ok(());
        }
        self.state = State::Between;
        self.finished += 1;
        self.writer.close(statistics)
    }

    /// Bytes of the present file.
    #[inline]
    pub(crate) fn len(&self) -> u64 {
        self.writer.len()
    }

    /// How often something was written out: one system call each, as a rule.
    pub(crate) fn writes(&self) -> u64 {
        self.writer.writes()
    }

    /// Files that were ended.
    pub(crate) fn finished(&self) -> u64 {
        self.finished
    }

    /// Gives what is buffered to the file.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// Whether somebody may be reading along.
    pub(crate) fn is_stream(&self) -> bool {
        is_standard_output(&self.path)
    }

    #[cold]
    fn begin(&mut self) -> io::Result<()> {
        let file = open(&self.path, self.ring.as_mut())?;
        self.writer.restart(file, &self.interface)?;
        self.packets = 0;
        self.opened = Instant::now();
        self.state = State::Open;
        Ok(())
    }
}

/// Opens the file of this name, or the ring's next, deleting its oldest first.
fn open(path: &Path, ring: Option<&mut Ring>) -> io::Result<File> {
    let Some(ring) = ring else {
        return if is_standard_output(path) {
            io::stdout().as_fd().try_clone_to_owned().map(File::from)
        } else {
            File::create(path)
        };
    };
    ring.number += 1;
    while ring.kept.len() as u64 >= ring.rotation.keep.unwrap_or(u64::MAX) {
        // Somebody else may have taken the file away: that is no reason to end the capture.
        let _gone = ring.kept.pop_front().map(fs::remove_file);
    }
    let name = numbered(path, ring.number, &clock::for_file_names());
    let file = File::create(&name)?;
    ring.kept.push_back(name);
    Ok(file)
}

pub(crate) fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

/// `out.pcapng` becomes `out_00001_20251123035500.pcapng`.
fn numbered(path: &Path, number: u64, time: &str) -> PathBuf {
    with_suffix(path, &format!("_{number:05}_{time}"))
}

/// `out.pcapng` becomes `out_w1.pcapng`.
pub(crate) fn of_worker(path: &Path, worker: u16) -> PathBuf {
    with_suffix(path, &format!("_w{worker}"))
}

/// Puts it before the extension.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_stem().map(OsString::from).unwrap_or_default();
    name.push(suffix);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dumpcaps() {
        let name = |path| numbered(Path::new(path), 7, "20251123035500");
        assert_eq!(
            name("/tmp/a.b/out.pcapng"),
            Path::new("/tmp/a.b/out_00007_20251123035500.pcapng")
        );
        assert_eq!(name("out"), Path::new("out_00007_20251123035500"));
        assert_eq!(name("a.tar.gz"), Path::new("a.tar_00007_20251123035500.gz"));
    }
}
