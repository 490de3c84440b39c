//! Rings, chunks, and the threads that pass them on.
//!
//! The standard library is not built for ThreadSanitizer, so only starting and joining threads is left to it: no
//! channels, no locks.

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::alloc::{alloc_zeroed, dealloc};
use std::thread;

use packet_ring::chunks::{Chunk, Chunks, Consumers, List};
use packet_ring::ring::{Consumer, Entry, Producer, RingSize};
use packet_ring::sync::{Indices, Table};

const CHUNKS: u32 = 8;
const CHUNK_SIZE: usize = 64;
const SIZE: RingSize = RingSize::new_assert(8);

/// How many packets pass, and how often memory is unmapped.
const PACKETS: u32 = 20_000;
const LIVES: u32 = 300;

/// The memory of a ring.
struct Memory<T> {
    producer: AtomicU32,
    consumer: AtomicU32,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

// SAFETY: the words say who has a slot.
unsafe impl<T: Send> Sync for Memory<T> {}

impl<T> Memory<T> {
    /// An empty ring, soon to wrap, for ever.
    fn new() -> &'static Self {
        let start = (PACKETS / 2).wrapping_neg();
        Box::leak(Box::new(Self {
            producer: AtomicU32::new(start),
            consumer: AtomicU32::new(start),
            slots: (0..SIZE.get())
                .map(|_| UnsafeCell::new(MaybeUninit::zeroed()))
                .collect(),
        }))
    }

    fn slot(&self, index: u32) -> *mut T {
        self.slots[(index % SIZE.get()) as usize].get().cast()
    }

    /// Takes an entry, as the kernel does, uses it, and gives its slot back.
    fn take(&self, use_it: impl FnOnce(T)) -> bool {
        let own = self.consumer.load(Ordering::Relaxed);
        let filled = self.producer.load(Ordering::Acquire) != own;
        if filled {
            // SAFETY: filled, and not given back.
            use_it(unsafe { self.slot(own).read() });
            self.consumer.store(own.wrapping_add(1), Ordering::Release);
        } else {
            thread::yield_now();
        }
        filled
    }

    /// Fills a slot, as the kernel does, and publishes it. Waits where there is none: slots come back later than
    /// the chunks that they name.
    fn put(&self, entry: T) {
        let own = self.producer.load(Ordering::Relaxed);
        while own.wrapping_sub(self.consumer.load(Ordering::Acquire)) == SIZE.get() {
            thread::yield_now();
        }
        // SAFETY: given back, and not filled.
        unsafe { self.slot(own).write(entry) };
        self.producer.store(own.wrapping_add(1), Ordering::Release);
    }
}

impl<T: Entry> Memory<T> {
    fn indices(&self) -> Indices<T> {
        let word = |word: &AtomicU32| NonNull::new(word.as_ptr()).expect("an address");
        let slots = NonNull::new(self.slots.as_ptr().cast_mut()).expect("an address");
        // SAFETY: as many slots as the ring is told, of zeros, which are integers; they are there for ever.
        unsafe {
            Indices::new(
                word(&self.producer),
                word(&self.consumer),
                None,
                slots.cast(),
            )
        }
    }
}

/// Packets' bytes, and the table of their chunks in the same allocation: dropping it frees both.
struct Umem {
    base: NonNull<u8>,
}

// SAFETY: an address, which the owners of chunks reach through.
unsafe impl Send for Umem {}
// SAFETY: as for `Send`.
unsafe impl Sync for Umem {}

impl Umem {
    fn layout() -> (Layout, usize) {
        let bytes = Layout::array::<[u8; CHUNK_SIZE]>(CHUNKS as usize).expect("small");
        bytes.extend(Table::<Self>::layout(CHUNKS)).expect("small")
    }

    fn map() -> (Chunks<Self>, List<Self>) {
        let (layout, table) = Self::layout();
        // SAFETY: of some size.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
        // SAFETY: inside the allocation.
        let table = unsafe { base.add(table) };
        // SAFETY: of the table's layout, zeroed, and used by nobody else until the owner frees it.
        let table = unsafe { Table::new(table, CHUNKS, Self { base }) };
        // SAFETY: just made.
        unsafe { Chunks::new(table) }
    }

