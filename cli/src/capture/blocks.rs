//! Packets out of a packet socket's ring, block by block.

use core::ops::ControlFlow;
use core::time::Duration;

use packet_ring::handoff::Slots;
use packet_ring::packet::{Block, BlockStatus, Blocks, Receiver};
use packet_ring::{Deadline, Error, OnSignal, Wake};

use super::counts::Counted;
use super::frame_of;
use super::session::{END, ON, Session, Source, Turn};

impl<G> Source for Receiver<'_, Blocks, G> {
    fn take(&mut self, session: &mut Session<'_>) -> Turn {
        while let Some(block) = self.next_block() {
            if packets(&block, session, self)?.is_break() {
                return END;
            }
            drop(block);
            if session.after_some(self)?.is_break() {
                return END;
            }
        }
        ON
    }

    fn wait(&mut self, nap: Duration) -> Result<Wake, Error> {
        self.wait(Deadline::after(nap), OnSignal::Return)
    }

    fn counted(&mut self) -> Result<Counted, Error> {
        let statistics = self.statistics()?;
        Ok(Counted {
            packets: statistics.packets,
            drops: statistics.drops,
        })
    }

    fn last(&mut self) -> Result<u64, Error> {
        let counted = self.counted()?;
        Ok(counted.packets - counted.drops)
    }
}

fn packets(block: &Block<&Slots>, session: &mut Session<'_>, receiver: &mut impl Source) -> Turn {
    // The kernel marks the first block that it ends after a loss, so the loss lies before the block's packets.
    let mut drops = None;
    if block.status().contains(BlockStatus::LOSING) {
        drops = session.new_drops(receiver)?;
    }
    let mut turn = ON;
    let _broken = block.for_each(|packet| {
        turn = session.packet(&frame_of(&packet), drops.take(), receiver);
        match turn {
            Ok(next) => next,
            Err(_) => ControlFlow::Break(()),
        }
    });
    turn
}
