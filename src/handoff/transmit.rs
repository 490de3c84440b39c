//! Frames on their way out: the program fills them, the kernel sends them in the order of the ring.
//!
//! # Safety
//!
//! The invariants of [`handoff`](super), and for a transmit ring:
//!
//! 1. A frame is the program's while its word is `AVAILABLE`, beside which the kernel leaves bits that
//!    tell of a timestamp. The program stores `SEND_REQUEST` to hand it over; from there on only the
//!    kernel stores to the word, until it is `AVAILABLE` again or `WRONG_FORMAT`.
//! 2. The kernel sends inside a system call that the program makes, one such call at a time, frame by
//!    frame from its own place in the ring, and stops at the first whose word is not `SEND_REQUEST`.
//!    So frames that it has not reached stay as they are while no such call runs, and the program may
//!    take them back.
//! 3. `out` frames before `next` were handed over and not yet seen back; the other frames are the
//!    program's. So `next` is the program's wherever `out` is less than the number of frames.
//!
//! Whoever has the descriptor can make the kernel send, while the program fills or recalls frames. Memory
//! is safe all the same: the kernel only reads what is lent, and writes the word and the fields of the
//! timestamp, four bytes at a time. What else holds then, [`TxRing`] says.

use core::num::NonZeroU32;

use super::Index;
use crate::sync::{AtomicU32, Lent, LentMut, Memory, Ordering};

/// The program owns the frame. `TP_STATUS_AVAILABLE`.
const AVAILABLE: u32 = 0;
/// The kernel shall send the frame. `TP_STATUS_SEND_REQUEST`.
const SEND_REQUEST: u32 = 1;
/// The kernel has refused the frame and stops at it. `TP_STATUS_WRONG_FORMAT`.
const WRONG_FORMAT: u32 = 4;
/// The program is taking the frame back: a bit that no status of a frame has. The kernel stops at it.
const RECALLED: u32 = 1 << 27;
/// What the kernel sets beside `AVAILABLE` where it has stamped the frame: `TP_STATUS_TS_*`.
const STAMPS: u32 = 7 << 29;

/// Where the header of a frame has the fields that pass between both sides: offsets in bytes,
/// multiples of four, outside of the status word and of the bytes that are lent.
#[derive(Clone, Copy, Debug)]
pub struct HeaderLayout {
    /// Bytes to be sent: `tp_len`.
    pub length: usize,
    /// Where these begin, twice in 16 bits: `tp_mac` and `tp_net`.
    pub offset: usize,
    /// When the frame was sent, seconds: `tp_sec`.
    pub seconds: usize,
    /// And nanoseconds: `tp_nsec`.
    pub nanoseconds: usize,
}

/// A frame that came back from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The frame's number.
    pub number: u64,
    /// The status word: zero, or what kind of timestamp there is.
    pub status: u32,
    /// Seconds and nanoseconds of the timestamp, where the status says that there is one.
    pub stamp: (u32, u32),
}

/// The first frame that the kernel has not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The frame's number.
    pub number: u64,
    /// Whether the kernel has refused it: it stops there until the frame is sent again or recalled.
    pub refused: bool,
}

/// A transmit ring: frames, and the program's place among them.
///
/// Frames are numbered from 0 in the order in which they are handed over, which is the order in which
/// the kernel sends them.
///
/// Whoever has the ring makes the system calls that send, and hands both on together. A call that is made
/// on the same descriptor elsewhere is memory-safe. Where the processor keeps its loads in order, as
/// x86 does, it also sends what was handed over, once and in order, even beside
/// [`recall`](Self::recall), unless the interface's queue is full: then a frame that came back may be sent
/// again, with whatever it holds, and a frame that is handed over in its place may have to wait for a
/// lap of the ring. Elsewhere the kernel may also see a frame's word before its bytes.
#[derive(Debug)]
pub struct TxRing {
    memory: Memory,
    header: HeaderLayout,
    /// Where lent bytes begin, from the start of the frame.
    lent_from: u16,
    count: NonZeroU32,
    /// The frame to be handed out next.
    next: Index,
    /// Its number.
    number: u64,
    /// Frames before `next` that were handed over and not seen back; at most `count`.
    out: u32,
    /// The last of these, which the kernel was not seen to take; at most `out`.
    queued: u32,
}

