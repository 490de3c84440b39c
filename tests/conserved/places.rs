//! Where every chunk must be, kept in plain lists.

use packet_ring::chunks::{Census, Slot};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a list.
    Free,
    /// In a list that was forgotten.
    FreeForGood,
    Held,
    HeldForGood,
    Dropped,
    Filling(Slot),
    Sending(Slot, bool),
}

#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) chunks: Vec<Place>,
    /// The chunks of each list, the one that comes next last.
    pub(crate) lists: Vec<Vec<u32>>,
    pub(crate) held: Vec<u32>,
    pub(crate) spurious: u32,
}

impl Places {
    /// So many chunks in one list.
    pub(crate) fn new(count: u32) -> Self {
        Self {
            chunks: vec![Place::Free; count as usize],
            lists: vec![(0..count).rev().collect()],
            held: Vec::new(),
            spurious: 0,
        }
    }

    pub(crate) fn set(&mut self, number: u32, place: Place) {
        self.chunks[number as usize] = place;
    }

    /// Where the chunk is; `None` where there is no such chunk.
    pub(crate) fn of(&self, number: u32) -> Option<Place> {
        self.chunks.get(number as usize).copied()
    }

    /// All that are in one place come to another. Returns which.
    pub(crate) fn move_all(&mut self, from: impl Fn(Place) -> bool, to: Place) -> Vec<u32> {
        let count = self.chunks.len() as u32;
        let moved: Vec<u32> = (0..count)
            .filter(|&number| from(self.chunks[number as usize]))
            .collect();
        for &number in &moved {
            self.set(number, to);
        }
        moved
    }

    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        for place in &self.chunks {
            *match place {
                Place::Free | Place::FreeForGood => &mut census.free,
                Place::Held | Place::HeldForGood => &mut census.held,
                Place::Dropped => &mut census.dropped,
                Place::Filling(_) => &mut census.with_rx,
                Place::Sending(..) => &mut census.with_tx,
            } += 1;
        }
        census
    }
}
