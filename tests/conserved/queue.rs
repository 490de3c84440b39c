//! A queue as a program uses it: what AF_XDP sockets on it do with rings and chunks.

use core::mem;

use packet_ring::chunks::{Chunk, Chunks, Consumers, Slot};
use packet_ring::ring::{Consumer, Descriptor, Producer, RingSize};

use super::kernel::{CHUNK, Kernel, Witnessed, chunk_at};
use super::places::{Place, Places};
use super::program::{Outcome, Program};

pub(crate) struct Queue {
    slot: Slot,
    fill: Producer<u64>,
    completion: Consumer<u64>,
    /// Receive and transmit ring of every socket.
    sockets: Vec<(Consumer<Descriptor>, Producer<Descriptor>)>,
    /// Chunks that went with forgotten batches: the bytes say that the kernel has them.
    lost: u32,
    /// Behind the cursors, which look into its rings.
    pub(crate) kernel: Kernel,
}

impl Queue {
    pub(super) fn open(chunks: &Chunks<()>, sockets: usize, size: RingSize, start: u32) -> Self {
        let kernel = Kernel::new(sockets, size, start);
        let cursors = kernel
            .sockets
            .iter()
            .map(|rings| (rings.rx.ring.consumer(), rings.tx.ring.producer()));
        Self {
            slot: chunks.take_slot().expect("a slot a queue"),
            fill: kernel.fill.ring.producer(),
            completion: kernel.completion.ring.consumer(),
            sockets: cursors.collect(),
            lost: 0,
            kernel,
        }
    }

    pub(super) fn slot(&self) -> Slot {
        self.slot
    }

    fn consumers(&self) -> Consumers {
        if self.sockets.len() > 1 {
            Consumers::Several
        } else {
            Consumers::One
        }
    }

    /// Stocks the fill ring out of a list; may forget the batch: then what is in it is lost.
    pub(super) fn stock(&mut self, program: &mut Program, list: usize, choice: u32) {
        let list = list % program.lists.len();
        let mut numbers = Vec::new();
        let mut batch = self.fill.batch(choice & 7);
        while batch.room() > 0 {
            let number = program.lists[list].fill(self.slot);
            assert_eq!(number, program.places.lists[list].pop());
            let Some(number) = number else { break };
            program.places.set(number, Place::Filling(self.slot));
            assert_eq!(batch.push(u64::from(number) * CHUNK), Ok(()));
            numbers.push(u64::from(number) * CHUNK);
        }
        if choice & 0xf0 == 0 {
            mem::forget(batch);
            self.lost += numbers.len() as u32;
        } else {
            drop(batch);
            self.kernel.fill.entries.extend(numbers);
        }
    }

    /// Puts a chunk that is held into the fill ring.
    pub(super) fn fill(&mut self, program: &mut Program, held: u8, choice: u32) {
        let mut batch = self.fill.batch(1);
        if batch.room() == 0 {
            return;
        }
        let Some((number, mut chunk)) = program.release(held.into()) else {
            return;
        };
        // What a chunk was used for leaves no trace.
        chunk.set_metadata(choice & 1 == 1);
        chunk.set_continues(choice & 2 == 2);
        assert_eq!(program.chunks.fill(chunk, self.slot).ok(), Some(number));
        program.places.set(number, Place::Filling(self.slot));
        assert_eq!(batch.push(u64::from(number) * CHUNK), Ok(()));
        drop(batch);
        self.kernel
            .fill
            .entries
            .push_back(u64::from(number) * CHUNK);
    }