    /// Writes a chunk full of `value`.
    ///
    /// # Safety
    ///
    /// The caller owns the chunk.
    unsafe fn write(&self, chunk: u32, value: u8) {
        // SAFETY: inside the allocation.
        let bytes = unsafe { self.base.add(chunk as usize * CHUNK_SIZE) };
        // SAFETY: the caller's.
        unsafe { bytes.write_bytes(value, CHUNK_SIZE) };
    }

    /// Reads a chunk that is full of one value.
    ///
    /// # Safety
    ///
    /// The caller owns the chunk.
    unsafe fn read(&self, chunk: u32) -> u8 {
        // SAFETY: inside the allocation.
        let bytes = unsafe { self.base.add(chunk as usize * CHUNK_SIZE) };
        // SAFETY: the caller's.
        let bytes = unsafe { bytes.cast::<[u8; CHUNK_SIZE]>().read() };
        assert_eq!(bytes, [bytes[0]; CHUNK_SIZE], "a packet of one piece");
        bytes[0]
    }
}

impl Drop for Umem {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; nobody uses it any more.
        unsafe { dealloc(self.base.as_ptr(), Self::layout().0) };
    }
}

/// Reads a chunk that the program has, and writes to it.
fn use_chunk(chunk: &Chunk<Umem>) -> u8 {
    let umem = chunk.owner();
    // SAFETY: the one `Chunk` of its number.
    let value = unsafe { umem.read(chunk.number()) };
    // SAFETY: as above.
    unsafe { umem.write(chunk.number(), 0xff) };
    value
}

/// Entries that name nothing, so that the words alone order the use of the slots.
pub(crate) fn slots_are_ordered_by_the_words() {
    let (there, back) = (Memory::<u64>::new(), Memory::<u64>::new());
    // SAFETY: the only producer of a ring of this size, whose other side is the thread below.
    let mut producer = unsafe { Producer::new(there.indices(), SIZE) };
    // SAFETY: the only consumer, likewise.
    let mut consumer = unsafe { Consumer::new(back.indices(), SIZE) };
    let reader = thread::spawn(move || {
        let mut next = 0;
        while next < PACKETS {
            let taken = there.take(|entry| assert_eq!(entry, next.into(), "entries come in order"));
            next += u32::from(taken);
        }
    });
    let writer = thread::spawn(move || (0..PACKETS).for_each(|entry| back.put(entry.into())));
    let (mut pushed, mut read) = (0, 0);
    while read < u64::from(PACKETS) || pushed < u64::from(PACKETS) {
        let mut batch = producer.batch(3);
        while pushed < u64::from(PACKETS) && batch.push(pushed).is_ok() {
            pushed += 1;
        }
        drop(batch);
        for entry in consumer.batch(3) {
            assert_eq!(entry, read, "entries come in order");
            read += 1;
        }
        thread::yield_now();
    }
    reader.join().expect("it ran to its end");
    writer.join().expect("it ran to its end");
}