impl TxRing {
    /// Makes a ring of `count` frames, all the program's. Lent bytes begin at `lent_from`.
    ///
    /// # Safety
    ///
    /// `memory` has `count` slots, valid as long as the ring, that lend their bytes from `lent_from`
    /// on; `header` keeps its word about them; all status words are zero; the other side keeps to
    /// the protocol, and sends only when this program calls it; and no other ring is made of the same
    /// memory.
    ///
    /// A `&mut TxRing` that is lent to safe code can be swapped for another ring, which then outlives
    /// its own memory.
    #[must_use]
    pub unsafe fn new(
        memory: Memory,
        header: HeaderLayout,
        lent_from: u16,
        count: NonZeroU32,
    ) -> Self {
        Self {
            memory,
            header,
            lent_from,
            count,
            next: Index::FIRST,
            number: 0,
            out: 0,
            queued: 0,
        }
    }

    fn word(&self, index: Index) -> &AtomicU32 {
        // SAFETY: an `Index` lies below `count`, and `new` was promised that many slots for as long as
        // `self` lives.
        unsafe { self.memory.word(index.0 as usize) }
    }

    /// The next frame, to be filled and sent; `None` while the kernel has them all.
    ///
    /// A frame that was dropped unsent is handed out again: frames leave no holes.
    #[inline]
    pub fn reserve(&mut self) -> Option<TxFrame<'_>> {
        if self.out == self.count.get() {
            self.next_completion()?;
        }
        Some(TxFrame {
            index: self.next,
            place: Place::Next,
            ring: self,
        })
    }

    /// The next frame that came back from the kernel, in the order in which they were sent; `None`
    /// where the oldest is still out.
    ///
    /// Without `PACKET_LOSS` a frame comes back when it was sent, or dropped on its way by the
    /// interface's queue. [`reserve`](Self::reserve) passes over completions that nobody asked for.
    #[inline]
    pub fn next_completion(&mut self) -> Option<Completion> {
        if self.out == self.queued {
            self.look();
            if self.out == self.queued {
                return None;
            }
        }
        let index = self.next.back(self.out, self.count);
        // Acquire: pairs with the kernel's smp_wmb between the timestamp and the word; and what the
        // kernel read of the frame, it read before.
        let status = self.word(index).load(Ordering::Acquire);
        if status & !STAMPS != AVAILABLE {
            return None;
        }
        let field = |offset| {
            // SAFETY: the frame is ours again (invariant 1), nothing of it is lent, and `new` was
            // promised that the header is where it is said to be.
            unsafe { self.memory.field(index.0 as usize, offset) }
        };
        let completion = Completion {
            number: self.number - u64::from(self.out),
            status,
            stamp: if status == AVAILABLE {
                (0, 0)
            } else {
                (field(self.header.seconds), field(self.header.nanoseconds))
            },
        };
        self.out -= 1;
        Some(completion)
    }

    /// Looks how far the kernel has come: to be called after each system call that sends.
    #[inline]
    pub fn look(&mut self) {
        while self.queued > 0 {
            // Relaxed: no bytes are touched on its strength.
            let status = self.word(self.first_queued()).load(Ordering::Relaxed);
            if matches!(status, SEND_REQUEST | WRONG_FORMAT) {
                break;
            }
            self.queued -= 1;
        }
    }

    fn first_queued(&self) -> Index {
        self.next.back(self.queued, self.count)
    }

    /// The first frame that the kernel has not taken, as of the last [`look`](Self::look).
    #[must_use]
    pub fn head(&self) -> Option<Queued> {
        (self.queued > 0).then(|| Queued {
            number: self.number - u64::from(self.queued),
            refused: self.is_refused(),
        })
    }

    fn is_refused(&self) -> bool {
        // Acquire: what the kernel read of the frame, it read before it refused it.
        self.queued > 0 && self.word(self.first_queued()).load(Ordering::Acquire) == WRONG_FORMAT
    }

    /// The frame that the kernel has refused, to be mended and sent once more; it has its old bytes.
    /// `None` where none was refused.
    pub fn refused(&mut self) -> Option<TxFrame<'_>> {
        if !self.is_refused() {
            return None;
        }
        Some(TxFrame {
            index: self.first_queued(),
            place: Place::Refused,
            ring: self,
        })
    }

    /// Takes back the frames that the kernel has not taken, and says how many. The next frame that is
    /// handed out is the first of them, by place and by number.
    ///
    /// `settle` is called where there are any, and returns when no system call that sends is under way
    /// which began earlier. One that sends will do: the kernel lets in one at a time. A frame that
    /// such a call was about to take is not taken back.
    pub fn recall(&mut self, settle: impl FnOnce()) -> u32 {
        let mut marked = 0;
        // From the last to the first: what the kernel has taken lies before what it has not.
        while marked < self.queued {
            let word = self.word(self.next.back(marked + 1, self.count));
            // Relaxed, here and below: the system call in `settle` orders us behind whoever sent.
            let status = word.load(Ordering::Relaxed);
            let untaken = matches!(status, SEND_REQUEST | WRONG_FORMAT);
            // An exchange: the kernel may take the frame since we looked.
            let exchange = |status| {
                word.compare_exchange(status, RECALLED, Ordering::Relaxed, Ordering::Relaxed)
            };
            if !untaken || exchange(status).is_err() {
                break;
            }
            marked += 1;
        }
        if marked > 0 {
            // The kernel may have looked at a word before the exchange, and store to it after.
            settle();
        }
        let mut recalled = 0;
        while recalled < marked {
            let word = self.word(self.next.back(recalled + 1, self.count));
            if word.load(Ordering::Relaxed) != RECALLED {
                break;
            }
            word.store(AVAILABLE, Ordering::Relaxed);
            recalled += 1;
        }
        // Where the interface's queue was full, the kernel may have stored to a frame behind others that
        // it has not taken: these go out after all.
        for before in recalled + 1..=marked {
            let word = self.word(self.next.back(before, self.count));
            // Release: as in `send`. An exchange: some of them the kernel may have.
            let _ =
                word.compare_exchange(RECALLED, SEND_REQUEST, Ordering::Release, Ordering::Relaxed);
        }
        self.next = self.next.back(recalled, self.count);
        self.number -= u64::from(recalled);
        self.out -= recalled;
        self.queued -= recalled;
        recalled
    }

    /// Number of frames in the ring.
    #[must_use]
    pub fn count(&self) -> NonZeroU32 {
        self.count
    }

    /// Frames that were handed over and that the kernel was not seen to take.
    #[must_use]
    pub fn queued(&self) -> u32 {
        self.queued
    }

    /// Frames that the kernel has taken and not been seen to give back.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.out - self.queued
    }

    /// How many frames came back. With [`queued`](Self::queued) and [`in_flight`](Self::in_flight) it
    /// makes the number that the next frame gets.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.number - u64::from(self.out)
    }
}

