//! The leave to receive one packet, and to send one: what stacks call tokens.

use super::sides::{Receive, Rings, Transmit};
use super::{Kicks, Latch};

/// The leave to receive the packet that has come. Dropping it leaves the packet for the next.
pub struct RxToken<'d, R: Rings> {
    pub(super) rx: &'d mut R::Rx,
}

impl<R: Rings> RxToken<'_, R> {
    #[inline]
    pub(super) fn receive<T>(self, f: impl FnOnce(&mut [u8]) -> T) -> T {
        self.rx.take(f)
    }
}

/// The leave to send one frame. Dropping it sends nothing.
pub struct TxToken<'d, R: Rings> {
    pub(super) tx: &'d mut R::Tx,
    pub(super) kicks: Kicks,
    pub(super) error: &'d mut Latch,
}

impl<R: Rings> TxToken<'_, R> {
    #[inline]
    pub(super) fn send<T>(self, len: usize, f: impl FnOnce(&mut [u8]) -> T) -> T {
        let (written, mut sent) = self.tx.send(len, f);
        if sent.is_ok() && self.kicks == Kicks::EachFrame {
            sent = self.tx.kick().map(drop);
        }
        self.error.keep(sent);
        written
    }
}