    /// Reads a batch, wholly or in part, and drops or forgets it.
    pub(super) fn receive(&mut self, program: &mut Program, fates: u8, choice: u32) {
        let consumers = self.consumers();
        let socket = choice as usize % self.sockets.len();
        let witness = &mut self.kernel.sockets[socket].rx;
        let mut batch = self.sockets[socket].0.batch(choice >> 4 & 7);
        let mut count = choice >> 8 & 7;
        if choice >> 11 & 1 == 1 {
            batch.limit(choice >> 12 & 7);
        }
        if choice >> 15 & 1 == 1 {
            batch.extend(choice >> 16 & 7);
        }
        while count > 0 {
            count -= 1;
            let ahead = batch.ahead(0);
            let entry = batch.next();
            assert_eq!(ahead, entry);
            let Some(entry) = entry else { break };
            witness.was_read(entry);
            let number = chunk_at(entry.address);
            let is_ours = program.places.of(number) == Some(Place::Filling(self.slot));
            // SAFETY: it came out of the slot's receive ring, whose only consumer this is; and where the
            // kernel had no right to hand it back, nobody looks at its bytes.
            let chunk = unsafe { program.chunks.received(number, self.slot, consumers) };
            program.see(Outcome::Received, is_ours);
            accept(program, is_ours, chunk, fates >> (count & 7));
        }
        if choice >> 20 & 7 == 0 {
            if !witness.is_forged {
                witness.entries.drain(..batch.remaining() as usize);
            }
            self.lost += batch.remaining();
            mem::forget(batch);
        }
    }

    /// Sends chunks that are held.
    pub(super) fn transmit(&mut self, program: &mut Program, held: u8, choice: u32) {
        let socket = choice as usize % self.sockets.len();
        let mut descriptors = Vec::new();
        let mut batch = self.sockets[socket].1.batch(choice >> 4 & 7);
        while batch.room() > 0 {
            let Some((number, mut chunk)) = program.release(held.into()) else {
                break;
            };
            let has_metadata = choice >> 8 & 1 == 1;
            chunk.set_metadata(has_metadata);
            chunk.set_place(64, 60);
            assert_eq!(program.chunks.send(chunk, self.slot).ok(), Some(number));
            program
                .places
                .set(number, Place::Sending(self.slot, has_metadata));
            let descriptor = Descriptor {
                address: u64::from(number) * CHUNK + 64,
                len: 60,
                options: u32::from(has_metadata) * Descriptor::HAS_METADATA,
            };
            assert_eq!(batch.push(descriptor), Ok(()));
            descriptors.push(descriptor);
        }
        if choice >> 20 & 15 == 0 {
            mem::forget(batch);
            self.lost += descriptors.len() as u32;
        } else {
            drop(batch);
            self.kernel.sockets[socket].tx.entries.extend(descriptors);
        }
    }

    /// Takes completed chunks, into a list or each by itself.
    pub(super) fn reap(
        &mut self,
        program: &mut Program,
        list: Option<usize>,
        fates: u8,
        choice: u32,
    ) {
        let witness = &mut self.kernel.completion;
        let mut batch = self.completion.batch(choice >> 4 & 7);
        let mut count = choice >> 8 & 7;
        while count > 0 {
            count -= 1;
            let Some(address) = batch.next() else { break };
            witness.was_read(address);
            let number = chunk_at(address);
            let sent = match program.places.of(number) {
                Some(Place::Sending(slot, has_metadata)) if slot == self.slot => Some(has_metadata),
                _ => None,
            };
            if let Some(list) = list {
                // SAFETY: as in `receive`, of the slot's completion ring.
                let is_ours = unsafe { program.lists[list].complete(number, self.slot) };
                assert_eq!(is_ours, sent.is_some());
                program.see(Outcome::ReapedIntoList, is_ours);
                if is_ours {
                    program.places.set(number, Place::Free);
                    program.places.lists[list].push(number);
                } else {
                    program.places.spurious += 1;
                }
                continue;
            }
            // SAFETY: as above.
            let chunk = unsafe { program.chunks.completed(number, self.slot) };
            assert_eq!(chunk.as_ref().map(Chunk::has_metadata), sent);
            program.see(Outcome::Completed, sent.is_some());
            accept(program, sent.is_some(), chunk, fates >> (count & 7));
        }
        if choice >> 20 & 7 == 0 {
            if !witness.is_forged {
                witness.entries.drain(..batch.remaining() as usize);
            }
            self.lost += batch.remaining();
            mem::forget(batch);
        }
    }

    /// Closes the sockets; what the kernel had counts as dropped.
    pub(super) fn close(self, program: &mut Program) {
        let slot = self.slot;
        drop(self);
        let had = program.places.move_all(
            |place| match place {
                Place::Filling(of) | Place::Sending(of, _) => of == slot,
                _ => false,
            },
            Place::Dropped,
        );
        // SAFETY: the kernel, and all cursors of the slot, have gone.
        let reclaimed = unsafe { program.chunks.reclaim(slot) };
        assert_eq!(reclaimed, had.len() as u32);
        program.see(Outcome::Reclaimed, reclaimed > 0);
    }

