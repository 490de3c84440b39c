//! What a received packet still needs, where it was sent without leaving the machine.

use super::{Block, Packet, VnetHeader};
use crate::handoff::Handle;

impl<H: Handle> Block<H> {
    /// The vnet header of a packet of this block: what is left to be done to it. Only on a socket with
    /// [`Tx::vnet_headers`](super::Tx::vnet_headers); elsewhere what is returned means nothing.
    ///
    /// A packet that comes from this machine, through a veth or from a virtual one, can be without its
    /// checksum, and longer than the MTU because nobody has cut it into segments; one that comes from a
    /// network can be longer because it was put together on arrival (GRO). Whoever sends it on gives the
    /// header to the frame: [`TxFrame::set_vnet_header`](super::TxFrame::set_vnet_header). A packet
    /// whose state the header cannot express is dropped by the kernel.
    ///
    /// `None` for a packet of another block, as far as that can be seen.
    #[must_use]
    #[doc(alias = "PACKET_VNET_HDR")]
    pub fn vnet_header(&self, packet: &Packet<'_>) -> Option<VnetHeader> {
        self.before(packet.data()).map(VnetHeader::from_bytes)
    }
}
