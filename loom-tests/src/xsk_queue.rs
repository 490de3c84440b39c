//! `xsk_queue.h`: the kernel's side of one index ring.

use loom::sync::atomic::{Ordering, fence};
use loom::sync::{Condvar, Mutex};
use packet_ring::ring::{Consumer, Entry, NEED_WAKEUP, Producer, RingSize};

use crate::indices::Words;

/// The kernel's side of a ring that the program fills: a fill ring, a transmit ring.
#[derive(Debug)]
pub struct KernelConsumer<T> {
    words: Words<T>,
    /// `cached_prod`: how far the program had filled when it was last looked at.
    filled: u32,
    /// `cached_cons`: how far entries were taken.
    taken: u32,
    /// What the word holds, which lags behind.
    released: u32,
}

impl<T: Entry> KernelConsumer<T> {
    /// Makes an empty ring whose words stand at `start`, and the program's side of it.
    #[must_use]
    pub fn with_producer(size: RingSize, start: u32) -> (Self, Producer<T>) {
        let (words, producer) = Words::with_producer(size, start);
        let kernel = Self {
            words,
            filled: start,
            taken: start,
            released: start,
        };
        (kernel, producer)
    }

    /// `xskq_cons_peek_desc`: the next entry, which stays. Where none is known, first gives back what was
    /// taken, and then looks how far the program is.
    ///
    /// # Panics
    ///
    /// Where the program published more than the ring holds: the kernel would take old entries for new.
    pub fn peek(&mut self) -> Option<T> {
        if self.filled == self.taken {
            self.release();
            self.filled = self.words.load_producer();
            assert!(
                self.filled.wrapping_sub(self.taken) <= self.words.size(),
                "the program published more entries than the ring has slots"
            );
        }
        (self.filled != self.taken).then(|| self.words.read(self.taken))
    }

    /// Takes the next entry: [`peek`](Self::peek), and `xskq_cons_release`, which leaves the word alone.
    pub fn take(&mut self) -> Option<T> {
        let entry = self.peek()?;
        self.taken = self.taken.wrapping_add(1);
        Some(entry)
    }

    /// `__xskq_cons_release`: gives back the slots of all that was taken. The kernel does so at the end of a
    /// batch, or where it knows of no more entries.
    pub fn release(&mut self) {
        // The kernel stores what the word holds already, too; here that would only lengthen the search.
        if self.taken != self.released {
            self.released = self.taken;
            self.words.store_consumer(self.taken);
        }
    }

    /// A driver that found nothing asks to be woken, and looks again, behind a full barrier. Whether there is
    /// nothing indeed: then it sleeps, until a system call comes and it is [awake](Self::wake).
    pub fn sleep(&mut self) -> bool {
        self.words.set_flags(NEED_WAKEUP);
        fence(Ordering::SeqCst);
        let sleeps = self.peek().is_none();
        if !sleeps {
            self.wake();
        }
        sleeps
    }

    /// A driver that runs takes back that it asks to be woken.
    pub fn wake(&mut self) {
        self.words.set_flags(0);
    }
}

/// The kernel's side of a ring that the program empties: a receive ring, a completion ring.
#[derive(Debug)]
pub struct KernelProducer<T> {
    words: Words<T>,
    /// `cached_prod`: how far slots were reserved.
    reserved: u32,
    /// What the word holds.
    submitted: u32,
    /// `cached_cons`: how far the program had given back when it was last looked at.
    given_back: u32,
}

impl<T: Entry> KernelProducer<T> {
    /// Makes an empty ring whose words stand at `start`, and the program's side of it.
    #[must_use]
    pub fn with_consumer(size: RingSize, start: u32) -> (Self, Consumer<T>) {
        let (words, consumer) = Words::with_consumer(size, start);
        let kernel = Self {
            words,
            reserved: start,
            submitted: start,
            given_back: start,
        };
        (kernel, consumer)
    }

    fn known_free(&self) -> u32 {
        self.words.size() - self.reserved.wrapping_sub(self.given_back)
    }

    /// `xskq_prod_nb_free`: whether `count` slots are free. Looks how far the program is where fewer are known
    /// to be.
    ///
    /// # Panics
    ///
    /// Where the program gave back what it was never given: the kernel would overwrite what is not read.
    pub fn has_free(&mut self, count: u32) -> bool {
        if self.known_free() < count {
            self.given_back = self.words.load_consumer();
            assert!(
                self.submitted.wrapping_sub(self.given_back) <= self.words.size(),
                "the program gave back more entries than it was given"
            );
        }
        self.known_free() >= count
    }

    /// `xskq_prod_reserve_desc`: fills the next slot, which is not published yet. Whether one was free.
    pub fn reserve(&mut self, entry: T) -> bool {
        let free = self.has_free(1);
        if free {
            self.words.write(self.reserved, entry);
            self.reserved = self.reserved.wrapping_add(1);
        }
        free
    }

    /// `xskq_prod_submit`: publishes all slots that were filled.
    pub fn submit(&mut self) {
        // As in `KernelConsumer::release`.
        if self.submitted != self.reserved {
            self.submitted = self.reserved;
            self.words.store_producer(self.submitted);
        }
    }
}

/// A driver's work, scheduled by system calls and interrupts.
#[derive(Debug)]
pub struct Napi {
    scheduled: Mutex<bool>,
    changed: Condvar,
}

impl Default for Napi {
    fn default() -> Self {
        Self::new()
    }
}

impl Napi {
    /// A driver that sleeps.
    #[must_use]
    pub fn new() -> Self {
        Self {
            scheduled: Mutex::new(false),
            changed: Condvar::new(),
        }
    }

    /// `napi_schedule`, by a system call: a driver that sleeps runs, one that runs will run once more.
    pub fn schedule(&self) {
        *self.scheduled.lock().unwrap() = true;
        self.changed.notify_one();
    }

    /// The driver sleeps until it is scheduled.
    pub fn sleep(&self) {
        let mut scheduled = self.scheduled.lock().unwrap();
        while !*scheduled {
            scheduled = self.changed.wait(scheduled).unwrap();
        }
        *scheduled = false;
    }
}
