//! The bytes between an encoder and its file.

use std::io::{self, Write};

/// Bytes gathered before one write; a packet of the largest snap length fits four times.
const BUFFER_SIZE: usize = 1 << 20;

/// Gathers what is encoded, and gives it to `out` when it is full.
#[derive(Debug)]
pub(super) struct Buffer<W> {
    pub(super) out: W,
    bytes: Box<[u8]>,
    filled: usize,
    /// Bytes of this file given to `out`.
    flushed: u64,
    /// How often `out` was given some.
    writes: u64,
}

impl<W: Write> Buffer<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            bytes: vec![0; BUFFER_SIZE].into_boxed_slice(),
            filled: 0,
            flushed: 0,
            writes: 0,
        }
    }

    /// Gives the rest to `out`, and goes on with another.
    pub(super) fn restart(&mut self, out: W) -> io::Result<()> {
        self.flush()?;
        self.out = out;
        self.flushed = 0;
        Ok(())
    }

    /// Bytes for the present `out`, those that it was not given yet included.
    #[inline]
    pub(super) fn len(&self) -> u64 {
        self.flushed + self.filled as u64
    }

    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// Gives everything to `out`.
    #[cold]
    pub(super) fn flush(&mut self) -> io::Result<()> {
        // Taken first: after an error the same bytes must not be written twice.
        let filled = core::mem::take(&mut self.filled);
        if filled == 0 {
            return Ok(());
        }
        self.flushed += filled as u64;
        self.writes += 1;
        self.out.write_all(&self.bytes[..filled])
    }

    /// The next `len` bytes, written out first where there is no room for them.
    #[inline(always)]
    pub(super) fn room(&mut self, len: usize) -> io::Result<Room<'_>> {
        if len > self.bytes.len() - self.filled {
            self.flush()?;
        }
        let start = self.filled;
        let room = self
            .bytes
            .get_mut(start..start + len)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        self.filled += len;
        Ok(Room(room))
    }
}

/// What is left to be filled, from its front.
pub(super) struct Room<'a>(&'a mut [u8]);

impl<'a> Room<'a> {
    /// Panics where the room was sized too small for its parts.
    #[inline]
    fn take(&mut self, len: usize) -> &'a mut [u8] {
        let (part, rest) = core::mem::take(&mut self.0).split_at_mut(len);
        self.0 = rest;
        part
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> &'a mut [u8; N] {
        let part = self.take(N).first_chunk_mut();
        part.expect("take returns N bytes")
    }

    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.take(bytes.len()).copy_from_slice(bytes);
    }

    /// Adds a packet's bytes.
    #[inline(always)]
    pub(super) fn put_packet(&mut self, bytes: &[u8]) {
        copy(self.take(bytes.len()), bytes);
    }

    /// Adds a packet's bytes and `padding` zeros, at most three.
    #[inline(always)]
    pub(super) fn put_padded(&mut self, bytes: &[u8], padding: usize) {
        let part = self.take(bytes.len() + padding);
        // Zeros first: the bytes go over all but the padding.
        if let Some(last) = part.last_chunk_mut::<4>() {
            *last = [0; 4];
        }
        copy(&mut part[..bytes.len()], bytes);
    }
}

/// Copies between slices of one length.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    /// Up to here a loop is faster than a call of memcpy.
    const SMALL: usize = 256;
    if from.len() > SMALL {
        return to.copy_from_slice(from);
    }
    let (wide, rest) = from.as_chunks::<16>();
    let (wide_to, rest_to) = to.as_chunks_mut::<16>();
    for (to, from) in wide_to.iter_mut().zip(wide) {
        *to = *from;
    }
    for (to, from) in rest_to.iter_mut().zip(rest) {
        *to = *from;
    }
}
