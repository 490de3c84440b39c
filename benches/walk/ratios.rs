//! Turns in which every walk has its go, and what their ratios say.

use core::hint::black_box;
use core::time::Duration;

use packet_ring_lab::procfs::thread_cpu_time;

use crate::replay::{Replay, Seen};

/// A way of walking the ring.
pub(crate) struct Walk {
    pub(crate) name: &'static str,
    walk: fn(&mut Replay) -> Seen,
}

/// The walks that are measured; every ratio is to the first.
pub(crate) const WALKS: [Walk; 4] = [
    Walk {
        name: "raw loop",
        walk: Replay::walk_raw,
    },
    Walk {
        name: "raw loop again",
        walk: Replay::walk_raw,
    },
    Walk {
        name: "closure",
        walk: Replay::walk_with_closure,
    },
    Walk {
        name: "iterator",
        walk: Replay::walk_with_iterator,
    },
];

/// One of the walks' indices in [`WALKS`].
pub(crate) const CONTROL: usize = 1;
pub(crate) const CLOSURE: usize = 2;
pub(crate) const ITERATOR: usize = 3;

/// Processor time of each walk in one turn.
type Turn = [Duration; WALKS.len()];

/// Takes turns on one ring, and remembers them.
pub(crate) struct Turns {
    replay: Replay,
    /// Walks over the whole ring in one go.
    laps: u32,
    expected: Seen,
    taken: Vec<Turn>,
    order: Order,
}

impl Turns {
    pub(crate) fn new(mut replay: Replay, laps: u32) -> Self {
        replay.hand_out();
        let expected = replay.walk_raw();
        Self {
            replay,
            laps,
            expected,
            taken: Vec::new(),
            order: Order::default(),
        }
    }

    /// Packets that each walk sees in a turn.
    pub(crate) fn packets(&self) -> u64 {
        self.expected.packets * u64::from(self.laps)
    }

    /// Lets every walk have its go, in an order of chance: a walk finds the caches and the address
    /// translations as the one before it has left them.
    ///
    /// # Panics
    ///
    /// When a walk sees anything else than the others.
    pub(crate) fn take(&mut self) -> Turn {
        let mut turn = Turn::default();
        for index in self.order.shuffle() {
            for _ in 0..self.laps {
                self.replay.hand_out();
                let start = thread_cpu_time();
                let seen = black_box((WALKS[index].walk)(&mut self.replay));
                turn[index] += thread_cpu_time() - start;
                assert_eq!(seen, self.expected, "{}", WALKS[index].name);
            }
        }
        self.taken.push(turn);
        turn
    }

    /// Forgets the turns so far.
    pub(crate) fn forget(&mut self) {
        self.taken.clear();
    }

    /// Nanoseconds a packet of one walk: the median over the turns.
    pub(crate) fn nanoseconds(&self, walk: usize) -> f64 {
        let times = self.taken.iter().map(|turn| turn[walk].as_nanos() as f64);
        Spread::of(times).median / self.packets() as f64
    }

    /// The ratio of one walk to the raw loop of the same turn.
    pub(crate) fn ratio(&self, walk: usize) -> Spread {
        let ratio = |turn: &Turn| turn[walk].as_secs_f64() / turn[0].as_secs_f64();
        Spread::of(self.taken.iter().map(ratio))
    }

    pub(crate) fn count(&self) -> usize {
        self.taken.len()
    }
}

/// Orders of chance, the same in every run.
#[derive(Default)]
struct Order(u64);

impl Order {
    fn shuffle(&mut self) -> [usize; WALKS.len()] {
        let mut order = core::array::from_fn(|index| index);
        for last in (1..order.len()).rev() {
            // A linear congruential generator's upper bits.
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            order.swap(last, (self.0 >> 33) as usize % (last + 1));
        }
        order
    }
}

/// The median of many figures, and how far they lie from it.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) tenth: f64,
    pub(crate) ninetieth: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100];
        Self {
            median: at(50),
            tenth: at(10),
            ninetieth: at(90),
            min: at(0),
            max: at(100),
        }
    }
}
