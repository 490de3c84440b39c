//! What a ring sees of an interface: each packet's kind and size, of which only the headers are kept.

use core::ops::ControlFlow;
use core::time::Duration;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{self, Geometry, Receiver, Rx, Socket};
use packet_ring::{Deadline, Error, OnSignal};

use super::tally::{Seen, Tally};
use crate::capture::frame_of;
use crate::frame::TAG;
use crate::interfaces::{Interface, LinkType};

/// 4 MiB in blocks of 256 KiB, of each packet as many bytes as headers have as a rule.
const RING: Geometry = Geometry::new_assert(1 << 18, 16);
const HEADERS: u32 = 128;
/// How long the ring may take to hand over what it held when the end was asked for: several retire timeouts.
const LAST_BLOCKS: Duration = Duration::from_millis(100);

/// A ring that sees what the interface receives and sends from now on.
pub(super) fn bind(interface: &Interface) -> Result<Socket<Bound<Rx>>, Error> {
    let mut socket = Socket::configure(Rx::new(RING.snap_length(HEADERS)?))?;
    // What the loopback sends, it receives.
    if interface.is_loopback() {
        socket.ignore_outgoing()?;
    }
    let index = packet::Interface::by_index(interface.index).ok_or(Error::NoSuchInterface)?;
    Ok(socket.map()?.bind(index)?)
}

/// Counts by kind and direction.
pub(super) struct Ring<'r> {
    receiver: Receiver<'r>,
    tally: Tally,
}

impl<'r> Ring<'r> {
    pub(super) fn new(receiver: Receiver<'r>, link_type: LinkType) -> Self {
        Self {
            receiver,
            tally: Tally::new(link_type),
        }
    }

    /// Counts what comes in this time, or until a signal.
    pub(super) fn watch(&mut self, time: Duration) -> Result<(), Error> {
        self.count(time, OnSignal::Return, u64::MAX)
    }

    /// Counts what the kernel has received already and not handed over yet.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        let statistics = self.receiver.statistics()?;
        let received = statistics.packets - statistics.drops;
        if self.tally.seen() >= received {
            return Ok(());
        }
        self.count(LAST_BLOCKS, OnSignal::Continue, received)
    }

    fn count(&mut self, time: Duration, on_signal: OnSignal, enough: u64) -> Result<(), Error> {
        let tally = &mut self.tally;
        let ended = self
            .receiver
            .for_each(Deadline::after(time), on_signal, |packet| {
                let frame = frame_of(&packet);
                let tag = frame.tag.map_or(0, |_| TAG as u64);
                tally.add(frame.data, frame.way, u64::from(frame.wire_len) + tag);
                if tally.seen() < enough {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
        match ended {
            // The report tells the link's state.
            Ok(_) | Err(Error::LinkDown) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What came since this was last asked.
    pub(super) fn take(&mut self) -> Result<Seen, Error> {
        Ok(self.tally.take(self.receiver.statistics()?.drops))
    }
}
