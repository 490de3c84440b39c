//! What packets are sent by: a packet socket's ring, or whatever else has the same manners.

use core::time::Duration;

use packet_ring::packet::{Transmitter, VnetHeader};
use packet_ring::{Deadline, Error, OnSignal};

use super::report::Report;
use crate::send::{Flushed, SHORT, flush};

/// How long the interface may take for what it has taken.
pub(super) const LAST_FRAMES: Duration = Duration::from_secs(5);

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    /// It goes out with the next flush.
    Yes,
    /// There is no room; some may come of waiting.
    Full,
    /// It fits no frame.
    TooLong,
    /// It is shorter than an Ethernet header.
    TooShort,
}

/// Sends packets in the order in which they are queued.
pub(crate) trait Outlet {
    /// Packets a flush.
    const BATCH: u32;

    /// Takes a copy of the packet.
    fn queue(&mut self, packet: &[u8]) -> Queued;

    /// Has the kernel take what is queued.
    fn flush(&mut self, is_over: impl Fn() -> bool) -> Result<Flushed, Error>;

    /// Takes back what the kernel has not taken; returns how many packets it was.
    fn recall(&mut self) -> u32;

    /// Sleeps until there is room.
    fn wait_for_room(&mut self, nap: Duration) -> Result<(), Error>;

    /// Waits for what the interface has not given back yet, and counts what came back.
    fn finish(&mut self, report: &mut Report);
}

impl Outlet for Transmitter<'_> {
    /// More would leave the first level of the processor's cache.
    const BATCH: u32 = 128;

    #[inline]
    fn queue(&mut self, packet: &[u8]) -> Queued {
        let Some(mut frame) = self.reserve() else {
            return Queued::Full;
        };
        let Some(room) = frame.data_mut().get_mut(..packet.len()) else {
            return Queued::TooLong;
        };
        room.copy_from_slice(packet);
        if let Ok(len @ ..=SHORT) = u16::try_from(packet.len()) {
            frame.set_vnet_header(VnetHeader::NONE.copied(len));
        }
        match frame.send(packet.len()) {
            Ok(_) => Queued::Yes,
            Err(_) => Queued::TooLong,
        }
    }

    fn flush(&mut self, is_over: impl Fn() -> bool) -> Result<Flushed, Error> {
        flush(self, is_over)
    }

    fn recall(&mut self) -> u32 {
        self.recall()
    }

    fn wait_for_room(&mut self, nap: Duration) -> Result<(), Error> {
        self.wait(Deadline::after(nap), OnSignal::Return).map(drop)
    }

    fn finish(&mut self, report: &mut Report) {
        // A second error says no more than the first: what counts is what came back.
        let _down = self.drain(Deadline::after(LAST_FRAMES), OnSignal::Continue);
        report.recalled = self.recall().into();
        report.never_back = self.in_flight().into();
        report.sent = self.completed();
    }
}