/// The program receives on one thread; hands some chunks to the thread that fills, and drops the others, which
/// that thread takes back.
pub(crate) fn received_chunks_go_round() {
    let (fill_memory, rx_memory) = (Memory::<u64>::new(), Memory::<u64>::new());
    let used = Memory::<Chunk<Umem>>::new();
    let (chunks, mut list) = Umem::map();
    let slot = chunks.take_slot().expect("a slot is free");
    static DONE: AtomicBool = AtomicBool::new(false);
    // SAFETY: the only producer of a ring of this size, whose other side is the thread below.
    let mut fill = unsafe { Producer::new(fill_memory.indices(), SIZE) };
    // SAFETY: the only consumer, likewise.
    let mut rx = unsafe { Consumer::new(rx_memory.indices(), SIZE) };
    let handle = chunks.clone();
    let kernel = thread::spawn(move || {
        let mut packet = 0;
        while packet < PACKETS {
            let taken = fill_memory.take(|chunk| {
                // SAFETY: the fill ring gave it.
                unsafe { handle.owner().write(chunk as u32, packet as u8) };
                rx_memory.put(chunk);
            });
            packet += u32::from(taken);
        }
    });
    let filler = thread::spawn(move || {
        while !DONE.load(Ordering::Relaxed) {
            while used.take(|chunk| list.give(chunk).expect("of this UMEM")) {}
            list.take_back();
            let mut batch = fill.batch(list.len());
            while batch.room() > 0 {
                let number = list.fill(slot).expect("no more room than chunks");
                assert_eq!(batch.push(number.into()), Ok(()));
            }
        }
    });
    let mut packet = 0;
    while packet < PACKETS {
        for number in rx.batch(4) {
            // SAFETY: it came out of the slot's only receive ring, just now.
            let chunk = unsafe { chunks.received(number as u32, slot, Consumers::One) };
            let chunk = chunk.expect("the kernel had it");
            assert_eq!(use_chunk(&chunk), packet as u8, "packets come in order");
            if packet % 2 == 0 {
                used.put(chunk);
            }
            packet += 1;
        }
        thread::yield_now();
    }
    DONE.store(true, Ordering::Relaxed);
    kernel.join().expect("it ran to its end");
    filler.join().expect("it ran to its end");
    while used.take(drop) {}
    assert_eq!(chunks.spurious(), 0);
}

/// The program sends, and completes into the list that it sends from.
pub(crate) fn sent_chunks_go_round() {
    let (tx_memory, completion_memory) = (Memory::<u64>::new(), Memory::<u64>::new());
    let (chunks, mut list) = Umem::map();
    let slot = chunks.take_slot().expect("a slot is free");
    // SAFETY: the only producer of a ring of this size, whose other side is the thread below.
    let mut tx = unsafe { Producer::new(tx_memory.indices(), SIZE) };
    // SAFETY: the only consumer, likewise.
    let mut completion = unsafe { Consumer::new(completion_memory.indices(), SIZE) };
    let handle = chunks.clone();
    let kernel = thread::spawn(move || {
        let mut packet = 0;
        while packet < PACKETS {
            let taken = tx_memory.take(|chunk| {
                // SAFETY: the transmit ring gave it.
                let value = unsafe { handle.owner().read(chunk as u32) };
                assert_eq!(value, packet as u8, "packets are sent in order");
                completion_memory.put(chunk);
            });
            packet += u32::from(taken);
        }
    });
    let mut packet = 0;
    while packet < PACKETS {
        for number in completion.batch(SIZE.get()) {
            // SAFETY: it came out of the slot's only completion ring, just now.
            let sent = unsafe { list.complete(number as u32, slot) };
            assert!(sent, "the kernel had it");
        }
        let mut batch = tx.batch(list.len().min(PACKETS - packet));
        while batch.room() > 0 {
            let chunk = list.take().expect("no more room than chunks");
            // SAFETY: the one `Chunk` of its number.
            unsafe { chunk.owner().write(chunk.number(), packet as u8) };
            let number = chunks.send(chunk, slot).expect("of this UMEM");
            assert_eq!(batch.push(number.into()), Ok(()));
            packet += 1;
        }
        drop(batch);
        thread::yield_now();
    }
    kernel.join().expect("it ran to its end");
    assert_eq!(chunks.spurious(), 0);
}

/// The last handle goes on one thread while chunks go on two others: a use of the memory after it was freed,
/// or one that nothing orders before that, is reported.
pub(crate) fn the_memory_goes_with_the_last_of_handles_and_chunks() {
    for _ in 0..LIVES {
        let (chunks, mut list) = Umem::map();
        let out: Vec<_> = core::iter::from_fn(|| list.take()).collect();
        drop(list);
        let mut out = out.into_iter();
        let half: Vec<_> = out.by_ref().take(CHUNKS as usize / 2).collect();
        let rest: Vec<_> = out.collect();
        let droppers = [half, rest].map(|part| {
            thread::spawn(move || {
                for chunk in part {
                    use_chunk(&chunk);
                }
            })
        });
        drop(chunks);
        for dropper in droppers {
            dropper.join().expect("it ran to its end");
        }
    }
}