/// Which frame of the ring a [`TxFrame`] is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Next,
    Refused,
}

/// A frame to be filled and sent. Dropping it hands nothing over.
#[derive(Debug)]
pub struct TxFrame<'t> {
    ring: &'t mut TxRing,
    index: Index,
    place: Place,
}

impl TxFrame<'_> {
    /// The frame's number, if it is sent.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self.place {
            Place::Next => self.ring.number,
            Place::Refused => self.ring.number - u64::from(self.ring.queued),
        }
    }

    /// The bytes of the frame: what it was last filled with.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> Lent<'_> {
        // SAFETY: the frame is the program's (invariants 1 and 3) as long as `self`, its only guard,
        // lives; the result borrows `self`.
        unsafe { self.ring.memory.lend(self.index.0 as usize) }
    }

    /// The bytes of the frame, for writing.
    #[inline]
    pub fn bytes_mut(&mut self) -> LentMut<'_> {
        // SAFETY: as in `bytes`, and the result borrows `self` exclusively.
        unsafe { self.ring.memory.lend_mut(self.index.0 as usize) }
    }

    /// Hands the bytes in `start..start + len` over, to be sent with the next system call that sends;
    /// returns the frame's number. The kernel heeds `start` only with `PACKET_TX_HAS_OFF`.
    ///
    /// # Errors
    ///
    /// The frame, where it has not so many bytes, or where they would end beyond 65,535.
    #[inline]
    pub fn send(self, start: u16, len: u32) -> Result<u64, Self> {
        let room = self.bytes().len() as u64;
        let offset = self.ring.lent_from.checked_add(start);
        let Some(offset) = offset.filter(|_| u64::from(start) + u64::from(len) <= room) else {
            return Err(self);
        };
        let number = self.number();
        let Self { ring, index, place } = self;
        let [a, b] = offset.to_ne_bytes();
        let fields = [
            (ring.header.offset, u32::from_ne_bytes([a, b, a, b])),
            (ring.header.length, len),
        ];
        for (offset, value) in fields {
            // SAFETY: the frame is the program's, nothing of it is lent any more, and `new` was promised
            // that the header is where it is said to be.
            unsafe { ring.memory.set_field(index.0 as usize, offset, value) };
        }
        // Release: pairs with the kernel's load of the word: whoever sends the frame sees its bytes and
        // its length.
        ring.word(index).store(SEND_REQUEST, Ordering::Release);
        if let Place::Next = place {
            ring.next = index.after(ring.count);
            ring.number += 1;
            ring.out += 1;
            ring.queued += 1;
        }
        Ok(number)
    }
}
