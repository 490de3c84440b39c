//! How much a receive ring holds when it comes at once.

use super::{Delivery, Receiver};

impl<D: Delivery, G> Receiver<'_, D, G> {
    /// How many packets of `len` bytes that is.
    pub(crate) fn burst(&self, len: u32) -> u32 {
        self.delivery.burst(self.ring.slots().count(), len)
    }
}
