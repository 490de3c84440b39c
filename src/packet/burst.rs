//! How much a receive ring holds: at once, and of a packet.

use super::{Delivery, Receiver};

impl<D: Delivery, G> Receiver<'_, D, G> {
    /// How many packets of `len` bytes that is.
    pub(crate) fn burst(&self, len: u32) -> u32 {
        self.delivery.burst(self.ring.slots().count(), len)
    }

    /// How many bytes of an Ethernet frame are kept.
    pub(crate) fn capacity(&self) -> u32 {
        let capacity = self.delivery.capacity();
        match self.watch.snap_length() {
            Some(bytes) => capacity.min(bytes.get()),
            None => capacity,
        }
    }
}
