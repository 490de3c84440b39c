//! Packets on their way from the file to the ring: read by one thread, sent by another.

use core::time::Duration;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;

use super::file::File;
use crate::exit::Failure;

/// Bytes of packets in a chunk, save for a packet that has more.
const CHUNK: usize = 256 << 10;
/// Packets in a chunk at most.
const RECORDS: usize = 8192;
/// Chunks that are read ahead: 16 MiB.
const AHEAD: usize = 64;

/// A packet of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Nanoseconds since 1970.
    pub(super) time: u64,
    /// Where its bytes begin in the chunk's.
    pub(super) start: u32,
    pub(super) len: u32,
    /// Whether the packet had more bytes than were captured.
    pub(super) cut: bool,
}

/// Some packets in a row.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) records: Vec<Record>,
    /// Whether they are the first of the file.
    pub(super) begins: bool,
    /// Bytes of the file up to their end.
    pub(super) position: u64,
}

impl Chunk {
    pub(super) fn push(&mut self, time: u64, data: &[u8], original_len: u32) {
        self.records.push(Record {
            time,
            start: self.bytes.len() as u32,
            len: data.len() as u32,
            cut: original_len as usize > data.len(),
        });
        self.bytes.extend_from_slice(data);
    }

    #[inline]
    pub(super) fn data(&self, record: &Record) -> &[u8] {
        let start = record.start as usize;
        &self.bytes[start..start + record.len as usize]
    }
}

/// The chunks of a file, lap after lap. Dropping it ends the thread that reads.
pub(super) struct Chunks {
    chunks: Receiver<Result<Chunk, Failure>>,
}

impl Chunks {
    /// Opens the file, and reads ahead of what is asked for. `laps` is how often it is read, 0 without end.
    pub(super) fn read(path: &Path, laps: u64) -> Result<Self, Failure> {
        let first = File::open(path)?;
        let (sender, chunks) = mpsc::sync_channel(AHEAD);
        let path = path.to_owned();
        thread::Builder::new()
            .name("read".to_owned())
            .spawn(move || {
                // Whoever has gone away wants no error either.
                let _gone = read(&path, first, laps, &sender)
                    .or_else(|failure| sender.send(Err(failure)).map_err(drop));
            })
            .map_err(|error| Failure::io("cannot start a thread", &error))?;
        Ok(Self { chunks })
    }

    /// The next chunk, `None` at the end of the last lap; waits in naps, and gives up when `is_over`.
    pub(super) fn next(&self, is_over: impl Fn() -> bool) -> Result<Option<Chunk>, Failure> {
        const NAP: Duration = Duration::from_millis(250);
        loop {
            match self.chunks.recv_timeout(NAP) {
                Ok(chunk) => return chunk.map(Some),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if is_over() => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// Reads all laps into the channel; also ends when nobody receives any more.
fn read(
    path: &Path,
    first: File,
    laps: u64,
    sender: &SyncSender<Result<Chunk, Failure>>,
) -> Result<(), Failure> {
    let mut file = first;
    let mut lap = 1;
    loop {
        let mut begins = true;
        loop {
            let mut chunk = Chunk {
                begins,
                ..Chunk::default()
            };
            // What was read before an error is sent before it.
            let filled = fill(&mut chunk, &mut file);
            let is_empty = chunk.records.is_empty();
            if !is_empty && sender.send(Ok(chunk)).is_err() {
                return Ok(());
            }
            filled?;
            if is_empty {
                break;
            }
            begins = false;
        }
        // A file without packets would be read for ever.
        if lap == laps || begins {
            return Ok(());
        }
        lap += 1;
        file = File::open(path)?;
    }
}

fn fill(chunk: &mut Chunk, file: &mut File) -> Result<(), Failure> {
    chunk.bytes.reserve(CHUNK);
    while chunk.bytes.len() < CHUNK && chunk.records.len() < RECORDS {
        if !file.next(chunk)? {
            break;
        }
        chunk.position = file.position();
    }
    Ok(())
}
