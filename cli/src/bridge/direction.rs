//! One direction of a bridge: from a receive ring to the other interface's transmit ring.

use core::time::Duration;
use std::time::Instant;

use packet_ring::handoff::Slots;
use packet_ring::packet::{Block, Packet, Position, Receiver, Transmitter, VnetHeader};
use packet_ring::{Deadline, Error, OnSignal, Wake};

use super::counts::{Board, Counts, Numbers};
use crate::exit::Failure;
use crate::frame::{ADDRESSES, TAG, Tag};
use crate::interfaces::Interface;
use crate::send::{ETHERNET_HEADER, Flushed, SHORT, VLAN_TAG, failure, fits, flush};

/// Frames a kick.
const BATCH: u32 = 128;
/// The longest sleep: within it the end is heard of, and numbers are told.
const NAP: Duration = Duration::from_millis(100);
/// How long the receive ring may take to hand over what it held when the end was asked for: several retire timeouts.
const LAST_BLOCKS: Duration = Duration::from_millis(100);
/// How long the interface may take for what it has taken.
const LAST_FRAMES: Duration = Duration::from_secs(2);
/// Bytes of a packet in segments that are copied: its headers. The rest is lent.
const HEADERS: u16 = 256;

/// The state of one direction.
pub(super) struct Direction<'d> {
    board: &'d Board,
    counts: &'d Counts,
    from: &'d Interface,
    to: &'d Interface,
    receiver: Receiver<'d>,
    transmitter: Transmitter<'d>,
    /// Packets that were looked at.
    handled: u64,
    failed: u64,
    ending: Option<Ending>,
    end: Option<Instant>,
    link: Link,
}

/// The end, once it was asked for.
struct Ending {
    /// Packets that had been received by then, and are still forwarded.
    packets: u64,
    /// When those that have not come out of the ring are waited for no longer.
    latest: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    Down,
}

/// Why no more packets were handed over for now.
enum Stop {
    /// There are enough for a kick.
    Batch,
    /// The transmit ring is full.
    Full,
    /// The next packet cannot leave by this interface.
    TooLong,
    /// The block has no more.
    End,
}

impl<'d> Direction<'d> {
    pub(super) fn new(
        board: &'d Board,
        number: usize,
        [from, to]: [&'d Interface; 2],
        receiver: Receiver<'d>,
        transmitter: Transmitter<'d>,
    ) -> Self {
        Self {
            board,
            counts: &board.directions[number],
            from,
            to,
            receiver,
            transmitter,
            handled: 0,
            failed: 0,
            ending: None,
            end: None,
            link: Link::Up,
        }
    }

    /// Forwards until the end is asked for, and tells the last numbers.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let ended = self.turns();
        // An error here says no more than the count: what did not come back has failed.
        let _down = self
            .transmitter
            .drain(Deadline::after(LAST_FRAMES), OnSignal::Continue);
        self.failed += u64::from(self.transmitter.recall());
        self.failed += u64::from(self.transmitter.in_flight());
        let mut numbers = self.numbers().unwrap_or_default();
        // What came in the midst of the end is in the ring still.
        let arrived = numbers.received - numbers.dropped;
        numbers.failed += arrived.saturating_sub(self.handled);
        self.counts.answer(u64::MAX, numbers);
        ended
    }