    /// Closes the sockets, and opens as many.
    pub(super) fn reopen(self, program: &mut Program, start: u32) -> Self {
        let (sockets, size) = (self.sockets.len(), self.fill.size());
        self.close(program);
        Self::open(&program.chunks, sockets, size, start)
    }

    /// A corrupt ring hands out nothing. Whether one is.
    pub(super) fn check(&mut self) -> bool {
        let mut is_corrupt = self.fill.is_corrupt() || self.completion.is_corrupt();
        if self.fill.is_corrupt() {
            assert_eq!((self.fill.room(), self.fill.batch(8).room()), (0, 0));
        }
        if self.completion.is_corrupt() {
            assert_eq!(self.completion.filled(), 0);
            assert_eq!(self.completion.batch(8).next(), None);
        }
        for (rx, tx) in &mut self.sockets {
            is_corrupt |= rx.is_corrupt() || tx.is_corrupt();
            if rx.is_corrupt() {
                assert_eq!(rx.filled(), 0);
                assert_eq!(rx.batch(8).next(), None);
            }
            if tx.is_corrupt() {
                assert_eq!((tx.room(), tx.batch(8).room()), (0, 0));
            }
        }
        is_corrupt
    }
}

impl Queue {
    /// An honest kernel has every chunk once that the bytes say it has, but for those that the program
    /// lost.
    pub(crate) fn check_what_the_kernel_has(&self, places: &Places) {
        let Kernel {
            fill,
            completion,
            sockets,
            empty,
            sending,
            ..
        } = &self.kernel;
        let addresses = |ring: &Witnessed<Descriptor>| {
            let addresses = ring.entries.iter().map(|entry| entry.address);
            addresses.collect::<Vec<_>>()
        };
        let rx: Vec<u64> = sockets.iter().flat_map(|of| addresses(&of.rx)).collect();
        let tx: Vec<u64> = sockets.iter().flat_map(|of| addresses(&of.tx)).collect();
        let filling = fill.entries.iter().chain(empty).chain(&rx);
        let transmitting = completion.entries.iter().chain(sending).chain(&tx);
        let mut had: Vec<(u32, bool)> =
            filling.map(|&address| (chunk_at(address), false)).collect();
        had.extend(transmitting.map(|&address| (chunk_at(address), true)));
        let count = had.len() as u32;
        for &(number, is_sending) in &had {
            let is_there = match places.of(number) {
                Some(Place::Filling(slot)) => slot == self.slot && !is_sending,
                Some(Place::Sending(slot, _)) => slot == self.slot && is_sending,
                _ => false,
            };
            assert!(is_there, "the kernel has a chunk of the program's");
        }
        had.sort_unstable();
        had.dedup();
        assert_eq!(had.len() as u32, count, "the kernel has a chunk twice");
        let with_kernel = |place: &&Place| match **place {
            Place::Filling(slot) | Place::Sending(slot, _) => slot == self.slot,
            _ => false,
        };
        let said = places.chunks.iter().filter(with_kernel).count() as u32;
        assert_eq!(said, count + self.lost, "a chunk is nowhere");
    }

    pub(super) fn sockets(&self) -> u32 {
        self.sockets.len() as u32
    }

    pub(super) fn lost(&self) -> u32 {
        self.lost
    }
}

/// What was handed back is a chunk exactly where it was with the kernel; it is kept, dropped or forgotten.
fn accept(program: &mut Program, is_ours: bool, chunk: Option<Chunk<()>>, fate: u8) {
    assert_eq!(chunk.is_some(), is_ours);
    let Some(chunk) = chunk else {
        program.places.spurious += 1;
        return;
    };
    let number = chunk.number();
    match fate & 7 {
        0 => {
            drop(chunk);
            program.places.set(number, Place::Dropped);
        }
        1 => {
            mem::forget(chunk);
            program.places.set(number, Place::HeldForGood);
        }
        _ => program.hold(Some(chunk)),
    }
}
