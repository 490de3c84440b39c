//! A packet in several frames.

use core::fmt;

use super::Frame;

/// The frames of one packet, in order; at most as many as the kernel takes.
#[derive(Default)]
pub struct Fragments {
    frames: [Option<Frame>; Self::MOST],
    len: usize,
}

impl Fragments {
    /// The most frames of a packet: 17 fragments of a kernel packet, and its head (`MAX_SKB_FRAGS + 1`).
    pub const MOST: usize = 18;

    /// A packet without frames.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a frame to the packet's end.
    ///
    /// # Errors
    ///
    /// The frame, where there are [`MOST`](Self::MOST) already.
    pub fn push(&mut self, frame: Frame) -> Result<(), Frame> {
        match self.frames.get_mut(self.len) {
            Some(slot) => {
                *slot = Some(frame);
                self.len += 1;
                Ok(())
            }
            None => Err(frame),
        }
    }

    /// How many frames there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The packet's length in bytes.
    #[must_use]
    pub fn packet_len(&self) -> usize {
        self.iter().map(Frame::len).sum()
    }

    /// The frames.
    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter().flatten()
    }
}

impl IntoIterator for Fragments {
    type Item = Frame;
    type IntoIter = core::iter::Flatten<core::array::IntoIter<Option<Frame>, { Self::MOST }>>;

    fn into_iter(self) -> Self::IntoIter {
        self.frames.into_iter().flatten()
    }
}

impl fmt::Debug for Fragments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