    fn turns(&mut self) -> Result<(), Failure> {
        loop {
            let block = self.receiver.next_block();
            let is_empty = block.is_none();
            if let Some(block) = block {
                self.block(&block)
                    .map_err(|error| failure(error, &self.to.name))?;
            }
            while self.transmitter.next_completion().is_some() {}
            let from = self.from;
            let failed = |error| failure(error, &from.name);
            if let Some(question) = self.board.question(self.counts) {
                let numbers = self.numbers().map_err(failed)?;
                self.counts.answer(question, numbers);
            }
            if self.is_over(is_empty).map_err(failed)? {
                return Ok(());
            }
            if !is_empty {
                continue;
            }
            let nap = match &self.ending {
                Some(ending) => ending.latest.saturating_duration_since(Instant::now()),
                None => NAP,
            };
            match self.receiver.wait(Deadline::after(nap), OnSignal::Return) {
                Ok(Wake::TimedOut) => self.link_is(Link::Up),
                Ok(Wake::Ready | Wake::Interrupted) => {}
                Err(Error::LinkDown) => self.link_is(Link::Down),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Whether everything is forwarded that had been received when the end was asked for, or does not come any more.
    fn is_over(&mut self, is_empty: bool) -> Result<bool, Error> {
        if self.ending.is_none() && self.board.is_over() {
            let statistics = self.receiver.statistics()?;
            self.ending = Some(Ending {
                packets: statistics.packets - statistics.drops,
                latest: Instant::now() + LAST_BLOCKS,
            });
        }
        let over = |ending: &Ending| {
            self.handled >= ending.packets || (is_empty && Instant::now() >= ending.latest)
        };
        Ok(self.ending.as_ref().is_some_and(over))
    }

    /// When packets that the other interface has no room for are given up, once the end was asked for.
    fn end(&mut self) -> Option<Instant> {
        if self.end.is_none() && self.board.is_over() {
            self.end = Some(Instant::now() + LAST_FRAMES);
        }
        self.end
    }

    fn numbers(&mut self) -> Result<Numbers, Error> {
        let statistics = self.receiver.statistics()?;
        Ok(Numbers {
            received: statistics.packets,
            dropped: statistics.drops,
            forwarded: self.transmitter.completed(),
            failed: self.failed,
        })
    }

    /// Forwards a whole block; when it returns, nothing of it is queued any more.
    fn block(&mut self, block: &Block<&Slots>) -> Result<(), Error> {
        let mut next = block.start();
        loop {
            let stop = self.fill(block, &mut next);
            let end = self.end();
            let is_over = || end.is_some_and(|end| Instant::now() >= end);
            match flush(&mut self.transmitter, is_over)? {
                Flushed::All => {}
                // What arrived well-formed leaves well-formed. Were it otherwise: the batch has failed, and is counted.
                Flushed::Refused(recalled, _) => self.failed += u64::from(recalled),
                // A port that is down or stuck loses what is sent to it, and holds nothing up.
                Flushed::Down | Flushed::NoRoom | Flushed::Over => {
                    self.failed += u64::from(self.transmitter.recall());
                }
            }
            match stop {
                Stop::Batch => {}
                // What does not go in time has failed, all of it.
                Stop::Full if is_over() => {
                    while block.packet(&mut next).is_some() {
                        self.handled += 1;
                        self.failed += 1;
                    }
                    return Ok(());
                }
                Stop::Full => {
                    let _woken = self
                        .transmitter
                        .wait(Deadline::after(NAP), OnSignal::Continue)?;
                }
                Stop::TooLong => {
                    let _too_long = block.packet(&mut next);
                    self.handled += 1;
                    self.failed += 1;
                }
                Stop::End => return Ok(()),
            }
        }
    }

    /// Hands packets over, from `next` on.
    fn fill(&mut self, block: &Block<&Slots>, next: &mut Position) -> Stop {
        for _ in 0..BATCH {
            let mut behind = *next;
            let Some(packet) = block.packet(&mut behind) else {
                return Stop::End;
            };
            let header = block.vnet_header(&packet).unwrap_or(VnetHeader::NONE);
            let tag = packet.vlan().map(|vlan| Tag {
                protocol: vlan.tpid,
                control: vlan.tci,
            });
            if !self.leaves(&packet, header, tag) {
                return Stop::TooLong;
            }
            let Some(mut frame) = self.transmitter.reserve() else {
                return Stop::Full;
            };
            let Some(len) = write(packet.data(), tag, frame.data_mut()) else {
                return Stop::TooLong;
            };
            let header = if tag.is_some() {
                header.moved(TAG as u16)
            } else {
                header
            };
            frame.set_vnet_header(match u16::try_from(len) {
                Ok(len @ ..=SHORT) => header.copied(len),
                _ if header.is_segmented() => header.copied(HEADERS),
                _ => header,
            });
            if frame.send(len).is_err() {
                return Stop::TooLong;
            }
            *next = behind;
            self.handled += 1;
        }
        Stop::Batch
    }

    /// Whether the packet is whole, and no longer than the other interface's MTU allows.
    fn leaves(&self, packet: &Packet<'_>, header: VnetHeader, tag: Option<Tag>) -> bool {
        let data = packet.data();
        if packet.len() as usize != data.len() || data.len() < ETHERNET_HEADER as usize {
            return false;
        }
        // A tag does not count, be it in the packet or beside it: what lies beside it is put in.
        header.is_segmented()
            || if tag.is_some() {
                data.len() <= (self.to.mtu + ETHERNET_HEADER) as usize
            } else {
                fits(data, self.to.mtu)
            }
    }

    fn link_is(&mut self, link: Link) {
        if self.link != link {
            let name = &self.from.name;
            match link {
                Link::Down => eprintln!("{name} is down: waiting until it is up"),
                Link::Up => eprintln!("{name} is up again"),
            }
        }
        self.link = link;
    }
}

/// Copies the packet, its tag put back in. `None` where there is no room.
fn write(data: &[u8], tag: Option<Tag>, room: &mut [u8]) -> Option<usize> {
    let Some(tag) = tag else {
        room.get_mut(..data.len())?.copy_from_slice(data);
        return Some(data.len());
    };
    const _: () = assert!(VLAN_TAG as usize == TAG);
    let (addresses, rest) = data.split_at_checked(ADDRESSES)?;
    let len = data.len() + TAG;
    let room = room.get_mut(..len)?;
    room[..ADDRESSES].copy_from_slice(addresses);
    room[ADDRESSES..ADDRESSES + TAG].copy_from_slice(&tag.bytes());
    room[ADDRESSES + TAG..].copy_from_slice(rest);
    Some(len)
}
